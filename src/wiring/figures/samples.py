"""Single samples over the search: loss, entropy and cost (the paper's appendix)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from wiring.dynamics import Dynamics
from wiring.figures.style import GREY, OUTCOME_COLOUR, WIDTH, caption, heading, line

_ROWS = {
    "loss": "loss (nats)",
    "entropy": "entropy (nats)",
    "gap": "loss − entropy (nats)",
    "credit": "cost (nats)",
}
_TITLE = {"train": "training samples", "search": "search samples (alpha's)"}


def draw_samples(tables: Dynamics) -> Figure:
    """A line a followed sample of one seed; its colour is how it is classified at that epoch."""
    seed = tables.searches["seed"].min()
    samples = tables.samples[tables.samples["seed"] == seed]
    samples = samples.assign(gap=samples["loss"] - samples["entropy"])
    splits = [split for split in _TITLE if split in set(samples["split"])]
    figure = Figure(figsize=(WIDTH, 8.6))
    grid = figure.subplots(len(_ROWS), len(splits), sharex=True, sharey="row", squeeze=False)
    figure.subplots_adjust(0.075, 1.0 / 8.6, 0.985, 1 - 0.95 / 8.6, wspace=0.07, hspace=0.16)
    for column, split in enumerate(splits):
        own = samples[samples["split"] == split]
        for axes, (value, label) in zip(grid[:, column], _ROWS.items(), strict=True):
            _lines(axes, own, value)
            if column == 0:
                axes.set_ylabel(label)
            if value in {"gap", "credit"}:
                axes.axhline(0, color="#000000", linewidth=0.9)
        grid[0, column].set_title(_TITLE[split])
        grid[-1, column].set_xlabel("epoch")
    for row in grid:
        row[0].autoscale_view()
    figure.legend(
        [line(OUTCOME_COLOUR["_correct"]), line(OUTCOME_COLOUR["_wrong"])],
        ["classified correctly in this epoch", "classified wrongly"],
        loc="lower left",
        bbox_to_anchor=(0.005, 0.3 / 8.6),
        ncols=2,
    )
    wrong = tables.samples[~tables.samples["correct"]]
    right = tables.samples[tables.samples["correct"]]
    shares = [
        f"{(part['credit'] * sign > 0).mean():.0%} of {name}"
        for part, sign, name in ((right, -1, "correct"), (wrong, 1, "wrong"))
        if len(part)
    ]
    heading(figure, f"Cost has the sign of the outcome on {' and '.join(shares)} samples", tables)
    count = samples.groupby("split")["sample"].nunique().max()
    caption(
        figure,
        f"{count} samples a split of seed {seed}, evaluated after each epoch in the same batch and "
        "with gates from the same noise; cost: the sample's own credit, all edges.",
    )
    return figure


def _lines(axes: Axes, samples: pd.DataFrame, value: str) -> None:
    """Each sample's course, a segment an epoch, in the colour of the outcome at its end."""
    segments, colours = [], []
    for _, course in samples.groupby("sample"):
        course = course.sort_values("epoch")
        points = list(zip(course["epoch"] + 1, course[value], strict=True))
        outcomes = course["correct"].tolist()
        segments += [points[i : i + 2] for i in range(len(points) - 1)]
        colours += [OUTCOME_COLOUR["_correct" if right else "_wrong"] for right in outcomes[1:]]
        if len(points) == 1:
            axes.plot(*points[0], "o", color=GREY, markersize=3)
    axes.add_collection(LineCollection(segments, colors=colours, linewidths=0.8, alpha=0.7))
    axes.autoscale_view()
