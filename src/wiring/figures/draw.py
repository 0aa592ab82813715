"""Write the figures of the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from wiring.config import ScaleConfig, SearchConfig
from wiring.dynamics import Dynamics
from wiring.errors import InputError
from wiring.figures.catalogue import STUDY, Entry, conditions_of, figures_of, shared_by
from wiring.figures.cell import Animation
from wiring.figures.style import styled
from wiring.figures.svg import save
from wiring.files import atomic_dir, atomic_file


def draw_experiment(scale: ScaleConfig, experiment: str, dynamics: Dynamics, out: Path) -> None:
    """Write the figures of an experiment: those of :func:`wiring.figures.catalogue.paths_of`.

    Args:
        scale: the scale that was run.
        experiment: one of its experiments.
        dynamics: the experiment's tables.
        out: the folder of its figures; replaced whole.

    Raises:
        InputError: the tables lack a condition.
    """
    with atomic_dir(out) as folder:
        for condition, search in conditions_of(scale, experiment).items():
            (folder / condition).mkdir()
            draw_condition(scale, search, dynamics, folder / condition)
        with styled():
            for one in shared_by(scale, experiment):
                _write(one, dynamics, folder / one.file, scale)


def draw_condition(scale: ScaleConfig, search: SearchConfig, dynamics: Dynamics, out: Path) -> None:
    """Write a condition's figures: those of :func:`wiring.figures.catalogue.figures_of`.

    Args:
        scale: the scale that was run.
        search: one of the condition's searches.
        dynamics: the tables, of this condition or of more.
        out: an existing folder.

    Raises:
        InputError: no search of the tables belongs to the condition.
    """
    tables = dynamics.condition(str(search.condition))
    with styled():
        for one in figures_of(search):
            _write(one, tables, out / one.file, scale)


def draw_overview(dynamics: Dynamics, out: Path) -> None:
    """Write a figure over all conditions.

    Args:
        dynamics: the tables of a scale; `samples`, `ops`, `statistics` and `phases` are not read.
        out: the SVG file to write; its name is that of a figure of a study.

    Raises:
        InputError: the catalogue has no such figure of a study.
    """
    known = {one.file: one for one in STUDY}
    if out.name not in known:
        raise InputError(f"{out}: no figure of a study, expected one of {', '.join(known)}")
    with atomic_file(out) as file, styled():
        save(known[out.name].load()(dynamics), file)


def _write(one: Entry[Any], tables: Dynamics, path: Path, scale: ScaleConfig) -> None:
    settings = {"snapshots": scale.report.snapshots, "baseline": scale.claims.baseline}
    drawn: Figure | Animation = one.load()(tables, **{name: settings[name] for name in one.takes})
    if isinstance(drawn, Animation):
        drawn.save(path)
    else:
        save(drawn, path)
