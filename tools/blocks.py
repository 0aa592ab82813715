"""What tools write into a page stands between two markers: `<!-- name -->`, `<!-- /name -->`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def fill(page: Path, name: str, content: str) -> None:
    """Rewrite what stands between markers; a page without them ends the command."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    text, count = pattern.subn(lambda _: f"{begin}{content}{end}", page.read_text(encoding="utf-8"))
    if not count:
        raise SystemExit(f"{page}: has no <!-- {name} --> block")
    page.write_text(text, encoding="utf-8")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, alignment: str = "---") -> str:
    """A table in Markdown; `alignment` is that of all columns but the first."""
    lines = [heads, ["---", *[alignment] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
