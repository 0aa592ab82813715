"""Mean and spread of each op's cost while weights and alpha rest (E2 of docs/science.md)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from wiring.config import Edge
from wiring.dynamics import Dynamics
from wiring.figures.palette import OP_COLOUR, OP_NAME
from wiring.figures.panels import Limits, Panels, Points, robust
from wiring.figures.style import (
    WIDTH,
    arrow,
    in_rows,
    name,
    sheet,
    small_print,
)

_TITLE = {"initial": "at initialisation", "converged": "after training"}


def draw_phases(tables: Dynamics) -> Figure:
    """A row a phase, a panel an edge: each op's mean cost and its standard deviation over steps."""
    phases = tables.phases
    edges = [Edge.parse(text) for text in phases["edge"].unique()]
    ops = [op for op in phases["op"].unique() if op != "none"]
    blocks = in_rows(edges)
    cells = {
        f"{phase} {edge}": (len(_TITLE) * block + row, column)
        for block, some in enumerate(blocks)
        for column, edge in enumerate(some)
        for row, phase in enumerate(_TITLE)
    }
    limits: dict[int, Limits] = {}
    for row, phase in enumerate(_TITLE):
        own = phases[(phases["phase"] == phase) & (phases["op"] != "none")]
        ends = [(own["cost_mean"] + sign * own["cost_std"]).to_numpy() for sign in (-1, 1)]
        limits |= {
            len(_TITLE) * block + row: robust(ends, zero=True) for block in range(len(blocks))
        }
    rows = len(_TITLE) * len(blocks)
    figure, body = sheet((WIDTH, 2.2 + 2.1 * rows), _seen(tables), name(tables))
    inches = (WIDTH / len(blocks[0]), 2.1)
    panels = Panels.add(body, cells, inches, (-0.6, len(ops) - 0.4), limits)
    panels.frame(
        {f"{phase} {edge}": arrow(edge) for phase in _TITLE for edge in edges},
        ylabels={
            len(_TITLE) * block + row: f"cost {title}\n(nats)"
            for block in range(len(blocks))
            for row, title in enumerate(_TITLE.values())
        },
        tinted=[f"{p} {edge}" for p in _TITLE for edge in edges if edge.kind == "intermediate"],
        zero=range(rows),
        xticks={float(place): OP_NAME[op] for place, op in enumerate(ops)},
        turned=True,
    )
    groups = {
        (str(op), f"{phase} {edge}"): own
        for (op, phase, edge), own in phases.groupby(["op", "phase", "edge"], sort=False)
    }
    for place, op in enumerate(ops):
        bars: Points = {}
        whiskers: Points = {}
        dots: Points = {}
        for (which, at), own in groups.items():
            mean, spread = own["cost_mean"].mean(), own["cost_std"].mean()
            if which != op or np.isnan(mean):
                continue
            bars[at] = [place - 0.3, place + 0.3], [mean, mean]
            whiskers[at] = [place, place], [mean - spread, mean + spread]
            dots[at] = [place] * len(own), own["cost_mean"]
        colour = OP_COLOUR[op]
        panels.curves(whiskers, colour=colour, linewidth=1.2)
        panels.dots(dots, colour=colour, size=3)
        panels.curves(bars, colour=colour, linewidth=2)
    small_print(
        figure,
        "Bar: mean over seeds; whisker: standard deviation over steps; dot: a seed. "
        f"{len(tables.searches)} seeds. Zero is the cost of none. "
        "Tinted: edges that leave an intermediate node.",
        panels.beyond,
    )
    return figure


def _seen(tables: Dynamics) -> str:
    gap = tables.searches["cost_gap"].mean()
    if np.isnan(gap):
        return "Mean and spread of each op's cost"
    word = "more" if gap > 0 else "less"
    return f"After training an op costs {abs(gap):.3f} nats {word} on intermediate edges"
