"""Growth (P1): edges drop first and come back, so that a search grows rather than prunes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value
from wiring.patterns.readings import free_places, mean, none_probability, none_wins
from wiring.patterns.scopes import SINGLE, single_level

if TYPE_CHECKING:
    from wiring.config import Edge
    from wiring.trajectory import Trajectory

RISE = 0.05
"""By how much P(none) must rise above its uniform start for its edge to count as dropped."""


def measure(trajectory: Trajectory) -> dict[str, Value]:
    """How far P(none) rose and fell on the free edges, and which of them dropped and came back."""
    places, space = free_places(trajectory), trajectory.config.space
    edges = [trajectory.shape.edges[place] for place in places]
    none = none_probability(trajectory)[:, places]
    wins = none_wins(trajectory)[:, places]

    start = np.array([1 / len(space.choices(edge)) for edge in edges])
    rise, back = none.max(axis=0) - start, none.max(axis=0) - none[-1]
    growth = np.maximum(np.minimum(rise, back), 0)

    drops = wins & (none - start >= RISE)
    dropped = [column for column in range(len(edges)) if drops[:, column].any()]
    returned = [column for column in dropped if not wins[-1, column]]
    first = {column: int(drops[:, column].argmax()) for column in dropped}
    last = {column: int(np.flatnonzero(wins[:, column])[-1]) for column in returned}

    def in_order(windows: dict[int, int]) -> str:
        return ",".join(str(edges[column]) for column in sorted(windows, key=windows.__getitem__))

    return {
        "none_rise": mean(rise),
        "none_return": mean(back),
        "growth": mean(growth),
        "dropped_most": _largest_share(drops),
        "regrown": _largest_share(drops & ~wins[-1]),
        "returned_share": len(returned) / len(dropped) if dropped else float("nan"),
        "inputs_first": _inputs_first(edges, dropped, last),
        "edges_dropped": len(dropped),
        "edges_returned": len(returned),
        "drop_order": in_order(first),
        "return_order": in_order(last),
    }


def _largest_share(edges: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """The largest share of the free edges for which it is so in one window; (windows, edges)."""
    return float(edges.mean(axis=1).max()) if edges.size else float("nan")


def _inputs_first(edges: Sequence[Edge], dropped: Sequence[int], last: Mapping[int, int]) -> float:
    """How surely an input edge comes back before an intermediate one.

    Over all pairs of one of each class that were dropped and did not both stay away: the share in
    which the input edge came back first, where those that came back together count half. It is
    the Mann-Whitney statistic over its largest value: 1/2 means no order.
    """
    when = {column: last.get(column, math.inf) for column in dropped}
    pairs = [
        (when[one], when[other])
        for one, other in product(dropped, dropped)
        if edges[one].kind == "input" and edges[other].kind == "intermediate"
    ]
    won = [
        0.5 if ours == theirs else float(ours < theirs)
        for ours, theirs in pairs
        if min(ours, theirs) < math.inf
    ]
    return sum(won) / len(won) if won else float("nan")


PATTERN = Pattern(
    id="growth",
    order=10,
    title="Growth: do searches grow rather than prune?",
    text=(
        "The paper's first pattern. Early in a search most samples are misclassified, loss "
        "exceeds entropy, cost is positive, and none, whose cost is always 0, gains on every "
        "edge. Once accuracy rises, cost turns negative and the edges come back.",
        "A search has grown if edges were dropped and came back. An edge is dropped where none is "
        f"the op of largest probability and P(none) has risen by {RISE} or more, so that the first "
        "steps' noise drops no edge; it has come back if none is not that op at the end. How far "
        "P(none) rose and fell again on an edge, the smaller of the two, is shown beside it.",
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
            "dropped_most",
            "largest share of the free edges that were dropped at one time: none was the op of "
            f"largest probability, and P(none) {RISE} or more above its uniform start",
            of_alpha=True,
        ),
        Statistic(
            "regrown",
            "largest share of the free edges that were dropped at one time and have come back: "
            "none is not the op of largest probability after the last window",
            of_alpha=True,
            headline=True,
            compared=True,
        ),
        Statistic(
            "returned_share",
            "share of the edges that were dropped at some time that have come back; undefined "
            "where none was dropped",
            of_alpha=True,
        ),
        Statistic(
            "inputs_first",
            "share of the pairs of a dropped input edge and a dropped intermediate edge in which "
            "the input edge came back first (together: half; neither: the pair does not count); "
            "undefined without such pairs",
            of_alpha=True,
        ),
        Statistic(
            "edges_dropped",
            "free edges that were dropped in some window",
            of_alpha=True,
        ),
        Statistic(
            "edges_returned",
            "those of them that have come back",
            of_alpha=True,
        ),
        Statistic(
            "drop_order",
            "edges by the window in which they were first dropped",
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
            title="Growth: edges are dropped at first, then come back one after another.",
            statistic="regrown",
            threshold=Threshold(
                "growth",
                0.25,
                "P1: share of the free edges that were dropped at one time and came back; of the "
                "minimal cell's five more than one, for the paper speaks of edges",
                0,
                1,
            ),
            side="above",
            scope=f"{SINGLE} and that have a free edge",
            applies=single_level,
            cause="E0-growth",
        ),
        Claim(
            id="P1-order",
            title="Input edges come back before intermediate ones.",
            statistic="inputs_first",
            threshold=Threshold(
                "return_order",
                0.5,
                "P1-order: share of the pairs of edges, both dropped, in which the input edge came "
                "back before the intermediate one; 0.5 is no order",
                0,
                1,
            ),
            side="above",
            scope=f"{SINGLE} in which dropped edges of both classes can be compared",
            applies=single_level,
        ),
    ),
    columns=(
        "regrown",
        "dropped_most",
        "returned_share",
        "inputs_first",
        "growth",
        "none_rise",
        "none_return",
        "edges_dropped",
        "edges_returned",
        "edges_selected",
    ),
)
