"""What several patterns and tables read off a trajectory.

Windows are those of the *learning split*, the batches that alpha learns from, unless a split is
named. Everything is float64, so that sums lose nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory

Array = np.ndarray[Any, np.dtype[np.float64]]


def splits(trajectory: Trajectory) -> list[str]:
    """The splits that the `windows` table holds: train, and validation in bi-level."""
    return [
        split
        for split in ("train", "validation")
        if split in trajectory.windows.column("split").unique().to_pylist()
    ]


def field(trajectory: Trajectory, name: str, split: str | None = None) -> Array:
    """A field of the `windows` table as a float64 copy, shape (windows, *axes of the field)."""
    chosen = split or trajectory.config.learning_split
    return np.array(trajectory.array(name, chosen), dtype=np.float64)


def free_places(trajectory: Trajectory) -> list[int]:
    """Where the free edges, those that may take none or another op, stand among the edges."""
    edges, space = trajectory.shape.edges, trajectory.config.space
    return [place for place, edge in enumerate(edges) if space.free(edge)]


def none_probability(trajectory: Trajectory) -> Array:
    """P(none) after each window, shape (windows, E); zero where `none` is not a candidate."""
    probability = field(trajectory, "probability")
    if "none" not in trajectory.shape.ops:
        return np.zeros(probability.shape[:2])
    return probability[..., trajectory.shape.ops.index("none")]


def none_wins(trajectory: Trajectory) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether none is the op of largest probability after each window, shape (windows, E)."""
    ops = trajectory.shape.ops
    none = ops.index("none") if "none" in ops else -1
    return np.asarray(field(trajectory, "probability").argmax(axis=-1) == none)


def total_credit(trajectory: Trajectory, split: str | None = None) -> Array:
    """Direct and path credit of each window, summed over edges and cells, shape (windows,)."""
    both = field(trajectory, "credit_direct", split) + field(trajectory, "credit_path", split)
    return np.asarray(both.sum(axis=(1, 2)))


def sample_credit(trajectory: Trajectory) -> Array:
    """The own credit of each row of the `samples` table, summed over its edges, shape (rows,)."""
    credit = trajectory.samples["credit"].combine_chunks()
    flat = credit.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(flat.reshape(len(credit), len(trajectory.shape.edges)).sum(axis=1))


def sum_over_cells(values: Array) -> Array:
    """Sum over axis 1 without NaN; NaN where nothing else is there."""
    return np.where(np.isnan(values).all(axis=1), np.nan, np.nansum(values, axis=1))


def mean(values: np.ndarray[Any, Any]) -> float:
    """Mean of all values; NaN without any."""
    return float(values.mean()) if values.size else float("nan")
