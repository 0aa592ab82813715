"""Write the figures of a condition, or of all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wiring.config import ReportConfig
from wiring.dynamics import Dynamics
from wiring.figures.cell import animate_wiring, draw_wiring
from wiring.figures.curves import draw_cost, draw_probability, draw_statistics
from wiring.figures.overview import draw_all
from wiring.figures.style import save, styled
from wiring.files import atomic_dir, atomic_file


def draw_condition(
    dynamics: Dynamics,
    condition: str,
    out: Path,
    moments: Sequence[float] = ReportConfig().moments,
) -> None:
    """Write a condition's `probability`, `cost`, `statistics`, `wiring` (SVG) and `wiring.gif`.

    Args:
        dynamics: the tables, of this condition or of more.
        condition: a search's id without its seed.
        out: the folder to write; replaced whole.
        moments: shares of the search (0 to 1) at which the cell is drawn.

    Raises:
        ValueError: no search belongs to the condition.
    """
    tables = dynamics.condition(condition)
    with atomic_dir(out) as folder, styled():
        save(draw_probability(tables), folder / "probability.svg")
        save(draw_cost(tables), folder / "cost.svg")
        save(draw_statistics(tables), folder / "statistics.svg")
        save(draw_wiring(tables, moments), folder / "wiring.svg")
        animate_wiring(tables, folder / "wiring.gif")


def draw_overview(dynamics: Dynamics, out: Path) -> None:
    """Write the figure over all conditions.

    Args:
        dynamics: the tables of a scale.
        out: the SVG file to write.
    """
    with atomic_file(out) as file, styled():
        save(draw_all(dynamics), file)
