"""What all figures share: colours, type, the summary over seeds, and files that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wiring.dynamics import Dynamics

# Okabe and Ito's colours, which all common forms of colour vision tell apart; their yellow is too
# faint on white, Tol's wine stands in. A larger kernel is dashed as well.
OP_COLOUR = {
    "none": "#000000",
    "skip_connect": "#E69F00",
    "max_pool_3x3": "#56B4E9",
    "avg_pool_3x3": "#0072B2",
    "sep_conv_3x3": "#D55E00",
    "dil_conv_3x3": "#009E73",
    "dil_conv_5x5": "#882255",
    "sep_conv_5x5": "#CC79A7",
}
OP_DASH = {"dil_conv_5x5": (0, (4, 1.2)), "sep_conv_5x5": (0, (4, 1.2))}
OP_NAME = {
    "none": "none",
    "skip_connect": "skip",
    "max_pool_3x3": "max pool 3",
    "avg_pool_3x3": "avg pool 3",
    "sep_conv_3x3": "sep conv 3",
    "dil_conv_3x3": "dil conv 3",
    "dil_conv_5x5": "dil conv 5",
    "sep_conv_5x5": "sep conv 5",
}
CLASS_COLOUR = {"input": "#0072B2", "intermediate": "#D55E00"}
OUTCOME_COLOUR = {"": "#000000", "_correct": "#0072B2", "_wrong": "#D55E00"}
TINT = "#FBF0E4"
"""Background of an intermediate edge's panel."""
GREY = "#666666"
WIDTH = 10.0
"""Inches: at the report's width a 9 point letter stays about that large."""

_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "svg.hashsalt": "wiring",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this project's style."""
    with mpl.rc_context(_RC):
        yield


def save(figure: Figure, path: Path) -> None:
    """Save as SVG without a date, so that equal tables give equal bytes."""
    figure.savefig(path, format="svg", metadata={"Date": None})


def heading(figure: Figure, seen: str, tables: Dynamics) -> None:
    """Title: what is seen; below it, of which searches."""
    title(figure, seen)
    height = figure.get_size_inches()[1]
    figure.text(0.012, 1 - 0.36 / height, name(tables), va="top", fontsize=9.5, color=GREY)


def title(figure: Figure, seen: str, size: float = 12) -> None:
    """The figure's first line."""
    top = 1 - 0.12 / figure.get_size_inches()[1]
    figure.text(0.012, top, seen, va="top", fontsize=size, fontweight="bold")


def caption(figure: Figure, text: str) -> None:
    """Small print under the panels."""
    figure.text(
        0.012, 0.07 / figure.get_size_inches()[1], text, va="bottom", fontsize=8.5, color=GREY
    )


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
        f"{first['cells']} cell{'s' if first['cells'] > 1 else ''}, {first['nodes']} nodes",
        f"{seeds} seed{'s' if seeds > 1 else ''}",
    ]
    return "  ·  ".join(parts)


def seeds_text(tables: Dynamics) -> str:
    """What a line and a band are."""
    count = len(tables.searches)
    if count == 1:
        return "One seed."
    return f"Line: mean over {count} seeds; band: smallest to largest seed."


def over_seeds(table: pd.DataFrame, value: str) -> pd.DataFrame:
    """`epochs` (done at the window's end), and mean, min and max over seeds at each step.

    Windows where no seed has a value are left out.
    """
    per_epoch = table["step"].max() / (table["epoch"].max() + 1)
    found = table.dropna(subset=[value]).groupby("step")[value].agg(["mean", "min", "max"])
    return found.reset_index().assign(epochs=lambda frame: frame["step"] / per_epoch)


def band(
    axes: Axes,
    table: pd.DataFrame,
    value: str,
    *,
    colour: str,
    dash: object = "-",
    width: float = 1.5,
) -> pd.DataFrame:
    """Draw the mean over seeds as a line and their range as a band; return both."""
    found = over_seeds(table, value)
    axes.fill_between(
        found["epochs"], found["min"], found["max"], color=colour, alpha=0.15, linewidth=0
    )
    # A single window is a point, which a line would not show.
    marker = "o" if len(found) == 1 else ""
    axes.plot(
        found["epochs"],
        found["mean"],
        color=colour,
        linestyle=dash,
        linewidth=width,
        marker=marker,
        markersize=3,
    )
    return found


def line(colour: str, dash: object = "-", width: float = 1.8) -> Line2D:
    """A legend's sample."""
    return Line2D([], [], color=colour, linestyle=dash, linewidth=width)  # type: ignore[arg-type]


def op_legend(ops: Sequence[str]) -> tuple[list[Line2D], list[str]]:
    """Samples and names of the ops."""
    samples = [line(OP_COLOUR[op], OP_DASH.get(op, "-")) for op in ops]
    return samples, [OP_NAME[op] for op in ops]
