"""Tables as arrays over seeds and windows, and their summaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Course:
    """A quantity over the search: mean, smallest and largest over seeds.

    Attributes:
        epochs: done at the end of each window, shape (W,).
        mean: shape (W,), as are `low` and `high`; windows where no seed has a value are left out.
    """

    epochs: Array
    mean: Array
    low: Array
    high: Array


def courses(
    table: pd.DataFrame, value: str, by: tuple[str, ...] = (), parts: int = 0
) -> dict[Any, Course]:
    """The course of `value` for each combination of the columns `by`.

    A search that has ended keeps its last value: a mean over those that go on would jump.

    Args:
        table: rows of windows, with `seed`, `step`, `epoch` and the columns named.
        value: the column that is summarised.
        by: columns; one gives plain keys, several give tuples, none gives the key `()`.
        parts: if above 0, values are first averaged, seed by seed, over so many equal parts of
            the search.
    """
    codes, labels = zip(*(pd.factorize(table[name]) for name in (*by, "seed")), strict=True)
    steps, place = np.unique(table["step"].to_numpy(), return_inverse=True)
    full = np.full((*map(len, labels), len(steps)), np.nan)
    full[(*codes, place)] = table[value].to_numpy(dtype=np.float64)
    for seed in range(full.shape[-2]):
        last = place[codes[-1] == seed].max()
        full[..., seed, last + 1 :] = full[..., seed, last, None]
    done = steps.astype(np.float64)
    if len(steps):
        done /= steps[-1] / (table["epoch"].max() + 1)
    if parts and len(steps):
        part = np.ceil(steps / (steps[-1] / parts)).astype(int)
        first = np.flatnonzero(np.diff(part, prepend=-1))
        full = _mean(full, lambda values: np.add.reduceat(values, first, axis=-1))
        done = done[[*(first[1:] - 1), -1]]
    seeds = full.ndim - 2
    mean = _mean(full, lambda values: values.sum(axis=seeds))
    low, high = np.fmin.reduce(full, axis=seeds), np.fmax.reduce(full, axis=seeds)
    found = {}
    for index in np.ndindex(mean.shape[:-1]):
        names = tuple(labels[axis][at] for axis, at in enumerate(index))
        there = ~np.isnan(mean[index])
        found[names[0] if len(names) == 1 else names] = Course(
            done[there], mean[index][there], low[index][there], high[index][there]
        )
    return found


def _mean(values: Array, add: Any) -> Array:
    """The mean of what is there, by a sum; NaN where nothing is."""
    there = ~np.isnan(values)
    count = add(there.astype(np.float64))
    total = add(np.where(there, values, 0.0))
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))
