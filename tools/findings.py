"""Put what a scale's results say of each pattern into a page, between its two markers.

python -m tools.findings results/embedded docs/results.md
python -m tools.findings results/embedded README.md --brief
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tools import blocks
from wiring.claims.judgement import read
from wiring.dynamics import Dynamics
from wiring.report.story import NOWHERE, RULE, Finding, Share, findings, number, place

BLOCK = re.compile(r"<!-- found ([0-9a-f]{16}) -->\n(.*?)<!-- /found -->\n", re.DOTALL)
NOTHING = "Of this version's reference run nothing is published yet.\n"


def block(content: str) -> str:
    """A text between its markers; the first has its digest, by which a change by hand is seen."""
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f"<!-- found {digest} -->\n{content}<!-- /found -->\n"


def content(results: Path, brief: bool) -> str:
    """A line a pattern, in the words of the report's first screen; and its pictures in numbers."""
    claims = sorted(results.glob("experiments/*/claims.json"))
    if not claims:
        return NOTHING
    told = findings(read(*claims))
    lines = table(told) if brief else "".join(f"- **{each.title}** {each.text}\n" for each in told)
    return f"{lines}\n{RULE}\n\n{numbers(results)}"


def table(told: list[Finding]) -> str:
    """A row a pattern: conditions are counted, and only the one that shows it most is named."""
    rows = []
    for each in told:
        most = NOWHERE
        if each.strongest is not None:
            most = f"{number(each.strongest.effect)} in {place(each.strongest)}; {each.bound}"
        there = counted(share for share in each.where if share.cause == "reproduced")
        elsewhere = counted(share for share in each.where if share.cause != "reproduced")
        rows.append((each.title, there, elsewhere, most))
    heads = ("asked", "conditions that have its cause", "all others", "the most; asked for")
    return blocks.table(heads, rows)


def counted(shares: Iterable[Share]) -> str:
    """How many conditions got which verdict."""
    counts: Counter[str] = Counter()
    for share in shares:
        counts[share.verdict] += share.count
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "–"


COLUMNS = {
    "dropped at one time": "dropped_most",
    "and come back": "regrown",
    "none wins at the end": "dropped_share",
    "P(none) at the end, input": "none_input_final",
    "intermediate": "none_intermediate_final",
}
"""Heading -> a statistic of the searches."""


def numbers(results: Path) -> str:
    """A table of what became of the edges where alpha learns and nobody intervened."""
    tables = sorted(results.glob("experiments/*/tables"))
    searches = Dynamics.read(*tables, tables=("searches",)).searches
    searches = searches[searches["alpha_learns"] & ~searches["intervened"]]
    rows = []
    for condition, seeds in searches.groupby("condition"):
        means = [number(round(seeds[name].mean(), 2)) for name in COLUMNS.values()]
        words = str(condition).replace("_", " ")
        rows.append([f"{words} ({len(seeds)})", *means])
    shown = blocks.table(["condition (seeds)", *COLUMNS], rows, alignment=":-:")
    return f"Shares of the free edges, and probabilities, means over seeds:\n\n{shown}"


def main(results: Path, page: Path, *, brief: bool = False) -> None:
    """Rewrite what stands between the page's markers."""
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page}: has no <!-- found ... --> block")
    page.write_text(BLOCK.sub(lambda _: block(content(results, brief)), text), encoding="utf-8")


if __name__ == "__main__":
    options = argparse.ArgumentParser(prog="tools.findings", description=__doc__)
    options.add_argument("results", type=Path)
    options.add_argument("page", type=Path)
    options.add_argument("--brief", action="store_true", help="a table in place of sentences")
    main(**vars(options.parse_args()))
