"""Put the verdict table of a scale's results into a page, between its two markers.

python -m tools.verdicts results/embedded docs/results.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tools import blocks

MARKS = {"reproduced": "●", "inconclusive": "◐", "not reproduced": "○", "unfinished": "…"}


def table(claims: dict) -> str:
    """A row a condition, a column a claim; of two marks the first is of the published reading."""
    names = list(claims["claims"])
    found: dict[str, dict[str, str]] = {}
    for row in claims["verdicts"]:
        cells = found.setdefault(row["condition"], {})
        cells[row["claim"]] = cells.get(row["claim"], "") + MARKS[row["verdict"]]
    rows = [
        [condition.replace("_", " "), *(found[condition].get(name, "") for name in names)]
        for condition in sorted(found)
    ]
    return blocks.table(["condition", *names], rows, alignment=":-:")


def main(results: Path, page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    found = [json.loads(path.read_text()) for path in results.glob("experiments/*/claims.json")]
    verdicts = [verdict for claims in found for verdict in claims["verdicts"]]
    blocks.fill(page, "verdicts", table({"claims": found[0]["claims"], "verdicts": verdicts}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
