"""Mean and spread of each op's cost while weights and alpha rest (E2 of docs/science.md)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from wiring.dynamics import Dynamics
from wiring.figures.style import OP_COLOUR, OP_NAME, TINT, WIDTH, caption, heading

_TITLE = {"initial": "at initialisation", "converged": "after training"}


def draw_phases(tables: Dynamics) -> Figure:
    """A row a phase, a panel an edge: each op's mean cost and its standard deviation over steps."""
    phases = tables.phases
    edges = list(phases["edge"].unique())
    ops = [op for op in phases["op"].unique() if op != "none"]
    height = 6.6
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.subplots(2, len(edges), sharex=True, sharey="row", squeeze=False)
    figure.subplots_adjust(0.075, 1.35 / height, 0.985, 1 - 0.95 / height, wspace=0.08, hspace=0.2)
    for row, (phase, title) in enumerate(_TITLE.items()):
        for axes, edge in zip(grid[row], edges, strict=True):
            if edge[0] not in "01":
                axes.set_facecolor(TINT)
            for place, op in enumerate(ops):
                own = phases[
                    (phases["phase"] == phase) & (phases["edge"] == edge) & (phases["op"] == op)
                ]
                mean, spread = own["cost_mean"].mean(), own["cost_std"].mean()
                if np.isnan(mean):
                    continue
                colour = OP_COLOUR[op]
                axes.errorbar(place, mean, spread, color=colour, linewidth=1.2, capsize=2)
                axes.plot([place] * len(own), own["cost_mean"], "o", color=colour, markersize=2.5)
                axes.plot(place, mean, "_", color=colour, markersize=10, markeredgewidth=2)
            axes.axhline(0, color="#000000", linewidth=0.9)
            axes.set_xticks(range(len(ops)), [OP_NAME[op] for op in ops], rotation=90)
            source, target = edge.split("-")
            if row == 0:
                axes.set_title(f"{source} → {target}")
        grid[row, 0].set_ylabel(f"cost {title} (nats)")
    heading(figure, _seen(tables), tables)
    caption(
        figure,
        "Bar: mean over seeds; whisker: standard deviation over steps; dot: a seed. "
        f"{len(tables.searches)} seeds. Zero is the cost of none. "
        "Tinted: edges that leave an intermediate node.",
    )
    return figure


def _seen(tables: Dynamics) -> str:
    gap = tables.searches["cost_gap"].mean()
    if np.isnan(gap):
        return "Mean and spread of each op's cost"
    word = "more" if gap > 0 else "less"
    return f"After training an op costs {abs(gap):.3f} nats {word} on intermediate edges"
