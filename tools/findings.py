"""Put what a scale's results say of each pattern into a page, between its two markers.

python -m tools.findings results/embedded README.md
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from wiring.claims.judgement import read
from wiring.dynamics import Dynamics
from wiring.report.story import RULE, findings, number

BLOCK = re.compile(r"<!-- found ([0-9a-f]{16}) -->\n(.*?)<!-- /found -->\n", re.DOTALL)
NOTHING = "Of this version's reference run nothing is published yet.\n"


def block(content: str) -> str:
    """A text between its markers; the first has its digest, by which a change by hand is seen."""
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f"<!-- found {digest} -->\n{content}<!-- /found -->\n"


def content(results: Path) -> str:
    """A line a pattern, in the words of the report's first screen; and its pictures in numbers."""
    claims = sorted(results.glob("experiments/*/claims.json"))
    if not claims:
        return NOTHING
    told = "".join(f"- **{each.title}** {each.text}\n" for each in findings(read(*claims)))
    return f"{told}\n{RULE}\n\n{numbers(results)}"


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
    lines = [
        "Shares of the free edges, and probabilities, means over seeds:",
        "",
        f"| condition (seeds) | {' | '.join(COLUMNS)} |",
        f"| --- |{' :-: |' * len(COLUMNS)}",
    ]
    for condition, seeds in searches.groupby("condition"):
        means = [number(round(seeds[name].mean(), 2)) for name in COLUMNS.values()]
        words = str(condition).replace("_", " ")
        lines.append(f"| {words} ({len(seeds)}) | {' | '.join(means)} |")
    return "\n".join(lines) + "\n"


def main(results: Path, page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page}: has no <!-- found ... --> block")
    page.write_text(BLOCK.sub(lambda _: block(content(results)), text), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
