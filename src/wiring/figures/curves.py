"""Curves over epochs: probabilities, costs and statistics of one condition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wiring.dynamics import Dynamics
from wiring.figures.style import (
    GREY,
    OP_COLOUR,
    OP_DASH,
    OUTCOME_COLOUR,
    TINT,
    WIDTH,
    band,
    caption,
    heading,
    line,
    op_legend,
    seeds_text,
)

_HEAD, _FOOT, _ROW = 0.85, 0.55, 1.75
"""Inches above the panels, below them, and per row of panels."""


def draw_probability(tables: Dynamics) -> Figure:
    """Probability of each op on each edge: a row of panels per target node, a column per source."""
    rows = int(tables.searches["nodes"].iloc[0])
    figure = _figure(rows)
    grid = _edge_grid(figure, tables, 0, rows)
    # One scale for all panels, and no taller than the largest probability asks for.
    top = min(1.0, max(0.4, np.ceil(tables.ops["probability"].max() * 5 + 0.1) / 5))
    for edge, axes in grid.items():
        table = tables.ops[tables.ops["edge"] == edge]
        for op in reversed(_ops(tables)):
            width = 2.2 if op == "none" else 1.4
            style: dict[str, Any] = {
                "colour": OP_COLOUR[op],
                "dash": OP_DASH.get(op, "-"),
                "width": width,
            }
            band(axes, table[table["op"] == op], "probability", **style)
        axes.set_ylim(0, top)
    _label(grid, "probability")
    _legend(figure, grid, *op_legend(_ops(tables)))
    ends = [
        f"{tables.searches[f'none_{kind}_final'].mean():.2f} on {kind}"
        for kind in ("input", "intermediate")
        if tables.searches[f"none_{kind}_final"].notna().any()
    ]
    seen = f"P(none) ends at {' and '.join(ends)} edges" if ends else "No edge is free to vanish"
    heading(figure, seen, tables)
    caption(figure, f"{seeds_text(tables)} Tinted: edges that leave an intermediate node.")
    return figure


def draw_cost(tables: Dynamics) -> Figure:
    """Credit of each edge (top) and cost of each op on it (bottom); zero is the cost of none."""
    rows = int(tables.searches["nodes"].iloc[0])
    figure = _figure(2 * rows, extra=0.75)
    credits = _edge_grid(figure, tables, 0, rows, extra=0.75)
    costs = _edge_grid(figure, tables, rows, rows, extra=0.75)
    styles: dict[str, Any] = {"credit_direct": "#0072B2", "credit_path": "#D55E00"}
    means = []
    for edge, axes in credits.items():
        table = tables.edges[tables.edges["edge"] == edge]
        means += [band(axes, table, way, colour=styles[way])["mean"] for way in styles]
    _zero(credits, means)
    _label(credits, "credit (nats)")
    names = ["through the concatenation", "through intermediate edges"]
    _legend(figure, credits, [line(colour) for colour in styles.values()], names, "edge's credit")

    means = []
    ops = [op for op in _ops(tables) if op != "none"]
    coarse = _coarse(tables.ops)
    for edge, axes in costs.items():
        table = coarse[coarse["edge"] == edge]
        for op in ops:
            means.append(_op_band(axes, table, op, "cost_mean", 1.2)["mean"])
    _zero(costs, means)
    _label(costs, "cost (nats)")
    _legend(figure, costs, *op_legend(ops), "op's cost, mean over cells")
    learnt = _learnt(tables)
    last = learnt["epoch"] >= learnt["epoch"].max() * 0.9
    final = learnt.loc[last, "credit"].mean()
    verb = "grow" if final < 0 else "vanish"
    seen = f"All credit ends at {final:+.2f} nats: on the whole edges are pushed to {verb}"
    heading(figure, seen, tables)
    caption(
        figure,
        f"{seeds_text(tables)} Tinted: edges that leave an intermediate node.\n"
        "Ops: means of twentieths of the search; below 0 an op beats none. "
        "Axes span the means' central 99%.",
    )
    return figure


def draw_statistics(tables: Dynamics) -> Figure:
    """Loss, entropy, their difference, cost and accuracy, by outcome and split."""
    present = set(tables.statistics["split"])
    splits = [split for split in ("train", "search", "test") if split in present]
    figure = Figure(figsize=(WIDTH, 8.2))
    grid = figure.subplots(3, len(splits), sharex=True, sharey="row", squeeze=False)
    bottom, top = 1.0 / 8.2, 1 - 0.95 / 8.2
    figure.subplots_adjust(0.07, bottom, 0.985, top, wspace=0.08, hspace=0.2)
    title = {"train": "training batches", "search": "search batches (alpha's)", "test": "test set"}
    kinds = {"": "all samples", "_correct": "classified correctly", "_wrong": "classified wrongly"}
    for place, split in enumerate(splits):
        table = tables.statistics[tables.statistics["split"] == split]
        above, middle, below = grid[:, place]
        for kind in kinds:
            colour = OUTCOME_COLOUR[kind]
            band(above, table, f"loss{kind}", colour=colour)
            band(above, table, f"entropy{kind}", colour=colour, dash=(0, (4, 1.5)))
            band(middle, table, f"loss_minus_entropy{kind}", colour=colour)
            cost = f"own{kind}" if kind else "credit"
            if split != "test":
                band(middle, table, cost, colour=colour, dash=(0, (1, 1.2)), width=2.2)
        middle.axhline(0, color=GREY, linewidth=0.9)
        band(below, table, "accuracy", colour="#000000")
        below.set_ylim(0, 1)
        below.set_xlabel("epoch")
        above.set_title(title[split])
    quantities = ("loss, entropy (nats)", "loss − entropy, cost (nats)", "accuracy")
    for axes, text in zip(grid[:, 0], quantities, strict=True):
        axes.set_ylabel(text)
    figure.align_ylabels(grid[:, 0])
    samples = [line(OUTCOME_COLOUR[kind]) for kind in kinds]
    samples += [line(GREY), line(GREY, (0, (4, 1.5))), line(GREY, (0, (1, 1.2)), 2.2)]
    names = [*kinds.values(), "loss; loss − entropy", "entropy", "cost (all edges and cells)"]
    figure.legend(
        samples,
        names,
        loc="lower left",
        bbox_to_anchor=(0.005, 0.25 / 8.2),
        ncols=6,
        columnspacing=1.3,
        handlelength=2.2,
    )
    share = tables.searches["positive_share"].mean()
    heading(figure, f"Loss exceeds entropy in {share:.0%} of the windows alpha learns from", tables)
    caption(figure, seeds_text(tables))
    return figure


def _op_band(axes: Axes, table: pd.DataFrame, op: str, value: str, width: float) -> pd.DataFrame:
    """An op's line and band in its own style."""
    own = table[table["op"] == op]
    return band(axes, own, value, colour=OP_COLOUR[op], dash=OP_DASH.get(op, "-"), width=width)


def _coarse(ops: pd.DataFrame) -> pd.DataFrame:
    """Costs averaged over twentieths of the search: a sampled op's single windows are noise."""
    width = ops["step"].max() / 20
    part = np.ceil(ops["step"] / width)
    ends = ops.groupby(part)["step"].transform("max")
    epochs = ops.groupby(part)["epoch"].transform("max")
    keys = ["seed", "step", "epoch", "edge", "op"]
    return (
        ops.assign(step=ends, epoch=epochs)
        .groupby(keys, sort=False)["cost_mean"]
        .mean()
        .reset_index()
    )


def _figure(rows: int, extra: float = 0.0) -> Figure:
    return Figure(figsize=(WIDTH, _HEAD + _FOOT + extra + rows * _ROW))


def _ops(tables: Dynamics) -> list[str]:
    return list(tables.ops["op"].unique())


def _learnt(tables: Dynamics) -> pd.DataFrame:
    split = "search" if tables.searches["level"].iloc[0] == "bi" else "train"
    return tables.statistics[tables.statistics["split"] == split]


def _edge_grid(
    figure: Figure, tables: Dynamics, first: int, rows: int, extra: float = 0.0
) -> dict[str, Axes]:
    """A panel per edge in `rows` rows (target nodes) from row `first` of the figure's panels.

    All share both axes. The place of a deleted edge says so.
    """
    height = figure.get_size_inches()[1]
    top = height - _HEAD - first * _ROW - (extra if first else 0)
    spec = figure.add_gridspec(
        rows,
        rows + 1,
        left=0.075,
        right=0.985,
        top=top / height,
        bottom=(top - rows * _ROW + 0.28) / height,
        wspace=0.12,
        hspace=0.42,
    )
    present = list(tables.edges["edge"].unique())
    grid: dict[str, Axes] = {}
    shared: Axes | None = None
    for target in range(2, rows + 2):
        for source in range(target):
            edge = f"{source}-{target}"
            axes = figure.add_subplot(spec[target - 2, source], sharex=shared, sharey=shared)
            if edge not in present:
                axes.set_axis_off()
                text = {"ha": "center", "va": "center", "color": GREY}
                axes.text(0.5, 0.5, f"{source} → {target} deleted", text, transform=axes.transAxes)
                continue
            shared = shared or axes
            grid[edge] = axes
            axes.set_title(f"{source} → {target}")
            if source > 1:
                axes.set_facecolor(TINT)
    return grid


def _label(grid: dict[str, Axes], text: str) -> None:
    """Name the axes once: on the leftmost panel of a row and the lowest of a column."""
    places = {edge: tuple(map(int, edge.split("-"))) for edge in grid}
    for edge, (source, target) in places.items():
        left = all(other[0] >= source for other in places.values() if other[1] == target)
        lowest = all(other[1] <= target for other in places.values() if other[0] == source)
        grid[edge].tick_params(labelleft=left, labelbottom=lowest)
        if left:
            grid[edge].set_ylabel(text)
        if lowest:
            grid[edge].set_xlabel("epoch", labelpad=1)


def _legend(
    figure: Figure, grid: dict[str, Axes], samples: list[Any], names: list[str], title: str = ""
) -> None:
    """Put the legend into the free corner of the triangle, right of the first row."""
    box = next(iter(grid.values())).get_subplotspec()
    assert box is not None
    spec = box.get_gridspec()
    corner = spec[0, 2:].get_position(figure)
    columns = 1 if len(names) < 4 or spec.ncols > 3 else 2
    columns = columns if spec.ncols <= 3 else min(3, max(1, len(names) // 2))
    figure.legend(
        samples,
        names,
        loc="upper left",
        bbox_to_anchor=(corner.x0, corner.y1),
        ncols=columns,
        title=title or None,
        alignment="left",
        borderaxespad=0,
        columnspacing=1.2,
        handlelength=2.2,
    )


def _zero(grid: dict[str, Axes], means: list[pd.Series[float]]) -> None:
    """Mark zero and span the central 99% of the means: single windows can be far off."""
    values = np.concatenate([np.asarray(mean, dtype=float) for mean in means])
    low, high = np.quantile(values, (0.005, 0.995)) if values.size else (-1.0, 1.0)
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.06 * (high - low) or 1e-3
    for axes in grid.values():
        axes.axhline(0, color="#000000", linewidth=0.9)
        axes.set_ylim(low - margin, high + margin)
