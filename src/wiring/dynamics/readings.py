"""The readings of a search: of which windows its outcomes are, and whether they can be judged.

An *outcome* is what alpha made of the wiring (`of_alpha` in :mod:`wiring.patterns`). It is read
twice. `published`: at the first window by whose end alpha's displacement has reached that of the
published searches. `settled`: at the end. A search that ends before the first, whose wiring still
changes at the second, or in which alpha did not get away from its start, is *unfinished* for that
reading: its numbers are there, and nothing is to be concluded from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from wiring.config import ReadingsConfig, SearchConfig
from wiring.config.search import reached
from wiring.patterns import STATISTICS, measured
from wiring.patterns.pattern import Value
from wiring.patterns.readings import field, free_places, none_probability
from wiring.trajectory import Trajectory
from wiring.trajectory.settling import change

PUBLISHED, SETTLED = "published", "settled"
READINGS = (PUBLISHED, SETTLED)
OUTCOMES = tuple(name for name, statistic in STATISTICS.items() if statistic.of_alpha)
"""The statistics that are read twice."""
NOISE = 4
"""Standard deviations of P(none) over initial alphas: what moved by less may not have moved."""


def readings(
    trajectory: Trajectory, config: ReadingsConfig, whole: Mapping[str, Value]
) -> Iterator[dict[str, Any]]:
    """A row for each reading of a search; none where alpha rests.

    Args:
        trajectory: the search.
        config: when its outcomes are read.
        whole: its statistics, see :func:`wiring.patterns.measured`.
    """
    search = trajectory.config
    if not search.alpha.lr:
        return
    wanted = config.displacement(search.level)
    for name in READINGS:
        part = _until(trajectory, wanted) if name == PUBLISHED else trajectory
        steps, epochs, displacement = (
            part.column(column, search.learning_split)
            for column in ("step", "epoch", "displacement")
        )
        trains = [search.train.trains(epoch) for epoch in epochs.tolist()]
        wiring = [field(part, name)[trains] for name in ("probability", "edge_weight")]
        changed = change(steps[trains], *wiring)
        faults = []
        if not reached(displacement[-1], wanted):
            faults.append(f"alpha's displacement is {displacement[-1]:.3g} of {wanted:g}")
        if name == SETTLED and not changed < config.change:
            what = "P" if (wiring[1] == 1).all() else "P or an edge's weight"
            faults.append(
                f"{what} changed by {changed:.2g} over the last fifth of the steps, "
                f"expected less than {config.change:g}"
            )
        moved, noise = _moved(part), start_noise(search)
        if moved <= NOISE * noise:
            faults.append(
                f"P(none) moved by {moved:.1g}, expected more than {NOISE * noise:.1g}: "
                f"{NOISE} times its standard deviation at the start"
            )
        found = whole if part is trajectory else measured(part)
        yield {
            "search": search.id,
            "condition": str(search.condition),
            "seed": search.seed,
            "reading": name,
            "step": int(steps[-1]),
            "epoch": int(epochs[-1]),
            "displacement": float(displacement[-1]),
            "change": changed,
            "unfinished": "; ".join(faults),
            **{outcome: found[outcome] for outcome in OUTCOMES},
        }


def _until(trajectory: Trajectory, wanted: float) -> Trajectory:
    """The search up to the window by whose end alpha got so far; all of it where it never did."""
    split = trajectory.config.learning_split
    for step, displacement in zip(
        trajectory.column("step", split), trajectory.column("displacement", split), strict=True
    ):
        if reached(displacement, wanted):
            return trajectory.up_to(int(step))
    return trajectory


def _moved(trajectory: Trajectory) -> float:
    """How far P(none) got from the uniform start on any free edge; 0 without one."""
    places, space = free_places(trajectory), trajectory.config.space
    start = [1 / len(space.choices(trajectory.shape.edges[place])) for place in places]
    away = np.abs(none_probability(trajectory)[:, places] - start)
    return float(away.max(initial=0.0))


def start_noise(search: SearchConfig) -> float:
    """Standard deviation of P(none) over initial alphas, of the free edge where it is largest.

    To first order in alpha ~ N(0, s^2), with k ops and p = 1/k, P(none) = p + p (a_none - mean a)
    and var(a_none - mean a) = s^2 (1 - p): the standard deviation is s p sqrt(1 - p).
    """
    shares = [
        1 / len(search.space.choices(edge))
        for edge in search.space.edges
        if search.space.free(edge)
    ]
    return max((search.alpha.init_std * p * (1 - p) ** 0.5 for p in shares), default=0.0)
