"""The captions of Snakemake's report, from the catalogue of figures: `python tools/captions.py`.

Snakemake wants a file for each. A test says when they are stale.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from wiring.figures.catalogue import entries

FOLDER = Path(__file__).parents[1] / "workflow/report"


def captions() -> dict[str, str]:
    """File name -> what it holds."""
    return {
        one.file.replace(".", "-") + ".rst": textwrap.fill(f"{one.title}. {one.caption}", 100)
        + "\n"
        for one in entries()
    }


if __name__ == "__main__":
    for name, text in captions().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
