"""Growth (P1): edges drop first and come back, so that a search grows rather than prunes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import free_places, mean, none_probability, none_wins
from wiring.patterns.scopes import SINGLE, single_level

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """How far P(none) rose and fell on the free edges, and which of them dropped and came back."""
    places, space = free_places(trajectory), trajectory.config.space
    edges = [trajectory.shape.edges[place] for place in places]
    none = none_probability(trajectory)[:, places]
    wins = none_wins(trajectory)[:, places]

    start = np.array([1 / len(space.choices(edge)) for edge in edges])
    rise, back = none.max(axis=0) - start, none.max(axis=0) - none[-1]
    growth = np.maximum(np.minimum(rise, back), 0)

    dropped = [column for column in range(len(edges)) if wins[:, column].any()]
    returned = [column for column in dropped if not wins[-1, column]]
    first = {column: int(wins[:, column].argmax()) for column in dropped}
    last = {column: int(np.flatnonzero(wins[:, column])[-1]) for column in returned}

    def in_order(windows: dict[int, int]) -> str:
        return ",".join(str(edges[column]) for column in sorted(windows, key=windows.__getitem__))

    return {
        "none_rise": mean(rise),
        "none_return": mean(back),
        "growth": mean(growth),
        "edges_dropped": len(dropped),
        "edges_returned": len(returned),
        "drop_order": in_order(first),
        "return_order": in_order(last),
    }


PATTERN = Pattern(
    id="growth",
    order=10,
    title="Growth: do searches grow rather than prune?",
    text=(
        "The paper's first pattern. Early in a search most samples are misclassified, loss "
        "exceeds entropy, cost is positive, and none, whose cost is always 0, gains on every "
        "edge. Once accuracy rises, cost turns negative and the edges come back.",
        "Growth is measured on each edge as the smaller of two moves of P(none): how far it "
        "rose above its uniform start, and how far it fell again after its peak.",
    ),
    statistics=(
        Statistic(
            "none_rise",
            "an edge's largest P(none) less its uniform start 1/(number of ops), mean over the "
            "free edges",
            of_alpha=True,
        ),
        Statistic(
            "none_return",
            "an edge's largest P(none) less its last, mean over the free edges",
            of_alpha=True,
        ),
        Statistic(
            "growth",
            "smaller of an edge's rise and return (0 if negative), mean over the free edges: "
            "above 0 where P(none) rose first and fell again",
            of_alpha=True,
            headline=True,
            compared=True,
        ),
        Statistic(
            "edges_dropped",
            "free edges on which none was the op of largest probability in some window",
            of_alpha=True,
        ),
        Statistic(
            "edges_returned",
            "those of them on which it is not after the last window",
            of_alpha=True,
        ),
        Statistic(
            "drop_order",
            "edges by the window in which none first became the op of largest probability",
            of_alpha=True,
            text=True,
        ),
        Statistic(
            "return_order",
            "returned edges by the window from which none never was it again",
            of_alpha=True,
            text=True,
        ),
    ),
    measure=measure,
    claims=(
        Claim(
            id="P1",
            title="Growth: none first gains on the edges, then they come back.",
            statistic="growth",
            threshold=Threshold(
                "growth", 0.05, "P1: mean over edges of how far P(none) rose and then fell", 0, 1
            ),
            side="above",
            scope=f"{SINGLE} and that have a free edge",
            applies=single_level,
        ),
    ),
    columns=(
        "growth",
        "none_rise",
        "none_return",
        "edges_dropped",
        "edges_returned",
        "edges_selected",
    ),
)
