"""All conditions at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from wiring.dynamics import Dynamics
from wiring.figures.panels import Limits, Panels
from wiring.figures.style import (
    CLASS_COLOUR,
    DASHES,
    GREY,
    SERIES,
    WIDTH,
    key,
    line,
    parts,
    sheet,
    small_print,
)


def draw_all(dynamics: Dynamics) -> Figure:
    """Final P(none) against the share of time with loss above entropy; shapes; P(none) over time.

    Top: a row a dataset: a panel per edge class, and the final cell's depth and width less what
    chance gives; one mark a search. Below: a panel per method (row), level and dataset (column), a
    line per condition and edge class, each the mean over seeds. Searches whose alpha is frozen and
    searches with interventions are left out.
    """
    searches = dynamics.searches
    searches = searches[searches["alpha_learns"] & ~searches["intervened"]]
    methods = sorted(searches["method"].unique())
    datasets = sorted(searches["dataset"].unique())
    columns = sorted(
        set(zip(searches["level"], searches["dataset"], strict=True)),
        key=lambda pair: (pair[0] == "bi", pair[1]),
    )
    tall = 1.55 if len(methods) <= 6 else 1.05
    above = 0.9 + 2.6 * max(len(datasets), 1)
    below = 1.1 + tall * max(len(methods), 1)
    figure, body = sheet((WIDTH, 1.1 + above + below), _seen(searches))
    upper, lower = parts(body, 2, 1, height_ratios=(above, below))
    _scatters(upper, searches, methods, datasets)
    if methods:
        _multiples(lower, dynamics, searches, methods, columns, tall)
    small_print(
        figure,
        "Top: one mark a search; right: above the diagonal a cell is wider than deeper, compared "
        "with random cells of as many edges. "
        "Bottom: P(none) over the share of the search done, mean over seeds; one line a condition. "
        "No interventions.",
    )
    return figure


def _seen(searches: pd.DataFrame) -> str:
    rhos = {
        kind: searches[f"none_{kind}_final"].corr(searches["positive_share"], method="spearman")
        for kind in CLASS_COLOUR
    }
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
    body: SubFigure, searches: pd.DataFrame, methods: list[str], datasets: list[str]
) -> None:
    """The panels of single searches."""
    looks = {method: SERIES[place % len(SERIES)] for place, method in enumerate(methods)}
    # Shapes coincide: a little noise, the same for the same searches, keeps them apart.
    noise = np.random.default_rng(0).uniform(-0.05, 0.05, (2, len(searches)))
    searches = searches.assign(
        deeper=searches["depth"] - searches["depth_null"] + noise[0],
        wider_by=searches["width"] - searches["width_null"] + noise[1],
    )
    left, right = parts(body, 1, 2, width_ratios=(2, 1))
    rows = datasets or [""]
    cells = {
        f"{kind} {name}": (r, c)
        for r, name in enumerate(rows)
        for c, kind in enumerate(CLASS_COLOUR)
    }
    ends = Panels.add(left, cells, (WIDTH / 3, 2.6), (-0.02, 1.02), (-0.02, 1.02))
    ends.frame(
        {f"{kind} {rows[0]}": f"{kind} edges" for kind in CLASS_COLOUR},
        xlabel="share of time with loss − entropy > 0",
        ylabels={row: f"final P(none)\n{name}" for row, name in enumerate(rows)},
    )
    across, up = _span(searches["deeper"]), _span(searches["wider_by"])
    shapes = Panels.add(
        right, {name: (row, 0) for row, name in enumerate(rows)}, (WIDTH / 3, 2.6), across, up
    )
    shapes.frame(
        {rows[0]: "shape of the final cell"},
        xlabel="depth less chance (connections)",
        ylabels="width less chance (C)",
    )
    same = (max(across[0], up[0]), min(across[1], up[1]))
    shapes.curves(dict.fromkeys(rows, (same, same)), colour=GREY, linewidth=0.9)
    shapes.curves(dict.fromkeys(rows, (across, (0, 0))), colour=GREY, linewidth=0.5)
    shapes.curves(dict.fromkeys(rows, ((0, 0), up)), colour=GREY, linewidth=0.5)
    for (method, level), some in searches.groupby(["method", "level"]):
        colour, shape = looks[str(method)]
        style = {"dash": "", "zorder": 3, **mark(colour, shape, level == "bi")}
        own = {str(name): part for name, part in some.groupby("dataset")}
        for kind in CLASS_COLOUR:
            points = {
                f"{kind} {name}": (part["positive_share"], part[f"none_{kind}_final"])
                for name, part in own.items()
            }
            ends.curves(points, colour=colour, **style)
        points = {name: (part["deeper"], part["wider_by"]) for name, part in own.items()}
        shapes.curves(points, colour=colour, **style)
    entries = {method: mark(*looks[method], True) for method in methods}
    if methods:
        entries |= {"single-level": mark(GREY, "o", False), "bi-level": mark(GREY, "o", True)}
    samples = [Line2D([], [], linestyle="", **look) for look in entries.values()]
    key(body, samples, list(entries), handletextpad=0.2, columnspacing=1.1, handlelength=1.2)


def mark(colour: str, shape: Any, filled: bool) -> dict[str, Any]:
    """A search's mark: hollow for single-level."""
    return {
        "marker": shape,
        "markersize": 5.5,
        "markeredgewidth": 1.1,
        "markeredgecolor": colour,
        "markerfacecolor": colour if filled else "none",
    }


def _span(values: pd.Series[float]) -> Limits:
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    low, high = (low, high) if np.isfinite([low, high]).all() else (-1.0, 1.0)
    margin = 0.05 * (high - low) or 0.1
    return float(low - margin), float(high + margin)


def _multiples(
    body: SubFigure,
    dynamics: Dynamics,
    searches: pd.DataFrame,
    methods: list[str],
    columns: list[tuple[str, str]],
    tall: float,
) -> None:
    """The panels of courses."""
    cells = {
        f"{method} {level} {dataset}": (row, column)
        for row, method in enumerate(methods)
        for column, (level, dataset) in enumerate(columns)
    }
    panels = Panels.add(body, cells, (WIDTH / len(columns), tall), (0, 1), (0, 1))
    panels.frame(
        {
            f"{methods[0]} {level} {dataset}": f"{level}-level, {dataset}"
            for level, dataset in columns
        },
        xlabel="share of the search done",
        ylabels={row: f"P(none)\n{method}" for row, method in enumerate(methods)},
        xticks={0.0: "0", 0.5: "½", 1.0: "1"},
    )
    one = searches.drop_duplicates("condition").set_index("condition")
    places = {
        name: f"{own['method']} {own['level']} {own['dataset']}" for name, own in one.iterrows()
    }
    for name in set(cells) - set(places.values()):
        panels.say(name, "not run")
    kinds = sorted({(own["experiment"], own["variant"]) for _, own in one.iterrows()})
    edges = dynamics.edges[dynamics.edges["free"] & dynamics.edges["condition"].isin(one.index)]
    means = edges.groupby(["condition", "edge_class", "step"])["p_none"].mean()
    courses: dict[Any, pd.Series[float]] = {
        keys: own.droplevel([0, 1]) for keys, own in means.groupby(level=[0, 1])
    }
    for at, kind in enumerate(kinds):
        dash, mark = _look(at)
        for edge_class, colour in CLASS_COLOUR.items():
            for condition, own in one.iterrows():
                course = courses.get((condition, edge_class))
                if (own["experiment"], own["variant"]) != kind or course is None:
                    continue
                done = course.index.to_numpy() / course.index.max()
                panels.curves({places[condition]: (done, course)}, colour=colour, dash=dash)
                if mark:
                    end = {places[condition]: (done[-1:], course.iloc[-1:])}
                    panels.curves(end, colour=colour, dash="", marker=mark, markersize=5)
    names = [f"{edge_class} edges" for edge_class in CLASS_COLOUR]
    names += [" ".join(part for part in kind if part) for kind in kinds]
    samples = [line(colour) for colour in CLASS_COLOUR.values()]
    samples += [line(GREY, *_look(at)[:1], mark=_look(at)[1]) for at in range(len(kinds))]
    key(body, samples, names, columns=6)


def _look(place: int) -> tuple[Any, Any]:
    """Dash, and mark at the end, of a line: thirty and more that differ."""
    turn, dash = divmod(place, len(DASHES))
    return DASHES[dash], ("", *(mark for _, mark in SERIES))[turn % (len(SERIES) + 1)]
