"""P(taken) over the search, a line a method: input and intermediate edges side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.dynamics import Dynamics
from wiring.figures.panels import Panels
from wiring.figures.style import CLASS_COLOUR, SERIES, WIDTH, key, sheet, small_print


def draw_courses(dynamics: Dynamics) -> Figure:
    """A row a dataset and level, a panel an edge class, a line a method: its mean over seeds.

    Searches whose alpha is frozen and searches with interventions are left out.
    """
    searches = dynamics.searches
    searches = searches[searches["alpha_learns"] & ~searches["intervened"]]
    methods = sorted(searches["method"].unique())
    groups = sorted(
        searches.groupby(["dataset", "level", "variant"]),
        key=lambda group: (group[0][0], group[0][1] == "bi", group[0][2]),
    )
    cells = {
        f"{kind} {row}": (row, column)
        for row in range(max(len(groups), 1))
        for column, kind in enumerate(CLASS_COLOUR)
    }
    figure, body = sheet(
        (WIDTH, 1.5 + 1.9 * max(len(groups), 1)), "Which edges are taken, over the search"
    )
    panels = Panels.add(body, cells, (WIDTH / 2.15, 1.9), (0, 1), (0, 1))
    panels.frame(
        {f"{kind} 0": f"{kind} edges" for kind in CLASS_COLOUR},
        xlabel="share of the search done",
        ylabels={
            row: f"P(taken)\n{level}-level\n{dataset} {variant}".rstrip()
            for row, ((dataset, level, variant), _) in enumerate(groups)
        },
        xticks={0.0: "0", 0.5: "½", 1.0: "1"},
        tinted=[f"intermediate {row}" for row in range(len(groups))],
    )
    looks: dict[str, tuple[str, Any]] = {
        method: SERIES[place % len(SERIES)] for place, method in enumerate(methods)
    }
    for row, (_, group) in enumerate(groups):
        for method, own in group.groupby("method"):
            colour, mark = looks[str(method)]
            for kind, course in _courses(dynamics.edges, own).items():
                points = {f"{kind} {row}": (course.index.to_numpy(), course.to_numpy())}
                panels.curves(points, colour=colour, linewidth=1.5)
                end = {f"{kind} {row}": (course.index[-1:].to_numpy(), course[-1:].to_numpy())}
                panels.curves(end, colour=colour, dash="", marker=mark, markersize=5)
    if methods:
        samples = [
            Line2D([], [], color=colour, marker=mark, markersize=5)
            for colour, mark in looks.values()
        ]
        key(body, samples, methods, columns=7)
    small_print(figure, "1 - P(none), mean over seeds and the class's free edges.")
    return figure


def _courses(edges: pd.DataFrame, searches: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """By edge class, P(taken) over the share of the search done."""
    own = edges[edges["free"] & edges["search"].isin(searches["search"])]
    # Searches of one condition have the same steps; longer and shorter ones meet in their shares.
    done = (own["step"] / own.groupby("search")["step"].transform("max")).round(4)
    means = (1 - own["p_none"]).groupby([own["edge_class"], done]).mean()
    return {str(kind): rows.droplevel(0) for kind, rows in means.groupby(level=0)}
