"""The cell as a graph, at moments of the search and as an animation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path as Curve
from PIL import Image

from wiring.dynamics import Dynamics
from wiring.figures.style import GREY, OP_COLOUR, OP_NAME, WIDTH, caption, heading, line

FRAMES = 60
_FRAME_MS = 125
_INPUT, _CONCATENATION = "#DDDDDD", "#C9C9C9"
_THICK = 7.0
"""Line width in points of an edge with P(none) = 0."""
_RADIUS, _RISE, _PITCH = 0.2, 1.25, 1.3
"""A node's radius, an input's distance from the row of intermediate nodes, and their spacing."""


_BEZIER = [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3]


class Edge(NamedTuple):
    """What an edge is at one moment: P(none), its strongest other op, and whether none leads."""

    none: float
    op: str
    dropped: bool


def draw_wiring(tables: Dynamics, moments: Sequence[float]) -> Figure:
    """The cell at shares (0 to 1) of the search; an edge's width is 1 - P(none)."""
    states = _states(tables)
    steps = list(states)
    columns = min(2, len(moments))
    rows = -(-len(moments) // columns)
    nodes, outputs = _nodes(tables)
    height = 1.35 + rows * (3.1 if nodes > 2 else 2.6)
    figure = Figure(figsize=(WIDTH, height))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    figure.subplots_adjust(0.01, 0.75 / height, 0.99, 1 - 0.85 / height, wspace=0.04, hspace=0.12)
    epochs = _epochs(tables)
    for axes, moment in zip(grid, moments, strict=False):
        step = steps[round(moment * (len(steps) - 1))]
        _draw_cell(axes, states[step], nodes, outputs, labels=True)
        axes.set_title(f"after epoch {epochs[step]:g}", fontweight="bold")
    for axes in grid[len(moments) :]:
        axes.set_axis_off()
    _op_key(figure, tables, 0.3 / height)
    last = states[steps[-1]].values()
    kept = sum(not edge.dropped for edge in last)
    heading(figure, f"{kept} of {len(last)} edges are selected at the end", tables)
    caption(
        figure,
        "Width: 1 − P(none), mean over seeds. Colour: strongest op but none. "
        "Dashed: none is the likeliest. Grey: concatenation to the output.",
    )
    return figure


def animate_wiring(tables: Dynamics, path: Path) -> None:
    """Write the course of the cell as a GIF of at most :data:`FRAMES` frames."""
    states = _states(tables)
    steps = list(states)
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(FRAMES, len(steps))).round().astype(int))
    nodes, outputs = _nodes(tables)
    figure = Figure(figsize=(5.6, 3.5), dpi=90)
    axes = figure.add_axes((0.01, 0.14, 0.98, 0.76))
    _op_key(figure, tables, 0.015, columns=4, size=8)
    epochs = _epochs(tables)
    canvas = FigureCanvasAgg(figure)
    frames = []
    for index in chosen:
        axes.clear()
        _draw_cell(axes, states[steps[index]], nodes, outputs, labels=False)
        axes.set_title(f"after epoch {epochs[steps[index]]:.0f}", fontweight="bold")
        canvas.draw()  # type: ignore[no-untyped-call]
        pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
        frames.append(Image.fromarray(pixels).convert("RGB"))
    # One small palette for all frames and no dither: what stands still costs no bytes.
    palette = _palette()
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=_FRAME_MS, loop=0)


def _palette() -> Image.Image:
    """The colours drawn and, for smooth edges, their blends with white."""
    inks = [*OP_COLOUR.values(), GREY, _INPUT, _CONCATENATION]
    shades = [
        round(255 * (1 - share * (1 - channel)))
        for ink in inks
        for share in (1.0, 0.75, 0.5, 0.25)
        for channel in to_rgb(ink)
    ]
    image = Image.new("P", (1, 1))
    image.putpalette([255, 255, 255, *shades])
    return image


def _states(tables: Dynamics) -> dict[int, dict[str, Edge]]:
    """Each recorded step's edges, from probabilities averaged over seeds."""
    mean = (
        tables.ops.groupby(["step", "edge", "op"], sort=False)["probability"].mean().reset_index()
    )
    states: dict[int, dict[str, Edge]] = {}
    for _, group in mean.groupby(["step", "edge"], sort=False):
        step, edge = group["step"].iloc[0], group["edge"].iloc[0]
        probability = pd.Series(group["probability"].to_numpy(), index=group["op"].to_numpy())
        none = float(probability.get("none", 0.0))
        others = probability.drop("none", errors="ignore")
        states.setdefault(int(step), {})[str(edge)] = Edge(
            none, str(others.idxmax()), none > others.max()
        )
    return states


def _nodes(tables: Dynamics) -> tuple[int, list[int]]:
    first = tables.searches.iloc[0]
    return int(first["nodes"]), [int(node) for node in first["output_nodes"].split(",")]


def _epochs(tables: Dynamics) -> dict[int, float]:
    per_epoch = tables.edges["step"].max() / (tables.edges["epoch"].max() + 1)
    return {int(step): round(step / per_epoch, 1) for step in tables.edges["step"].unique()}


def _place(node: int) -> tuple[float, float]:
    """Inputs above and below on the left, intermediate nodes (and the output) in a row."""
    if node < 2:
        return 0.0, _RISE if node == 0 else -_RISE
    return 1.2 + (node - 2) * _PITCH, 0.0


def _curve(source: int, target: int) -> tuple[tuple[float, float], ...]:
    """Start, control point and end of an edge's curve, such that no two edges coincide.

    Input 0's edges fan in from above and input 1's from below, farther targets on wider arcs.
    Neighbours in the row are joined straight, others by flat arcs: above from even nodes, below
    from odd ones.
    """
    start, end = _place(source), _place(target)
    if source < 2:
        side = 1 if source == 0 else -1
        return start, (end[0] - 0.25, side * _RISE * (0.55 + 0.42 * (target - 2))), end
    span = target - source
    side = 1 if source % 2 == 0 else -1
    bend = 0.0 if span == 1 else side * (0.35 + 0.3 * span)
    return start, ((start[0] + end[0]) / 2, bend), end


def _draw_cell(
    axes: Axes, edges: dict[str, Edge], nodes: int, outputs: list[int], labels: bool
) -> None:
    axes.set_axis_off()
    axes.set_aspect("equal")
    out = nodes + 2
    for node in outputs:
        start, control, end = _curve(node, out)
        curve = Curve([start, control, end], [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3])
        axes.add_patch(
            PathPatch(curve, fill=False, edgecolor=_CONCATENATION, linewidth=1, zorder=1)
        )
    for name, edge in edges.items():
        source, target = map(int, name.split("-"))
        start, control, end = _curve(source, target)
        axes.add_patch(
            PathPatch(
                Curve([start, control, end], _BEZIER),
                fill=False,
                edgecolor=OP_COLOUR[edge.op],
                linewidth=_THICK * (1 - edge.none),
                linestyle=(0, (2.2, 1.1)) if edge.dropped else "-",
                capstyle="butt",
                zorder=2,
            )
        )
        if labels:
            share = 0.62 if source < 2 else 0.5
            x, y = (
                (1 - share) ** 2 * a + 2 * share * (1 - share) * b + share**2 * c
                for a, b, c in zip(start, control, end, strict=True)
            )
            axes.text(
                x,
                y,
                OP_NAME[edge.op].replace(" conv ", "").replace(" pool ", ""),
                ha="center",
                va="center",
                fontsize=7.5,
                color=OP_COLOUR[edge.op],
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9},
                zorder=4,
            )
    for node in range(out + 1):
        fill = _INPUT if node < 2 else "white"
        centre = _place(node)
        axes.add_patch(
            Circle(centre, _RADIUS, facecolor=fill, edgecolor=GREY, linewidth=1.2, zorder=5)
        )
        text = "out" if node == out else str(node)
        axes.text(*centre, text, ha="center", va="center", fontsize=8.5, zorder=6)
    top = _RISE * (0.9 + 0.16 * (nodes - 1)) + _RADIUS
    axes.set_xlim(-0.4, _place(out)[0] + 0.4)
    axes.set_ylim(-top, top)


def _op_key(
    figure: Figure, tables: Dynamics, bottom: float, columns: int = 8, size: float = 9
) -> None:
    ops = [op for op in tables.ops["op"].unique() if op != "none"]
    figure.legend(
        [line(OP_COLOUR[op], width=3.5) for op in ops],
        [OP_NAME[op] for op in ops],
        loc="lower left",
        bbox_to_anchor=(0.005, bottom),
        ncols=columns,
        fontsize=size,
        columnspacing=1.2,
        handlelength=1.4,
        borderaxespad=0.2,
    )
