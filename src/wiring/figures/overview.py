"""All conditions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.dynamics import Dynamics
from wiring.figures.style import CLASS_COLOUR, GREY, WIDTH, caption, line, title

_SHADES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255")
_MARKS = "o^sDvP*X"
_TOP, _BETWEEN = 2.9, 1.15


def draw_all(dynamics: Dynamics) -> Figure:
    """Final P(none) against the share of time with loss above entropy; shapes; P(none) over time.

    Top: a panel per edge class, and the final cell's depth and width less what chance gives; one
    mark a search. Below: a panel per method (row), level and dataset (column), a line per
    condition and edge class, each the mean over seeds. Searches whose alpha is frozen and searches
    with interventions are left out.
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
    height = 0.95 + _TOP + _BETWEEN + below
    figure = Figure(figsize=(WIDTH, height))
    rhos = _scatters(figure, searches, methods, (below + _BETWEEN) / height, _TOP / height)
    _multiples(figure, dynamics, searches, methods, columns, below / height)
    title(figure, _seen(rhos), size=11)
    caption(
        figure,
        "Top: one mark a search; right: above the diagonal a cell is wider than deeper, compared "
        "with random cells of as many edges.\nBottom: P(none) over the share of the search done, "
        "mean over seeds; one line a condition. No interventions.",
    )
    return figure


def _seen(rhos: dict[str, float]) -> str:
    known = {kind: rho for kind, rho in rhos.items() if np.isfinite(rho)}
    if not known:
        return "P(none) at the end and over each search"
    seen = (
        "Where loss exceeds entropy for longer, none ends stronger"
        if min(known.values()) > 0.5
        else "Final P(none) against time with loss above entropy"
    )
    ranks = ", ".join(f"{rho:+.2f} on {kind} edges" for kind, rho in known.items())
    return f"{seen}: rank correlation {ranks}"


def _scatters(
    figure: Figure, searches: pd.DataFrame, methods: list[str], bottom: float, height: float
) -> dict[str, float]:
    """The three top panels; returns the rank correlation of the first two."""
    colours = {method: _SHADES[place % len(_SHADES)] for place, method in enumerate(methods)}
    datasets = sorted(searches["dataset"].unique())
    marks = {dataset: _MARKS[place % len(_MARKS)] for place, dataset in enumerate(datasets)}
    rhos: dict[str, float] = {}
    panels = [figure.add_axes((left, bottom, 0.265, height)) for left in (0.065, 0.375, 0.715)]
    # Shapes coincide: a little noise, the same for the same searches, keeps them apart.
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, (2, len(searches)))
    shift = searches.assign(
        deeper=searches["depth"] - searches["depth_null"] + noise[0],
        wider_by=searches["width"] - searches["width_null"] + noise[1],
    )
    for keys, some in shift.groupby(["method", "level", "dataset"]):
        method, level, dataset = map(str, keys)
        style: dict[str, Any] = {
            "marker": marks[dataset],
            "s": 30,
            "facecolors": colours[method] if level == "bi" else "none",
            "edgecolors": colours[method],
            "linewidths": 1.1,
            "clip_on": False,
            "zorder": 3,
        }
        for axes, kind in zip(panels, CLASS_COLOUR, strict=False):
            axes.scatter(some["positive_share"], some[f"none_{kind}_final"], **style)
        panels[2].scatter(some["deeper"], some["wider_by"], **style)
    for axes, kind in zip(panels, CLASS_COLOUR, strict=False):
        values = searches[f"none_{kind}_final"]
        rhos[kind] = float(values.corr(searches["positive_share"], method="spearman"))
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_xlabel("share of time with loss − entropy > 0")
        axes.set_title(f"{kind} edges")
    panels[0].set_ylabel("final P(none)")
    panels[2].axline((0, 0), slope=1, color=GREY, linewidth=0.9)
    panels[2].axhline(0, color=GREY, linewidth=0.5)
    panels[2].axvline(0, color=GREY, linewidth=0.5)
    panels[2].set_xlabel("depth less chance (connections)")
    panels[2].set_ylabel("width less chance (C)", labelpad=0)
    panels[2].set_title("shape of the final cell")

    def mark(marker: str, colour: str, filled: bool) -> Line2D:
        face = colour if filled else "none"
        return Line2D(
            [], [], linestyle="", marker=marker, markeredgecolor=colour, markerfacecolor=face
        )

    entries = {method: mark("s", colours[method], True) for method in methods}
    entries |= {dataset: mark(marks[dataset], GREY, False) for dataset in datasets}
    entries |= {"single-level": mark("o", GREY, False), "bi-level": mark("o", GREY, True)}
    inches = figure.get_size_inches()[1]
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="upper left",
        bbox_to_anchor=(0.055, bottom - 0.42 / inches),
        ncols=10,
        columnspacing=1.1,
        handletextpad=0.2,
        borderaxespad=0,
    )
    return rhos


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
