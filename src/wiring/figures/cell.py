"""The cell as a graph, at points of the search and as an animation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path as Curve
from PIL import Image

from wiring.config import INPUTS, Edge
from wiring.dynamics import Dynamics
from wiring.figures.course import Array, courses
from wiring.figures.graph import RADIUS, RISE, along, curve, place
from wiring.figures.palette import OP_COLOUR, OP_NAME, ink
from wiring.figures.style import (
    GREY,
    bare,
    key,
    line,
    name,
    sheet,
    small_print,
    width,
)

FRAMES = 40
_FRAME_MS = 190
_INPUT, _CONCATENATION = "#DDDDDD", "#C9C9C9"
_THICK = 7.0
"""Line width in points of an edge with P(none) = 0."""
_LABELLED = 14
"""Edges of the largest cell whose edges are labelled: there is no room in larger ones."""
_ROOMY = 6
"""Nodes of the largest cell that two fit beside each other."""
_WAY = (0.4, 0.5, 0.6, 0.7)
"""Shares of a curve, one of which is about as far out as it gets."""
_BEZIER = [Curve.MOVETO, Curve.CURVE3, Curve.CURVE3]
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class State(NamedTuple):
    """What an edge is at one share: P(none), its strongest other op, and whether none leads."""

    none: float
    op: str
    dropped: bool


@dataclass(frozen=True)
class Animation:
    """Frames in one palette."""

    frames: tuple[Image.Image, ...]

    def save(self, path: Path) -> None:
        """Write a GIF that repeats."""
        first, *others = self.frames
        first.save(
            path, "GIF", save_all=True, append_images=others, duration=_FRAME_MS, loop=0, disposal=1
        )


class _Cell:
    """The cell of a condition: its edges' mean probabilities over seeds, window by window."""

    def __init__(self, tables: Dynamics) -> None:
        first = tables.searches.iloc[0]
        self.nodes = int(first["nodes"])
        self.outputs = [int(node) for node in first["output_nodes"].split(",")]
        self.edges = [Edge.parse(text) for text in tables.edges["edge"].unique()]
        self.ops = [str(op) for op in tables.ops["op"].unique()]
        found = courses(tables.ops, "probability", ("edge", "op"))
        self.epochs = found[str(self.edges[0]), self.ops[0]].epochs
        # Shape (windows, edges, ops).
        self._probability = np.array(
            [[found[str(edge), op].mean for op in self.ops] for edge in self.edges]
        ).transpose(2, 0, 1)
        # Thinner lines and smaller letters where there are more nodes than a sheet's width takes.
        self.scale = min(1.0, _ROOMY / self.nodes)
        height = max(abs(along(curve(*edge), share)[1]) for edge in self.edges for share in _WAY)
        self.size = place(self.nodes + INPUTS)[0] + 0.8, 2 * (max(height, RISE) + RADIUS)

    def at(self, window: int) -> dict[Edge, State]:
        """Its edges after a window."""
        return {
            edge: self._state(probability)
            for edge, probability in zip(self.edges, self._probability[window], strict=True)
        }

    def _state(self, probability: Array) -> State:
        by_op = dict(zip(self.ops, map(float, probability), strict=True))
        none = by_op.pop("none", 0.0)
        op = max(by_op, key=by_op.__getitem__, default="none")
        return State(none, op, none > by_op.get(op, 0.0))


def draw_wiring(tables: Dynamics, snapshots: Sequence[float]) -> Figure:
    """The cell at shares (0 to 1) of the search; an edge's width is 1 - P(none)."""
    cell = _Cell(tables)
    last = len(cell.epochs) - 1
    columns = min(2, len(snapshots)) if cell.scale == 1 else 1
    rows = -(-len(snapshots) // columns)
    end = cell.at(last).values()
    kept = sum(not edge.dropped for edge in end)
    wide, tall = cell.size
    inches = width(cell.nodes)
    height = 1.25 + rows * (0.4 + (inches / columns - 0.15) * tall / wide)
    seen = f"{kept} of {len(end)} edges are selected at the end"
    figure, body = sheet((inches, height), seen, name(tables))
    key(body, *_op_key(cell))
    grid = body.subplots(rows, columns, squeeze=False).ravel()
    for axes, share in zip(grid, snapshots, strict=False):
        window = round(share * last)
        _draw_cell(axes, cell, cell.at(window), labels=len(cell.edges) <= _LABELLED)
        axes.set_title(f"after epoch {cell.epochs[window]:.1f}".removesuffix(".0"), **_HEADING)
    for axes in grid[len(snapshots) :]:
        axes.remove()
    small_print(
        figure,
        "Width: 1 − P(none), mean over seeds. Colour: strongest op but none. "
        "Dashed: none is the likeliest. Grey: concatenation to the output.",
    )
    return figure


def animate_wiring(tables: Dynamics) -> Animation:
    """The course of the cell in at most :data:`FRAMES` frames."""
    cell = _Cell(tables)
    last = len(cell.epochs) - 1
    windows = np.unique(np.linspace(0, last, min(FRAMES, last + 1)).round().astype(int))
    figure = Figure(figsize=(max(5.6, 0.5 * (cell.nodes + 3)), 3.5), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    key(figure, *_op_key(cell), columns=4, where="outside lower left", fontsize=8)
    # What moves is drawn upon the rest, then the nodes, which cover the edges' ends.
    edges, nodes = _draw_cell(axes, cell, cell.at(last), labels=False)
    title = axes.set_title(f"after epoch {cell.epochs[-1]:.0f}", **_HEADING)
    agg = FigureCanvasAgg(figure)
    for artist in (*edges.values(), *nodes, title):
        artist.set_animated(True)
    agg.draw()  # type: ignore[no-untyped-call]
    rest = agg.copy_from_bbox(figure.bbox)  # type: ignore[no-untyped-call]
    cover = _cover(agg, axes, nodes)
    frames = []
    for window in windows:
        agg.restore_region(rest)  # type: ignore[no-untyped-call]
        for edge, state in cell.at(window).items():
            _set_state(edges[edge], state, cell.scale)
            axes.draw_artist(edges[edge])
        title.set_text(f"after epoch {cell.epochs[window]:.0f}")
        axes.draw_artist(title)
        frames.append(_indexed(cover(_pixels(agg))))
    return Animation(tuple(frames))


def _pixels(agg: FigureCanvasAgg) -> Pixels:
    return np.array(agg.buffer_rgba())  # type: ignore[no-untyped-call]


def _cover(agg: FigureCanvasAgg, axes: Axes, artists: list[Any]) -> Callable[[Pixels], Pixels]:
    """Artists drawn once, as a function that lays them over a frame."""
    agg.get_renderer().clear()  # type: ignore[no-untyped-call]
    for artist in artists:
        axes.draw_artist(artist)
    drawn = _pixels(agg)
    place = np.nonzero(drawn[..., 3])
    colour, opaque = drawn[place][:, :3].astype(float), drawn[place][:, 3:] / 255

    def cover(pixels: Pixels) -> Pixels:
        under = pixels[place][:, :3]
        blend = (opaque * colour + (1 - opaque) * under).round()
        pixels[place[0], place[1], :3] = blend
        return pixels

    return cover


def _palette() -> Pixels:
    """The colours drawn and, for smooth edges, their blends with white; shape (colours, 3)."""
    colours = [*OP_COLOUR.values(), GREY, _INPUT, _CONCATENATION]
    shades = [
        [round(255 * (1 - share * (1 - channel))) for channel in to_rgb(colour)]
        for colour in colours
        for share in (1.0, 0.75, 0.5, 0.25)
    ]
    return np.array([[255, 255, 255], *shades], dtype=np.uint8)


def _nearest() -> Pixels:
    """The palette's colour nearest to each colour of five bits a channel, shape (32768,)."""
    grid = np.indices((32, 32, 32)).reshape(3, -1).T * 255 / 31
    palette = _palette().astype(np.float64)
    distance = (palette**2).sum(axis=1) - 2 * grid @ palette.T
    return np.asarray(distance.argmin(axis=1), dtype=np.uint8)


_NEAREST, _PALETTE = _nearest(), _palette()
_FIVE = [(np.arange(256, dtype=np.uint16) >> 3) << shift for shift in (10, 5, 0)]


def _indexed(pixels: Pixels) -> Image.Image:
    """One small palette for all frames and no dither: what stands still costs no bytes."""
    red, green, blue = (pixels[..., channel] for channel in range(3))
    image = Image.fromarray(_NEAREST[_FIVE[0][red] | _FIVE[1][green] | _FIVE[2][blue]])
    image.putpalette(_PALETTE.tobytes())
    return image


_HEADING: dict[str, Any] = {"loc": "left", "fontsize": 9.5, "fontweight": "bold"}


def _set_state(patch: PathPatch, state: State, scale: float) -> None:
    patch.set_edgecolor(OP_COLOUR[state.op])
    patch.set_linewidth(scale * _THICK * (1 - state.none))
    patch.set_linestyle((0, (2.2, 1.1)) if state.dropped else "-")


def _draw_cell(
    axes: Axes, cell: _Cell, states: dict[Edge, State], labels: bool
) -> tuple[dict[Edge, PathPatch], list[Any]]:
    """Draw the cell at one share; what is returned are its edges and its nodes."""
    bare(axes)
    axes.set_aspect("equal")
    out = cell.nodes + INPUTS
    style: dict[str, Any] = {"fill": False, "capstyle": "butt"}
    for node in cell.outputs:
        way = Curve(curve(node, out), _BEZIER)
        axes.add_artist(PathPatch(way, edgecolor=_CONCATENATION, linewidth=1, zorder=1, **style))
    edges = {}
    for edge, state in states.items():
        arc = curve(*edge)
        edges[edge] = PathPatch(Curve(arc, _BEZIER), zorder=2, **style)
        _set_state(edges[edge], state, cell.scale)
        axes.add_artist(edges[edge])
        if labels:
            axes.text(
                *along(arc, 0.62 if edge.kind == "input" else 0.5),
                OP_NAME[state.op].replace(" conv ", "").replace(" pool ", ""),
                ha="center",
                va="center",
                fontsize=7.5,
                color=ink(OP_COLOUR[state.op]),
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.9},
                zorder=4,
            )
    nodes: list[Any] = []
    for node in range(out + 1):
        fill = _INPUT if node < INPUTS else "white"
        centre = place(node)
        circle = Circle(centre, RADIUS, facecolor=fill, edgecolor=GREY, linewidth=1.2, zorder=5)
        nodes.append(axes.add_artist(circle))
        text = "out" if node == out else str(node)
        size = 8.5 * max(cell.scale, 0.75)
        style = {"ha": "center", "va": "center", "fontsize": size, "zorder": 6}
        nodes.append(axes.text(*centre, text, **style))
    wide, tall = cell.size
    axes.set_xlim(-0.4, wide - 0.4)
    axes.set_ylim(-tall / 2, tall / 2)
    for artist in (*axes.patches, *axes.texts):
        artist.set_in_layout(False)  # all lie within the limits
    return edges, nodes


def _op_key(cell: _Cell) -> tuple[list[Any], list[str]]:
    ops = [op for op in cell.ops if op != "none"]
    return [line(OP_COLOUR[op], width=3.5) for op in ops], [OP_NAME[op] for op in ops]
