"""Rules that turn strengths into a wiring."""

from __future__ import annotations

from torch import Tensor

from wiring.methods.common import largest
from wiring.methods.protocol import Selected
from wiring.space import Candidates


def kept(rule: str, strength: Tensor, candidates: Candidates) -> Selected:
    """The wiring by a rule of :class:`wiring.methods.settings.KeepSettings`.

    Args:
        rule: `strongest` or `two_inputs`.
        strength: (edges, ops), 0 where an op is not allowed.
        candidates: what each edge may take.
    """
    return largest(strength) if rule == "strongest" else best_inputs(strength, candidates, 2)


def best_inputs(
    strength: Tensor, candidates: Candidates, inputs: int, above: float = 0.0
) -> Selected:
    """Of each node the edges whose strongest op other than `none` is strongest.

    Args:
        strength: (edges, ops), 0 where an op is not allowed.
        candidates: what each edge may take.
        inputs: edges that a node keeps at most.
        above: an op that is not stronger is not kept.
    """
    none = candidates.column("none")
    best: dict[int, tuple[float, int]] = {}
    for row, (own, allowed) in enumerate(zip(strength.tolist(), candidates.columns, strict=True)):
        real = [(own[column], column) for column in allowed if column != none]
        if real and max(real)[0] > above:
            best[row] = max(real, key=lambda pair: (pair[0], -pair[1]))
    selected: list[int | None] = [None] * len(candidates.columns)
    for node in {edge.target for edge in candidates.edges}:
        entering = [row for row, edge in enumerate(candidates.edges) if edge.target == node]
        ranked = sorted((row for row in entering if row in best), key=lambda row: -best[row][0])
        for row in ranked[:inputs]:
            selected[row] = best[row][1]
    return tuple(selected)
