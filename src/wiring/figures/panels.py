"""Small multiples in one Axes: a grid of panels costs what a single one does.

An Axes each with its ticks, limits and layout would take most of the time of a figure with tens of
panels. Here they are boxes in the coordinates of one Axes, measured in inches; the layout engine
places that Axes and makes room for its labels. A curve of many panels is one line with gaps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from wiring.figures.course import Array, Course
from wiring.figures.style import GREY, TINT, bare, fold, shorten

_GAP, _HEAD = 0.2, 0.22
"""Inches between columns, and above each panel for its title."""
_TICK, _TITLE = 8.0, 9.0
"""Points of letters."""
Limits = tuple[float, float]
Points = dict[str, tuple[Any, Any]]
"""Panel -> x and y."""


def robust(values: Iterable[Array], zero: bool = False) -> Limits:
    """Limits that a few far values do not stretch: 5 in 100 on either side, if far off.

    Args:
        values: arrays of any shapes; what is not finite has no say.
        zero: whether the limits include 0.
    """
    flat = [np.ravel(np.asarray(each, dtype=float)) for each in values]
    found = np.concatenate(flat) if flat else np.empty(0)
    found = found[np.isfinite(found)]
    if zero or not found.size:
        found = np.append(found, 0.0)
    low = np.quantile(found, 0.05, method="higher")
    high = np.quantile(found, 0.95, method="lower")
    reach = high - low
    low, high = max(found.min(), low - reach), min(found.max(), high + reach)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.06 * (high - low) or max(1e-3, 0.1 * abs(high))
    return float(low - margin), float(high + margin)


class Panels(Axes):
    """A grid of panels, each with a name, a row and a column.

    Attributes:
        boxes: name -> left, bottom, right and top, in inches.
        x: limits of every panel.
        y: limits of each row's panels.
        beyond: whether a value lies outside its panel; a triangle at the border marks it.
    """

    boxes: dict[str, tuple[float, float, float, float]]
    x: Limits
    y: dict[int, Limits]
    beyond: bool

    @classmethod
    def add(
        cls,
        body: SubFigure,
        cells: Mapping[str, tuple[int, int]],
        size: tuple[float, float],
        x: Limits,
        y: Limits | Mapping[int, Limits],
    ) -> Panels:
        """Put panels into a part of a figure.

        Args:
            body: the part.
            cells: name -> row and column, both from 0.
            size: width and height of a cell in inches, gap and title included.
            x: limits of all panels.
            y: limits of all panels, or of each row's.
        """
        axes: Panels = body.add_subplot(axes_class=cls)  # type: ignore[assignment]
        bare(axes)
        wide, tall = size
        axes.rows = max((row for row, _ in cells.values()), default=0) + 1
        axes.columns = max((column for _, column in cells.values()), default=0) + 1
        axes.cells = dict(cells)
        axes.boxes = {
            name: (
                column * wide,
                -(row + 1) * tall,
                (column + 1) * wide - _GAP,
                -row * tall - _HEAD,
            )
            for name, (row, column) in cells.items()
        }
        axes.x = x
        axes.y = dict(y) if isinstance(y, Mapping) else dict.fromkeys(range(axes.rows), y)
        axes.beyond = False
        axes.size = size
        axes.set_xlim(0, axes.columns * wide - _GAP)
        axes.set_ylim(-axes.rows * tall, 0)
        return axes

    rows: int
    columns: int
    cells: dict[str, tuple[int, int]]
    size: tuple[float, float]

    def limits(self, name: str) -> Limits:
        """A panel's limits in y."""
        return self.y[self.cells[name][0]]

    def place(self, name: str, x: Any, y: Any) -> tuple[Array, Array]:
        """Where points of a panel lie in the Axes; those beyond its limits in y on the border."""
        left, bottom, right, top = self.boxes[name]
        low, high = self.limits(name)
        share = (np.asarray(x, dtype=float) - self.x[0]) / (self.x[1] - self.x[0])
        level = np.clip((np.asarray(y, dtype=float) - low) / (high - low), 0, 1)
        return left + share * (right - left), bottom + level * (top - bottom)

    def frame(
        self,
        titles: Mapping[str, str],
        *,
        xlabel: str = "",
        ylabels: Mapping[int, str] | str = "",
        tinted: Iterable[str] = (),
        zero: Iterable[int] = (),
        xticks: Mapping[float, str] | None = None,
        turned: bool = False,
        empty: Collection[str] = (),
    ) -> None:
        """Draw what stands under and beside the values.

        Args:
            titles: name -> the line above the panel.
            xlabel: under all panels.
            ylabels: beside each row, or beside all.
            tinted: panels with a background.
            zero: rows in which 0 is marked.
            xticks: places and their labels; round numbers if none are given.
            turned: whether the labels of `xticks` stand upright.
            empty: panels without a frame.
        """
        grid, frames, zeros = [], [], []
        across = _ticks(self.x, self.size[0]) if xticks is None else xticks
        for name, (left, bottom, right, top) in self.boxes.items():
            if name in empty:
                continue
            low, high = self.limits(name)
            columns = self.place(name, list(across), low)[0]
            lines = self.place(name, self.x[0], list(_ticks((low, high), self.size[1])))[1]
            grid += [((column, column), (bottom, top)) for column in columns]
            grid += [((left, right), (line, line)) for line in lines]
            frames.append(((left, left, right), (top, bottom, bottom)))
            if self.cells[name][0] in set(zero):
                level = float(self.place(name, 0, 0.0)[1])
                zeros.append(((left, right), (level, level)))
        self._areas([self.boxes[name] for name in tinted if name in self.boxes])
        self._strokes(grid, color="#E3E3E3", linewidth=0.6, zorder=0.6)
        self._strokes(frames, color=GREY, linewidth=0.8, zorder=2.6)
        self._strokes(zeros, color="#000000", linewidth=0.9, zorder=2.1)
        for name, text in titles.items():
            left, _, _, top = self.boxes[name]
            wide = self.size[0] - _GAP / 2
            folded = [shorten(one, wide, _TITLE) for one in fold(text, wide, _TITLE).split("\n")]
            # One line has its room in the panel's cell.
            style: dict[str, Any] = {"va": "bottom", "in_layout": len(folded) > 1}
            self._text(left, top, "\n".join(folded), (0, 3.5), _TITLE, **style)
        self._label_rows(ylabels)
        self._label_columns(across, xlabel, turned)

    def say(self, name: str, text: str, x: float | None = None, *, turned: bool = False) -> None:
        """Write into the middle of a panel, or above a place of it."""
        left, bottom, right, top = self.boxes[name]
        across = (left + right) / 2 if x is None else float(self.place(name, x, 0)[0])
        style: dict[str, Any] = {"ha": "center", "va": "center", "rotation": 90 * turned}
        middle = (bottom + top) / 2
        self._text(across, middle, text, (0, 0), _TICK, color=GREY, in_layout=False, **style)

    def curves(
        self, points: Mapping[str, tuple[Any, Any]], *, colour: str, dash: Any = "-", **style: Any
    ) -> None:
        """Draw a curve in each of the panels named, all of one style.

        A curve of a single point, which a line would not show, is a dot.
        """
        self._mark_beyond(points, colour)
        pieces = [self.place(name, *each) for name, each in points.items()]
        if dash != "" and all(np.size(x) == 1 for x, _ in pieces):
            style |= {"marker": "o", "markersize": 3}
        self._strokes(pieces, color=colour, linestyle=dash, **style)

    def dots(
        self, points: Mapping[str, tuple[Any, Any]], *, colour: str, size: float, **style: Any
    ) -> None:
        """Draw dots, so many points wide, in each of the panels named.

        They are strokes without a length: a file says a marker in five times as many bytes.
        """
        pieces = [self.place(name, *each) for name, each in points.items()]
        strokes = [
            (np.array([x, x + 1e-4]), np.array([y, y]))
            for p in pieces
            for x, y in zip(*p, strict=True)
        ]
        style |= {"linewidth": size, "solid_capstyle": "round"}
        self._mark_beyond(points, colour)
        self._strokes(strokes, color=colour, **style)

    def bands(self, ranges: Mapping[str, tuple[Any, Any, Any]], *, colour: str) -> None:
        """Fill between two curves (x, low, high) in each of the panels named."""
        areas = []
        for name, (x, low, high) in ranges.items():
            across, lower = self.place(name, x, low)
            _, upper = self.place(name, x, high)
            if across.size > 1:
                areas.append(
                    np.column_stack(
                        [np.append(across, across[::-1]), np.append(lower, upper[::-1])]
                    )
                )
        if areas:
            path = Path.make_compound_path(*(Path(area, closed=False) for area in areas))
            patch = PathPatch(path, facecolor=colour, edgecolor="none", alpha=0.15, linewidth=0)
            self._add(patch)

    def courses(self, found: Mapping[str, Course], *, colour: str, **style: Any) -> None:
        """Draw the mean over seeds as a line and their range as a band."""
        spans = {name: (each.epochs, each.low, each.high) for name, each in found.items()}
        self.bands(spans, colour=colour)
        means = {name: (each.epochs, each.mean) for name, each in found.items()}
        self.curves(means, colour=colour, **style)

    def _mark_beyond(self, points: Mapping[str, tuple[Any, Any]], colour: str) -> None:
        for mark, side in (("^", 1), ("v", -1)):
            far = []
            for name, (x, y) in points.items():
                x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
                low, high = self.limits(name)
                out = y > high if side > 0 else y < low
                if out.any():
                    far.append(self.place(name, x[out], y[out]))
            if far:
                self.beyond = True
                self._strokes(far, color=colour, linestyle="", marker=mark, markersize=3.5)

    def _strokes(self, pieces: Iterable[tuple[Any, Any]], **style: Any) -> None:
        """One line with gaps."""
        x = [each for across, _ in pieces for each in (across, [np.nan])]
        y = [each for _, along in pieces for each in (along, [np.nan])]
        if x:
            style = {"solid_capstyle": "butt", **style}
            (line,) = self.plot(np.concatenate(x), np.concatenate(y), **style)
            line.set_clip_on(False)
            line.set_in_layout(False)

    def _areas(self, boxes: list[tuple[float, float, float, float]]) -> None:
        rectangles = [
            Path([(left, low), (right, low), (right, high), (left, high)])
            for left, low, right, high in boxes
        ]
        if rectangles:
            path = Path.make_compound_path(*rectangles)
            self._add(PathPatch(path, facecolor=TINT, edgecolor="none", linewidth=0, zorder=0.5))

    def _add(self, patch: PathPatch) -> None:
        self.add_artist(patch)
        patch.set_clip_on(False)
        patch.set_in_layout(False)

    def _text(
        self, x: float, y: float, text: str, shift: tuple[float, float], size: float, **style: Any
    ) -> None:
        """Text at a place, moved by so many points."""
        figure = self.get_figure(root=True)
        assert figure is not None
        move = ScaledTranslation(shift[0] / 72, shift[1] / 72, figure.dpi_scale_trans)
        self.text(x, y, text, fontsize=size, transform=self.transData + move, **style)

    def _label_rows(self, labels: Mapping[int, str] | str) -> None:
        names = labels if isinstance(labels, Mapping) else dict.fromkeys(range(self.rows), labels)
        texts = {row: _ticks(self.y[row], self.size[1]) for row in range(self.rows)}
        widest = max(len(text) for ticks in texts.values() for text in ticks.values())
        low, high = _HEAD, self.size[1]
        for row, ticks in texts.items():
            bottom = -(row + 1) * self.size[1]
            span = self.y[row][1] - self.y[row][0]
            for value, text in ticks.items():
                level = bottom + (value - self.y[row][0]) / span * (high - low)
                self._text(0, level, text, (-3, 0), _TICK, ha="right", va="center")
            if names.get(row):
                middle = (bottom + (high - low) / 2, (-9 - 5.3 * widest, 0))
                style: dict[str, Any] = {"ha": "right", "va": "center", "ma": "center"}
                lines = [shorten(one, high, 8.5) for one in names[row].split("\n")]
                self._text(0, middle[0], "\n".join(lines), middle[1], 8.5, rotation=90, **style)

    def _label_columns(self, ticks: Mapping[float, str], label: str, turned: bool) -> None:
        wide, bottom = self.size[0], -self.rows * self.size[1]
        for column in range(self.columns):
            for value, text in ticks.items():
                share = (value - self.x[0]) / (self.x[1] - self.x[0])
                across = column * wide + share * (wide - _GAP)
                style: dict[str, Any] = {"rotation": 90} if turned else {}
                self._text(across, bottom, text, (0, -3), _TICK, ha="center", va="top", **style)
        if label:
            middle = (self.columns * wide - _GAP) / 2
            self._text(middle, bottom, label, (0, -14), _TITLE, ha="center", va="top")


def _ticks(limits: Limits, inches: float) -> dict[float, str]:
    """Round numbers within limits, fewer in small panels, and how they are written."""
    count = 4 if inches > 1.6 else 3 if inches > 1.1 else 2
    values = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
    margin = 1e-9 * (limits[1] - limits[0])
    inside = [float(v) for v in values if limits[0] - margin <= v <= limits[1] + margin]
    return {value: f"{value:.6g}".replace("-", "−") for value in inside}
