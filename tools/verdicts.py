"""Put the verdict table of a scale's results into README.md, between its two markers.

python tools/verdicts.py results/embedded/claims/claims.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
MARKS = {"reproduced": "●", "inconclusive": "◐", "not reproduced": "○"}
BEGIN, END = "<!-- verdicts -->\n", "<!-- /verdicts -->\n"


def table(claims: dict) -> str:
    """A row a condition, a column a claim."""
    names = list(claims["claims"])
    found: dict[str, dict[str, str]] = {}
    for row in claims["verdicts"]:
        found.setdefault(row["condition"], {})[row["claim"]] = MARKS[row["verdict"]]
    lines = [f"| condition | {' | '.join(names)} |", f"| --- |{' :-: |' * len(names)}"]
    for condition in sorted(found):
        cells = [found[condition].get(name, "") for name in names]
        words = condition.replace("_", " ")
        lines.append(f"| {words} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(path: Path) -> None:
    """Rewrite the part of README.md."""
    text = README.read_text(encoding="utf-8")
    content = table(json.loads(path.read_text(encoding="utf-8")))
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    README.write_text(pattern.sub(lambda _: f"{BEGIN}{content}{END}", text), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
