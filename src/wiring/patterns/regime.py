"""Regime (E0): does a setting give growth and failure their cause, before any wiring moves?

While alpha rests the gap, loss less entropy, is that of the setting alone: its cells, data, batch
and rate of the weights. A pattern whose cause is not there cannot be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import Array, field, mean
from wiring.patterns.scopes import resting_bi_level, resting_single_level

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory

PARTS = 20
"""Equal parts of a search over which the gap is averaged, so that a batch's noise has no sign."""


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """For how long the gap is above 0, by twentieths of the steps that train and by windows."""
    split, train = trajectory.config.learning_split, trajectory.config.train
    trains = np.array([train.trains(epoch) for epoch in trajectory.column("epoch", split)], bool)
    gap = (field(trajectory, "loss") - field(trajectory, "entropy"))[trains]
    parts = course(gap, field(trajectory, "steps")[trains])
    turned = bool(parts.size) and parts[-1] < 0
    held_out = trajectory.config.level == "bi"
    return {
        "gap_mean": mean(parts),
        "gap_first": float(parts[0]) if parts.size else float("nan"),
        "gap_last": float(parts[-1]) if parts.size else float("nan"),
        "gap_above": mean(parts > 0),
        "growth_cause": mean(parts > 0) if turned or not parts.size else 0.0,
        "failure_cause": mean(gap > 0) if held_out else float("nan"),
    }


def course(gap: Array, steps: Array) -> Array:
    """Mean gap of each twentieth of the steps.

    Args:
        gap: of each window, shape (W,).
        steps: of each window, shape (W,).

    Returns:
        Shape (20,), or fewer where there are fewer windows; a window belongs to the part in which
        its middle lies.
    """
    ends = np.cumsum(steps)
    if not ends.size:
        return ends
    part = np.floor((ends - steps / 2) / ends[-1] * PARTS).astype(int)
    weight = np.bincount(part, steps)
    return np.asarray(np.bincount(part, steps * gap)[weight > 0] / weight[weight > 0])


PATTERN = Pattern(
    id="regime",
    order=5,
    title="Regime: where do growth and failure have their cause?",
    text=(
        "Growth and failure follow the sign of the gap, loss less entropy, of the samples that "
        "alpha learns from. An experiment in which alpha rests measures the gap of a setting, "
        "with sampled operations and with the constant mixture, before any wiring moves. Its rule "
        "stands in the scale file: growth has its cause where the gap is above 0 for long and "
        "below 0 at the end, failure where it is above 0 in nearly all windows of held-out "
        "samples. A search whose setting was measured has the verdict of that setting beside its "
        "own.",
        "Alpha's displacement, its rate summed over its steps, grows with the steps alone where "
        "the rate is constant. A share of the steps is a share of the displacement.",
    ),
    statistics=(
        Statistic("gap_mean", "mean loss - entropy over the steps that train, nats"),
        Statistic("gap_first", "mean loss - entropy over the first twentieth of them, nats"),
        Statistic("gap_last", "mean loss - entropy over the last twentieth of them, nats"),
        Statistic(
            "gap_above", "share of the twentieths of the steps in which mean loss - entropy > 0"
        ),
        Statistic(
            "growth_cause",
            "gap_above where gap_last < 0, else 0: for how long loss exceeds entropy in a search "
            "at the end of which it does not",
            headline=True,
        ),
        Statistic(
            "failure_cause",
            "share of the windows of held-out samples with mean(loss - entropy) > 0; undefined in "
            "single-level search",
            headline=True,
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="E0-growth",
            title="The setting gives growth its cause: the gap is above 0 for long, then below.",
            statistic="growth_cause",
            threshold=Threshold(
                "growth_cause",
                0.25,
                "E0-growth: share of alpha's displacement (of the steps) with the gap above 0, in "
                "a search at the end of which it is below 0",
                0,
                1,
            ),
            side="above",
            scope="single-level searches of whole cells in which alpha rests, and what they "
            "measure",
            applies=resting_single_level,
            of_setting=True,
        ),
        Claim(
            id="E0-failure",
            title="The setting gives failure its cause: the held-out gap stays above 0.",
            statistic="failure_cause",
            threshold=Threshold(
                "failure_held_out",
                0.8,
                "E0-failure: share of the windows of held-out samples with the gap above 0",
                0,
                1,
            ),
            side="above",
            scope="bi-level searches of whole cells in which alpha rests, and what they measure",
            applies=resting_bi_level,
            of_setting=True,
        ),
    ),
    columns=(
        "growth_cause",
        "failure_cause",
        "gap_above",
        "gap_first",
        "gap_mean",
        "gap_last",
        "train_accuracy",
    ),
)
