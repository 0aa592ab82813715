"""Put what each variant changes against its baseline into a page, between its two markers.

python -m tools.contrasts results/protocols docs/results-protocols.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import blocks
from wiring.claims.contrasts import Contrast
from wiring.claims.judgement import read

COLUMNS = {
    "width_gap": "P(none), intermediate less input, mean over the search",
    "regrown": "dropped and come back",
    "edges_selected": "edges selected",
    "test_accuracy": "test accuracy",
}
"""A statistic of the searches -> heading."""


def table(contrasts: list[Contrast]) -> str:
    """A row a variant, a column a statistic: effect and interval; bold where they differ."""
    rows: dict[str, dict[str, str]] = {}
    for one in contrasts:
        row = rows.setdefault(f"{one.method} {one.level} {one.dataset} {one.variant}", {})
        row[one.statistic] = cell(one)
    return blocks.table(
        ["variant, less the baseline", *COLUMNS.values()],
        [[words, *(cells.get(name, "") for name in COLUMNS)] for words, cells in rows.items()],
    )


def cell(one: Contrast) -> str:
    """Effect and interval; of searches that are unfinished nothing is concluded."""
    effect = f"{one.effect:+.3f}"
    shown = {None: f"… {effect}", True: f"**{effect}**", False: effect}[one.differs]
    if one.low is None or one.low == one.high:
        return shown
    return f"{shown} ({one.low:+.3f} to {one.high:+.3f})"


def main(results: Path, page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    claims = sorted(results.glob("experiments/*/claims.json"))
    blocks.fill(page, "contrasts", table(read(*claims).contrasts))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
