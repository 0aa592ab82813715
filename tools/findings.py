"""Put what a scale's results say of each pattern into a page, between its two markers.

python -m tools.findings results/embedded README.md
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from wiring.claims.judgement import read
from wiring.report.story import findings

BLOCK = re.compile(r"<!-- found ([0-9a-f]{16}) -->\n(.*?)<!-- /found -->\n", re.DOTALL)
NOTHING = "Of this version's reference run nothing is published yet.\n"


def block(content: str) -> str:
    """A text between its markers; the first has its digest, by which a change by hand is seen."""
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return f"<!-- found {digest} -->\n{content}<!-- /found -->\n"


def content(results: Path) -> str:
    """A line a pattern, in the words of the report's first screen."""
    claims = sorted(results.glob("experiments/*/claims.json"))
    if not claims:
        return NOTHING
    return "".join(f"- **{each.title}** {each.text}\n" for each in findings(read(*claims)))


def main(results: Path, page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    text = page.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        raise SystemExit(f"{page}: has no <!-- found ... --> block")
    page.write_text(BLOCK.sub(lambda _: block(content(results)), text), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
