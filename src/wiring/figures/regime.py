"""The gap of each setting while alpha rests (E0 of docs/science.md)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.dynamics import Dynamics
from wiring.figures.course import Course, courses
from wiring.figures.panels import Limits, Panels, robust
from wiring.figures.style import GREY, WIDTH, key, line, sheet, small_print

_TALL = 1.75
_ABOVE, _BELOW = "#D55E00", "#0072B2"
_PARTS = 60
"""Parts of a search that one value of a line is the mean of."""


def draw_regime(tables: Dynamics) -> Figure:
    """A row a method, level and dataset, a column a variant: the gap over the share of steps."""
    searches = tables.searches
    one = searches.drop_duplicates("condition").set_index("condition")
    rows = sorted(set(zip(one["level"], one["dataset"], one["method"], strict=True)))[::-1]
    rows.sort(key=lambda row: row[0] == "bi")
    variants = list(dict.fromkeys(one["variant"]))
    columns = min(len(variants), 4)
    lines = -(-len(variants) // columns)
    cells, titles, splits = {}, {}, {}
    for condition, own in one.iterrows():
        place = rows.index((own["level"], own["dataset"], own["method"]))
        line_, column = divmod(variants.index(own["variant"]), columns)
        cells[str(condition)] = (place * lines + line_, column)
        splits[str(condition)] = "validation" if own["level"] == "bi" else "train"
        share = searches.loc[searches["condition"] == condition, "gap_above"].mean()
        titles[str(condition)] = f"{own['variant'] or 'all'}: above for {share:.0%}"
    found = {
        condition: courses(members, "loss_minus_entropy", ("split",), parts=_PARTS)
        for condition, members in _scaled(tables.statistics).groupby("condition")
        if condition in cells
    }
    limits: dict[int, Limits] = {}
    for row in range(len(rows) * lines):
        block = [name for name, (at, _) in cells.items() if at // lines == row // lines]
        limits[row] = robust(
            [course.mean for name in block for course in found[name].values()], zero=True
        )
    last = sum(searches["gap_last"] > 0)
    seen = (
        f"While alpha rests, loss ends above entropy in {last} of {len(searches)} searches, and "
        f"is above it for {searches['gap_above'].mean():.0%} of the steps"
    )
    figure, body = sheet((WIDTH, 1.9 + _TALL * len(rows) * lines), seen)
    panels = Panels.add(body, cells, (WIDTH / columns, _TALL), (0, 1), limits)
    panels.frame(
        titles,
        xlabel="share of the steps done",
        ylabels={
            at * lines + line_: f"gap (nats)\n{method}, {level}\n{dataset}"
            for at, (level, dataset, method) in enumerate(rows)
            for line_ in range(lines)
        },
        zero=range(len(rows) * lines),
    )
    learnt = {name: found[name][split] for name, split in splits.items()}
    for colour, end in ((_ABOVE, np.maximum), (_BELOW, np.minimum)):
        panels.bands(
            {name: _between(course, end) for name, course in learnt.items()}, colour=colour
        )
    beside = {n: found[n]["train"] for n, split in splits.items() if split == "validation"}
    for some, colour in ((beside, GREY), (learnt, "#000000")):
        means = {name: (course.epochs, course.mean) for name, course in some.items()}
        panels.curves(means, colour=colour, linewidth=1.4)
    samples = [line("#000000"), *([line(GREY)] if beside else [])]
    samples += [
        Line2D([], [], color=colour, linewidth=7, alpha=0.25) for colour in (_ABOVE, _BELOW)
    ]
    names = ["samples alpha would learn from", *(["training samples"] if beside else [])]
    key(body, samples, [*names, "none gains", "edges gain"])
    small_print(
        figure,
        "Gap: mean loss less entropy; mean over seeds, and over sixtieths of a search. Above each "
        "panel its variant, and the share of the twentieths of the steps with a gap above 0.",
        panels.beyond,
    )
    return figure


def _scaled(statistics: pd.DataFrame) -> pd.DataFrame:
    """Windows only, and their steps as epochs of a search of one: the share done."""
    windows = statistics[statistics["split"] != "test"]
    return windows.assign(epoch=0)


def _between(course: Course, end: np.ufunc) -> tuple[object, object, object]:
    return course.epochs, np.minimum(0, end(course.mean, 0)), np.maximum(0, end(course.mean, 0))
