"""Failure (P3): a bi-level search selects no edge, for loss exceeds entropy on held-out data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import field, free_places, mean, none_wins
from wiring.patterns.scopes import BI, bi_level

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """How many edges are left at the end, and how long loss exceeded entropy."""
    wins = none_wins(trajectory)[:, free_places(trajectory)]
    dropped = wins[-1]
    difference = field(trajectory, "loss") - field(trajectory, "entropy")
    return {
        "edges_selected": int((~dropped).sum()),
        "dropped_share": mean(dropped),
        "positive_share": mean(difference > 0),
        **_emptied(trajectory, np.asarray(wins.all(axis=1) & (wins.shape[1] > 0))),
    }


def _emptied(
    trajectory: Trajectory, empty: np.ndarray[Any, np.dtype[np.bool_]]
) -> dict[str, Value]:
    """When the last edge was dropped that did not come back, nor another; empty: (windows,)."""
    kept = np.flatnonzero(~empty)
    window = int(kept[-1]) + 1 if kept.size else 0
    split = trajectory.config.learning_split
    return {
        f"emptied_{when}": float(trajectory.column(when, split)[window])
        if empty[-1]
        else float("nan")
        for when in ("epoch", "step", "displacement")
    }


PATTERN = Pattern(
    id="failure",
    order=30,
    title="Failure: does a bi-level search select nothing?",
    text=(
        "The third pattern. A bi-level search trains alpha on held-out samples. There the "
        "misclassified, over-confident ones keep the mean of loss - entropy positive, so none "
        "wins on every edge.",
    ),
    statistics=(
        Statistic(
            "edges_selected",
            "free edges on which none is not the op of largest probability at the end",
            of_alpha=True,
            headline=True,
            compared=True,
        ),
        Statistic(
            "dropped_share",
            "share of the free edges on which none is the op of largest probability at the end",
            of_alpha=True,
        ),
        Statistic(
            "positive_share",
            "share of the learning split's windows with mean(loss - entropy) > 0",
            headline=True,
        ),
        Statistic(
            "emptied_epoch",
            "epoch of the window from which none is the op of largest probability on every free "
            "edge to the end; undefined where an edge is selected",
            of_alpha=True,
        ),
        Statistic("emptied_step", "steps done by the end of that window", of_alpha=True),
        Statistic(
            "emptied_displacement", "alpha's displacement by the end of that window", of_alpha=True
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="P3",
            title="Catastrophic failure: a bi-level search selects no edge.",
            statistic="dropped_share",
            threshold=Threshold("failure", 0.9, "P3: share of edges on which none wins", 0, 1),
            side="above",
            scope=f"{BI} and that have a free edge",
            applies=bi_level,
            cause="E0-failure",
        ),
        Claim(
            id="P3-cause",
            title="On held-out data loss exceeds entropy for most of a bi-level search.",
            statistic="positive_share",
            threshold=Threshold(
                "failure_cause",
                0.5,
                "P3-cause: share of the validation split's windows with loss above entropy",
                0,
                1,
            ),
            side="above",
            scope=f"{BI} and that have a free edge",
            applies=bi_level,
        ),
    ),
    columns=(
        "dropped_share",
        "edges_selected",
        "emptied_epoch",
        "emptied_displacement",
        "positive_share",
        "train_accuracy",
        "test_accuracy",
    ),
)
