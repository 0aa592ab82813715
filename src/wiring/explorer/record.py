"""What the explorer shows of a search, few enough numbers for a page that holds many searches."""

from __future__ import annotations

import zlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np

from wiring.config import INPUTS
from wiring.figures.graph import curve, place
from wiring.patterns.readings import Array, field, none_wins
from wiring.trajectory import Trajectory

POINTS = 400
"""The most points in time of a search: about one a pixel of a chart."""
LEVELS = 2000
"""A series is stored in so many steps from 0 to its largest size: finer than a chart can show."""
NOTHING = 4000
"""What stands for a value that is not there; out of the levels' reach."""
BY_OP = ("probability", "direct", "path", "correct", "wrong")
BY_EDGE = ("credit_direct", "credit_path")
NUMBERS = (
    *("loss", "entropy", "accuracy"),
    *("loss_correct", "entropy_correct", "loss_wrong", "entropy_wrong"),
)
"""Series an op of an edge, an edge, and a search, in the order in which they are stored."""


@dataclass(frozen=True)
class Record:
    """A search, thinned to at most :data:`POINTS` points in time.

    Attributes:
        about: what it is called, its cell and where its lines run, for JSON.
        windows: how many windows were recorded.
        step: of the last window of each point, shape (T,).
        epochs: done by then, shape (T,).
        weight: steps that each point stands for, shape (T,).
        series: shape (series, T); as :data:`BY_OP` and so on have them, NaN where nothing is.
    """

    about: dict[str, Any]
    windows: int
    step: np.ndarray[Any, np.dtype[np.int64]]
    epochs: Array
    weight: Array
    series: np.ndarray[Any, np.dtype[np.float32]]

    @classmethod
    def of(cls, trajectory: Trajectory) -> Record:
        """Read a search's record off its trajectory, on the split that alpha learns from.

        An op's costs are means over the cells, credits sums over them; correct and wrong are the
        means of the own costs of the samples classified so.
        """
        split = trajectory.config.learning_split
        step = trajectory.column("step", split).astype(np.int64)
        epoch = trajectory.column("epoch", split).astype(np.float64)
        count = field(trajectory, "count")
        cost, direct = _over_cells(trajectory, "cost_mean"), _over_cells(trajectory, "direct_mean")
        by_op = {
            "probability": field(trajectory, "probability"),
            "direct": direct,
            "path": cost - direct,
            "correct": _over_cells(trajectory, "cost_correct"),
            "wrong": _over_cells(trajectory, "cost_wrong"),
        }
        steps = trajectory.column("steps", split).astype(np.float64)
        first = _starts(len(step), POINTS)
        rows = [_thin(by_op["probability"], first, None)]
        rows += [_thin(by_op[name], first, count) for name in BY_OP[1:]]
        rows += [_thin(field(trajectory, name).sum(axis=1), first, steps) for name in BY_EDGE]
        rows += [_thin(field(trajectory, name), first, steps) for name in NUMBERS]
        last = _ends(first, len(step))
        done = step / max(step[-1], 1) * (epoch[-1] + 1) if len(step) else epoch
        return cls(
            _about(trajectory),
            len(step),
            step[last],
            done[last],
            np.add.reduceat(steps, first) if len(step) else steps,
            np.concatenate(rows).astype(np.float32),
        )

    def at_most(self, points: int) -> Record:
        """The same with fewer points, each for several of the points that are there."""
        first = _starts(len(self.step), points)
        if len(first) == len(self.step):
            return self
        last = _ends(first, len(self.step))
        state = len(self.about["edges"]) * len(self.about["ops"])
        series = np.concatenate(
            [
                self.series[:state, last],
                _thin(self.series[state:].T.astype(np.float64), first, self.weight),
            ]
        )
        weight = np.add.reduceat(self.weight, first)
        return Record(
            self.about,
            self.windows,
            self.step[last],
            self.epochs[last],
            weight,
            series.astype(np.float32),
        )

    def packed(self) -> dict[str, Any]:
        """As the page takes it: `data` is base64 of zlib of the series.

        First a float32 a series, the size of its level; then the levels' differences in time as
        int16, all low bytes before all high ones. Little-endian.
        """
        finite = np.where(np.isfinite(self.series), self.series, 0)
        size = np.abs(finite).max(axis=1, initial=0).astype("<f4") / np.float32(LEVELS)
        size[size == 0] = 1
        levels = np.round(finite / size[:, None])
        levels = np.where(np.isfinite(self.series), levels, NOTHING).astype(np.int16)
        steps = np.ascontiguousarray(np.diff(levels, axis=1, prepend=np.int16(0)), "<i2")
        planes = steps.view(np.uint8).reshape(-1, 2).T.tobytes()
        return {
            **self.about,
            "windows": self.windows,
            "step": self.step.tolist(),
            "epoch": [round(float(epoch), 3) for epoch in self.epochs],
            "data": b64encode(zlib.compress(size.tobytes() + planes, 9)).decode(),
        }


def _about(trajectory: Trajectory) -> dict[str, Any]:
    config, shape = trajectory.config, trajectory.shape
    space = config.space
    dropped = none_wins(trajectory)
    kept = int((~dropped[-1]).sum()) if len(dropped) else len(shape.edges)
    words = [config.method, f"{config.level}-level", config.dataset]
    return {
        "search": config.id,
        "condition": str(config.condition),
        "experiment": config.experiment,
        "method": config.method,
        "seed": config.seed,
        "words": ", ".join([*words, *([config.variant] if config.variant else [])]),
        "cells": space.cells,
        "kept": kept,
        "ops": list(shape.ops),
        "edges": [str(edge) for edge in shape.edges],
        "curves": [curve(*edge) for edge in shape.edges],
        "nodes": [place(node) for node in range(space.nodes + INPUTS + 1)],
        "outputs": [curve(node, space.nodes + INPUTS) for node in space.outputs],
    }


def _over_cells(trajectory: Trajectory, name: str) -> Array:
    """Mean over the cells in which an op was evaluated, shape (W, E, O); NaN where in none."""
    values = field(trajectory, name)
    there = np.isfinite(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0).sum(axis=1)
    return np.asarray(
        np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), np.float64
    )


def _starts(windows: int, points: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Where each point's windows begin."""
    return np.unique(np.arange(min(points, windows)) * windows // max(min(points, windows), 1))


def _ends(first: np.ndarray[Any, np.dtype[np.int64]], windows: int) -> np.ndarray[Any, Any]:
    return np.append(first[1:], windows)[: len(first)] - 1


def _thin(values: Array, first: np.ndarray[Any, np.dtype[np.int64]], weight: Any) -> Array:
    """Series as rows, a value a point: the weighted mean of its windows, or the last without.

    Args:
        values: shape (W, ...).
        first: where each point's windows begin, shape (T,).
        weight: of each window, shape (W,) or that of `values`; None takes a point's last window.

    Returns:
        Shape (series, T); NaN where no window has a value.
    """
    windows = len(values)
    flat = values.reshape(windows, -1)
    if weight is None or not windows:
        return np.asarray(flat[_ends(first, windows)].T)
    own = np.broadcast_to(weight.reshape(windows, -1), flat.shape)
    there = np.isfinite(flat) & (own > 0)
    total = np.add.reduceat(np.where(there, flat * own, 0), first)
    count = np.add.reduceat(np.where(there, own, 0), first)
    mean = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return np.asarray(mean.T)
