"""Write the figures of an experiment, or of all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from wiring.config import ReportConfig
from wiring.dynamics import Dynamics
from wiring.figures.cell import animate_wiring, draw_wiring
from wiring.figures.curves import draw_cost, draw_probability, draw_statistics
from wiring.figures.interventions import draw_interventions
from wiring.figures.overview import draw_all
from wiring.figures.phases import draw_phases
from wiring.figures.samples import draw_samples
from wiring.figures.style import save, styled
from wiring.files import atomic_dir, atomic_file


def draw_experiment(
    dynamics: Dynamics,
    out: Path,
    moments: Sequence[float] = ReportConfig().moments,
    baseline: str = "free",
) -> None:
    """Write the figures of every condition, and of the interventions if there are any.

    Args:
        dynamics: the tables of one experiment.
        out: where a folder for each condition, and `interventions.svg`, are replaced whole.
        moments: shares of the search (0 to 1) at which the cell is drawn.
        baseline: the variant that interventions are compared with.
    """
    for condition in dynamics.searches["condition"].unique():
        draw_condition(dynamics, condition, out / condition, moments)
    variants = set(dynamics.searches["variant"])
    if baseline in variants and len(variants) > 1:
        with atomic_file(out / "interventions.svg") as file, styled():
            save(draw_interventions(dynamics, baseline), file)


def draw_condition(
    dynamics: Dynamics,
    condition: str,
    out: Path,
    moments: Sequence[float] = ReportConfig().moments,
) -> None:
    """Write a condition's figures: those of `wiring.config.scale.figures_of`.

    Args:
        dynamics: the tables, of this condition or of more.
        condition: a search's id without its seed.
        out: the folder to write; replaced whole.
        moments: shares of the search (0 to 1) at which the cell is drawn.

    Raises:
        ValueError: no search belongs to the condition.
    """
    tables = dynamics.condition(condition)
    learns = bool(tables.searches["alpha_learns"].iloc[0])
    drawn: dict[str, Callable[[Dynamics], Figure]] = {
        "cost.svg": draw_cost,
        "statistics.svg": draw_statistics,
    }
    if learns:
        drawn["probability.svg"] = draw_probability
        drawn["wiring.svg"] = partial(draw_wiring, moments=moments)
    if len(tables.samples):
        drawn["samples.svg"] = draw_samples
    if len(tables.phases):
        drawn["phases.svg"] = draw_phases
    with atomic_dir(out) as folder, styled():
        for file, draw in drawn.items():
            save(draw(tables), folder / file)
        if learns:
            animate_wiring(tables, folder / "wiring.gif")


def draw_overview(dynamics: Dynamics, out: Path) -> None:
    """Write the figure over all conditions.

    Args:
        dynamics: the tables of a scale.
        out: the SVG file to write.
    """
    with atomic_file(out) as file, styled():
        save(draw_all(dynamics), file)
