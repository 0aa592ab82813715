"""Put the verdict table of a scale's results into a page, between its two markers.

python tools/verdicts.py results/embedded docs/results.md
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

MARKS = {"reproduced": "●", "inconclusive": "◐", "not reproduced": "○", "unfinished": "…"}
BEGIN, END = "<!-- verdicts -->\n", "<!-- /verdicts -->\n"


def table(claims: dict) -> str:
    """A row a condition, a column a claim; of two marks the first is of the published reading."""
    names = list(claims["claims"])
    found: dict[str, dict[str, str]] = {}
    for row in claims["verdicts"]:
        cells = found.setdefault(row["condition"], {})
        cells[row["claim"]] = cells.get(row["claim"], "") + MARKS[row["verdict"]]
    lines = [f"| condition | {' | '.join(names)} |", f"| --- |{' :-: |' * len(names)}"]
    for condition in sorted(found):
        cells = [found[condition].get(name, "") for name in names]
        words = condition.replace("_", " ")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(results: Path, page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    found = [json.loads(path.read_text()) for path in results.glob("experiments/*/claims.json")]
    verdicts = [verdict for claims in found for verdict in claims["verdicts"]]
    content = table({"claims": found[0]["claims"], "verdicts": verdicts})
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{BEGIN}{content}{END}", text), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
