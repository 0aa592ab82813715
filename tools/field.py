"""Put the table of the field into a page, between its two markers.

python -m tools.field results/methods README.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import blocks
from tools.verdicts import MARKS
from wiring.claims.judge import Verdict
from wiring.claims.judgement import read
from wiring.dynamics import Dynamics
from wiring.report.field import Field, field

CLAIMS = ("P1", "P2", "P3")


def table(results: Path) -> str:
    """A row a method, a column a pattern on some data."""
    homes = sorted((results / "experiments").iterdir())
    searches = Dynamics.read(*(home / "tables" for home in homes), tables=("searches",)).searches
    learning = searches[searches["alpha_learns"]]
    verdicts = read(*(home / "claims.json" for home in homes)).verdicts
    return markdown(field(verdicts, sorted(learning["method"].unique()), CLAIMS))


def markdown(table: Field) -> str:
    """The table for a page in Markdown: verdict's mark, effect and interval."""
    heads = [" ".join(filter(None, column)) for column in table.columns]
    rows = [[method, *map(_cell, verdicts)] for method, verdicts in table.rows.items()]
    return blocks.table(["method", *heads], rows)


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    ends = (verdict.low, verdict.high)
    interval = "" if None in ends else f" ({ends[0]:.2g} to {ends[1]:.2g})"
    return f"{MARKS[verdict.verdict]} {verdict.effect:.2g}{interval}"


def main(results: Path, page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    blocks.fill(page, "field", table(results))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
