"""What all figures share: colours, type, and the sheet with title, subject and small print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path

from wiring.config import Edge
from wiring.dynamics import Dynamics
from wiring.figures.palette import OP_COLOUR, OP_DASH, OP_NAME

CLASS_COLOUR = {"input": "#0072B2", "intermediate": "#D55E00"}
CLASS_DASH: dict[str, Any] = {"input": "-", "intermediate": (0, (4, 1.5))}
OUTCOME_COLOUR = {"": "#000000", "_correct": "#0072B2", "_wrong": "#D55E00"}
SERIES = tuple(
    zip(
        (
            *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#882255"),
            *("#000000", "#117733", "#332288", "#AA4499", "#999933", "#A05A2C", "#6F6F6F"),
            *("#E31A1C", "#00A6A6"),
        ),
        ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">", "h", "*", "d", "8", "H", (4, 1, 0)),
        strict=True,
    )
)
"""Colour and mark of each of sixteen methods: either alone tells them apart."""
DASHES = (
    "-",
    (0, (4, 1.5)),
    (0, (1, 1.2)),
    (0, (5, 1, 1, 1)),
    (0, (8, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
)
TINT = "#FBF0E4"
"""Background of an intermediate edge's panel."""
GREY = "#666666"
WIDTH = 10.0
"""Inches: at the report's width a 9 point letter stays about that large."""

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.columnspacing": 1.2,
    "legend.handlelength": 2.0,
    "legend.borderaxespad": 0.2,
    "legend.borderpad": 0.1,
    "figure.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.05,
    "svg.fonttype": "none",
    "svg.hashsalt": "wiring",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this project's style."""
    with mpl.rc_context(_RC):
        yield


def sheet(size: tuple[float, float], seen: str, subject: str = "") -> tuple[Figure, SubFigure]:
    """A figure, and the part of it for panels and legends.

    Each text has a level of its own: the layout engine lets one level's title and legend overlap.

    Args:
        size: width and height in inches.
        seen: the title: what is seen. Long ones wrap.
        subject: below the title: of which searches.
    """
    figure = Figure(figsize=size, layout="constrained")
    left = _left(figure)
    figure.suptitle(fold(seen, size[0], 12, "bold"), fontsize=12, fontweight="bold", **left)
    (body,) = parts(figure, 1, 1)
    if subject:
        body.suptitle(fold(subject, size[0], 9.5), fontsize=9.5, color=GREY, **left)
    return figure, parts(body, 1, 1)[0]


def small_print(figure: Figure, text: str, beyond: bool = False) -> None:
    """Write under the panels; if values lie `beyond` them, also what marks these."""
    if beyond:
        text += " Triangles at a border: values beyond it."
    folded = fold(text, figure.get_figwidth(), 8.5)
    figure.supxlabel(folded, fontsize=8.5, color=GREY, **_left(figure))


def fold(text: str, inches: float, size: float, weight: str = "normal") -> str:
    """Text in lines that fit into a width: matplotlib's own wrapping takes longer than a figure.

    Args:
        text: words with single spaces between them.
        inches: the sheet's width; a margin is left on either side.
        size: of the letters, in points.
        weight: of the letters.
    """
    # Where DejaVu is not installed, another font may be a little wider.
    left = room = 0.97 * 72 * (inches - 2 * mpl.rcParams["figure.constrained_layout.w_pad"])
    lines: list[list[str]] = [[]]
    for word in text.split(" "):
        need = _length(f"{word} .", size, weight) - _length(".", size, weight)
        if need > left and lines[-1]:
            lines.append([])
            left = room
        lines[-1].append(word)
        left -= need
    return "\n".join(" ".join(line) for line in lines)


def shorten(text: str, inches: float, size: float) -> str:
    """A line cut to a length, with an ellipsis if it was longer."""
    cut = text
    while _length(cut, size, "normal") > 72 * inches and len(cut) > 2:
        cut = f"{cut[:-2]}…"
    return cut


@cache
def _length(text: str, size: float, weight: str) -> float:
    """Points."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def _left(figure: Figure) -> dict[str, Any]:
    """Flush left, as far from the border as the layout engine keeps panels."""
    return {
        "x": mpl.rcParams["figure.constrained_layout.w_pad"] / figure.get_figwidth(),
        "ha": "left",
    }


def key(
    body: Figure | SubFigure,
    samples: Sequence[Line2D],
    names: Sequence[str],
    columns: int = 8,
    where: Literal["outside upper left", "outside lower left"] = "outside upper left",
    **style: Any,
) -> None:
    """A legend beside the panels, in rows of at most so many columns."""
    rows = -(-len(names) // columns)
    columns = -(-len(names) // max(rows, 1))
    body.legend(samples, names, loc=where, ncols=max(columns, 1), **style)


def parts(body: Figure | SubFigure, rows: int, columns: int, **ratios: Any) -> list[SubFigure]:
    """A part of a figure divided into parts of their own layout."""
    return list(np.ravel(np.asarray(body.subfigures(rows, columns, squeeze=False, **ratios))))


def bare(axes: Axes) -> None:
    """Take away frame and ticks, which cost more than what most panels show."""
    axes.set_axis_off()
    axes.xaxis.set_visible(False)  # else its ticks are measured though nobody sees them
    axes.yaxis.set_visible(False)
    axes.set_autoscale_on(False)


def width(nodes: int) -> float:
    """A sheet's inches: cells with many nodes get wider ones, not narrower panels."""
    return max(WIDTH, 0.6 + 1.15 * (nodes + 1))


def in_rows(edges: Sequence[Edge], most: int = 8) -> list[list[Edge]]:
    """Edges in rows of about equal length, at most so many a row."""
    rows = -(-len(edges) // most)
    wide = -(-len(edges) // rows)
    return [list(edges[start : start + wide]) for start in range(0, len(edges), wide)]


def arrow(edge: Edge) -> str:
    """An edge as a panel's title."""
    return f"{edge.source} → {edge.target}"


def name(tables: Dynamics) -> str:
    """A condition in words."""
    first = tables.searches.iloc[0]
    seeds = len(tables.searches)
    parts = [
        first["experiment"],
        first["method"],
        f"{first['level']}-level",
        first["dataset"],
        *([first["variant"]] if first["variant"] else []),
        f"{_count(first['cells'], 'cell')}, {_count(first['nodes'], 'node')}",
        _count(seeds, "seed"),
    ]
    return " · ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def seeds_text(tables: Dynamics) -> str:
    """What a line and a band are."""
    count = len(tables.searches)
    if count == 1:
        return "One seed."
    told = f"Line: mean over {count} seeds; band: smallest to largest seed."
    if tables.statistics.groupby("search")["step"].max().nunique() > 1:
        told += " A search that has ended keeps its last value."
    return told


def line(colour: str, dash: object = "-", width: float = 1.8, mark: object = "") -> Line2D:
    """A legend's sample."""
    return Line2D([], [], color=colour, ls=dash, lw=width, marker=mark)  # type: ignore[arg-type]


def op_key(ops: Sequence[str]) -> tuple[list[Line2D], list[str]]:
    """Samples and names of the ops."""
    samples = [line(OP_COLOUR[op], OP_DASH.get(op, "-")) for op in ops]
    return samples, [OP_NAME[op] for op in ops]
