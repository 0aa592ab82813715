"""Where the cell's nodes lie and how its edges bend, for whatever draws it.

Lengths are in units of the drawing, y upwards.
"""

from __future__ import annotations

from wiring.config import INPUTS

RADIUS, RISE, PITCH = 0.2, 1.25, 1.3
"""A node's radius, an input's distance from the row of intermediate nodes, and their spacing."""
Point = tuple[float, float]


def place(node: int) -> Point:
    """Inputs above and below on the left, intermediate nodes (and the output) in a row."""
    if node < INPUTS:
        return 0.0, RISE if node == 0 else -RISE
    return 1.2 + (node - INPUTS) * PITCH, 0.0


def curve(source: int, target: int) -> tuple[Point, Point, Point]:
    """Start, control point and end of an edge's curve, such that no two edges coincide.

    Input 0's edges fan in from above and input 1's from below, farther targets on wider arcs.
    Neighbours in the row are joined straight, others by flat arcs: above from even nodes, below
    from odd ones.
    """
    start, end = place(source), place(target)
    if source < INPUTS:
        side = 1 if source == 0 else -1
        return start, (end[0] - 0.25, side * RISE * (0.55 + 0.42 * (target - INPUTS))), end
    span = target - source
    side = 1 if source % 2 == 0 else -1
    bend = 0.0 if span == 1 else side * (0.35 + 0.3 * span)
    return start, ((start[0] + end[0]) / 2, bend), end


def along(arc: tuple[Point, Point, Point], share: float) -> Point:
    """A point of a curve."""
    x, y = (
        (1 - share) ** 2 * a + 2 * share * (1 - share) * b + share**2 * c
        for a, b, c in zip(*arc, strict=True)
    )
    return x, y
