"""All conditions at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.dynamics import Dynamics
from wiring.figures.style import CLASS_COLOUR, GREY, WIDTH, caption, line, title

_MARK = {"input": "o", "intermediate": "^"}
_POINTS = 50


def draw_all(dynamics: Dynamics) -> Figure:
    """Final P(none) against the share of time with loss above entropy; and P(none) over time.

    Left: one dot a search and edge class. Right: a panel per method (row), level and dataset
    (column), a line per condition and edge class, each the mean over seeds. Searches whose alpha
    is frozen and searches with interventions are left out.
    """
    searches = dynamics.searches
    searches = searches[searches["alpha_learns"] & ~searches["intervened"]]
    methods = sorted(searches["method"].unique())
    columns = sorted(
        set(zip(searches["level"], searches["dataset"], strict=True)),
        key=lambda pair: (pair[0] == "bi", pair[1]),
    )
    rows = max(len(methods), 1)
    below = 1.35 + 1.55 * rows
    height = 0.75 + 3.6 + 0.75 + below
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.07, (below + 0.75) / height, 0.56, 3.6 / height))
    _scatter(axes, searches, methods)
    _multiples(figure, dynamics, searches, methods, columns, below / height)
    rho = _correlation(searches)
    seen = (
        "Where loss exceeds entropy for longer, none ends stronger"
        if rho > 0.5
        else ("P(none) at the end against the share of time with loss above entropy")
    )
    suffix = f" (rank correlation {rho:.2f})" if np.isfinite(rho) else ""
    title(figure, seen + suffix)
    caption(
        figure,
        "Top: one mark a search and edge class. Bottom: P(none) over the share of the search done, "
        "mean over seeds; one line a condition. No interventions.",
    )
    return figure


def _correlation(searches: pd.DataFrame) -> float:
    values = searches[["none_input_final", "none_intermediate_final"]].mean(axis=1)
    return float(values.corr(searches["positive_share"], method="spearman"))


def _scatter(axes: Axes, searches: pd.DataFrame, methods: list[str]) -> None:
    shades = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255")
    colours = {method: shades[place % len(shades)] for place, method in enumerate(methods)}
    for kind, marker in _MARK.items():
        for level in ("single", "bi"):
            some = searches[searches["level"] == level]
            colour = [colours[method] for method in some["method"]]
            axes.scatter(
                some["positive_share"],
                some[f"none_{kind}_final"],
                marker=marker,
                s=34,
                facecolors=colour if level == "bi" else "none",
                edgecolors=colour,
                linewidths=1.2,
                clip_on=False,
                zorder=3,
            )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("share of windows with loss − entropy > 0, on alpha's split")
    axes.set_ylabel("final P(none)")

    def mark(marker: str, colour: str, filled: bool) -> Line2D:
        face = colour if filled else "none"
        return Line2D(
            [], [], linestyle="", marker=marker, markeredgecolor=colour, markerfacecolor=face
        )

    entries = {method: mark("s", colours[method], True) for method in methods}
    entries |= {f"{kind} edges": mark(marker, GREY, False) for kind, marker in _MARK.items()}
    entries |= {"single-level": mark("o", GREY, False), "bi-level": mark("o", GREY, True)}
    axes.legend(list(entries.values()), list(entries), loc="upper left", bbox_to_anchor=(1.02, 1.0))


def _multiples(
    figure: Figure,
    dynamics: Dynamics,
    searches: pd.DataFrame,
    methods: list[str],
    columns: list[tuple[str, str]],
    top: float,
) -> None:
    if not methods:
        return
    height = figure.get_size_inches()[1]
    grid = figure.subplots(len(methods), len(columns), sharex=True, sharey=True, squeeze=False)
    figure.subplots_adjust(0.07, 0.98 / height, 0.93, top - 0.4 / height, wspace=0.08, hspace=0.12)
    sizes = sorted(set(zip(searches["cells"], searches["nodes"], strict=True)))
    dashes = ["-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1, 1, 1))]
    dash = {size: dashes[place % len(dashes)] for place, size in enumerate(sizes)}
    for row, method in enumerate(methods):
        for column, (level, dataset) in enumerate(columns):
            axes = grid[row, column]
            some = searches[
                (searches["method"] == method)
                & (searches["level"] == level)
                & (searches["dataset"] == dataset)
            ]
            for condition, group in some.groupby("condition"):
                size = (group["cells"].iloc[0], group["nodes"].iloc[0])
                edges = dynamics.edges[
                    (dynamics.edges["condition"] == condition) & dynamics.edges["free"]
                ]
                for kind, colour in CLASS_COLOUR.items():
                    course = edges[edges["edge_class"] == kind].groupby("step")["p_none"].mean()
                    axes.plot(
                        course.index / max(course.index, default=1),
                        course,
                        color=colour,
                        linestyle=dash[size],
                    )
            if some.empty:
                axes.text(0.5, 0.5, "not run", ha="center", va="center", color=GREY)
            axes.set_ylim(0, 1)
            axes.set_xlim(0, 1)
            axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
            if row == 0:
                axes.set_title(f"{level}-level\n{dataset}")
            if column == len(columns) - 1:
                axes.text(1.03, 0.5, method, rotation=270, va="center", transform=axes.transAxes)
        grid[row, 0].set_ylabel("P(none)")
    samples = [line(colour) for colour in CLASS_COLOUR.values()]
    samples += [line(GREY, dash[size]) for size in sizes]
    names = [f"{kind} edges" for kind in CLASS_COLOUR]
    names += [f"{cells} cell{'s' if cells > 1 else ''}, {nodes} nodes" for cells, nodes in sizes]
    figure.legend(
        samples,
        names,
        loc="lower left",
        bbox_to_anchor=(0.06, 0.32 / height),
        ncols=6,
        borderaxespad=0.2,
    )
