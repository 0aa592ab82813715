"""The courses of each condition that `dvc plots diff` draws: P(none) by class, and the gap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from wiring.dynamics.frames import Dynamics
from wiring.files import atomic_dir

PARTS = 20
"""Rows of a course: one a twentieth of the search."""
CLASSES = ["input", "intermediate"]


def series(dynamics: Dynamics) -> dict[str, pd.DataFrame]:
    """The courses of each condition, mean over its seeds.

    A search's row is the window in which that share of its steps was reached, so that searches of
    different lengths meet in their shares.

    Args:
        dynamics: the tables; `searches`, `edges` and `statistics` are read.

    Returns:
        Condition -> a frame over `share`, 1 / :data:`PARTS` to 1. Its columns: `input` and
        `intermediate`, P(none) after the window, mean over the free edges of that class (NaN
        without any); `gap`, loss less entropy in nats, of the samples that alpha learns from.
    """
    free = dynamics.edges[dynamics.edges["free"]]
    none = free.groupby(["search", "step", "edge_class"])["p_none"].mean().unstack()
    level = dynamics.searches.set_index("search")["level"]
    split = level.map({"single": "train", "bi": "validation"})
    found = dynamics.statistics
    found = found[found["split"] == found["search"].map(split)]
    courses = found.set_index(["search", "step"])[["condition", "loss_minus_entropy"]]
    courses = courses.rename(columns={"loss_minus_entropy": "gap"}).join(none)
    courses = courses.reindex(columns=["condition", *CLASSES, "gap"])
    shares = np.arange(1, PARTS + 1)
    rows = []
    for _, own in courses.groupby(level="search"):
        steps = own.index.get_level_values("step").to_numpy()
        # In whole numbers: a share as a float could miss its window by a rounding.
        reached = np.searchsorted(steps * PARTS, steps[-1] * shares)
        rows.append(own.iloc[reached].assign(share=shares / PARTS))
    means = pd.concat(rows).groupby(["condition", "share"]).mean()
    return {str(name): own.droplevel(0) for name, own in means.groupby(level=0)}


def write_series(dynamics: Dynamics, out: Path) -> None:
    """Write the courses as CSV, six digits, a file a condition.

    Args:
        dynamics: see :func:`series`.
        out: the folder to write, replaced whole: `gap/{condition}.csv`, and where alpha learns in
            some search `none/{condition}.csv`.
    """
    learns = dynamics.searches.groupby("condition")["alpha_learns"].any()
    with atomic_dir(out) as folder:
        for name in ("none", "gap"):
            (folder / name).mkdir()
        for condition, courses in series(dynamics).items():
            parts = {"none": CLASSES, "gap": ["gap"]} if learns[condition] else {"gap": ["gap"]}
            for name, columns in parts.items():
                path = folder / name / f"{condition}.csv"
                courses.to_csv(path, columns=columns, float_format="%.6g", lineterminator="\n")
