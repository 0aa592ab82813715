"""The long tables of one search: edges, ops and statistics over time.

Every table begins with `search`, `condition` and `seed`, and its rows stand in the order of its
keys, edges and ops as alpha has them. Unless a column says otherwise, values are those of the
*learning split*: the batches that alpha learns from.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from wiring.patterns.readings import (
    Array,
    field,
    none_probability,
    sample_credit,
    splits,
    sum_over_cells,
)
from wiring.trajectory import EPOCH_FIELDS, Shape, Trajectory


def edge_table(trajectory: Trajectory) -> pd.DataFrame:
    """One row per window and edge.

    Columns: `step`, `epoch`, `edge`, `edge_class` (input, intermediate), `free` (the search
    decides whether the edge exists), `p_none`, and the credits `credit_direct` and `credit_path`
    in nats, summed over cells.
    """
    split = trajectory.config.learning_split
    edges = trajectory.shape.edges
    windows = len(trajectory.column("step", split))
    return pd.DataFrame(
        {
            **_keys(trajectory, split, len(edges)),
            "edge": np.tile(_names(trajectory.shape), windows),
            "edge_class": np.tile([edge.kind for edge in edges], windows),
            "free": np.tile([trajectory.config.space.free(edge) for edge in edges], windows),
            "p_none": none_probability(trajectory).ravel(),
            "credit_direct": field(trajectory, "credit_direct", split).sum(axis=1).ravel(),
            "credit_path": field(trajectory, "credit_path", split).sum(axis=1).ravel(),
        }
    )


def op_table(trajectory: Trajectory) -> pd.DataFrame:
    """One row per window, edge and op.

    Columns: `step`, `epoch`, `edge`, `op`, `probability`; `cost_mean`, `cost_var`,
    `cost_correct`, `cost_wrong`: means over the cells in which the op was evaluated, NaN where
    it was in none; `cost_sum`: `cost_mean` summed over those cells instead. Nats.
    """
    split = trajectory.config.learning_split
    shape = trajectory.shape
    windows = len(trajectory.column("step", split))
    cost = field(trajectory, "cost_mean", split)
    return pd.DataFrame(
        {
            **_keys(trajectory, split, len(shape.edges) * len(shape.ops)),
            "edge": np.tile(np.repeat(_names(shape), len(shape.ops)), windows),
            "op": np.tile(shape.ops, windows * len(shape.edges)),
            "probability": field(trajectory, "probability", split).ravel(),
            "cost_mean": _mean_over_cells(cost).ravel(),
            "cost_sum": sum_over_cells(cost).ravel(),
            **{
                name: _mean_over_cells(field(trajectory, name, split)).ravel()
                for name in ("cost_var", "cost_correct", "cost_wrong")
            },
        }
    )


def statistics_table(trajectory: Trajectory) -> pd.DataFrame:
    """One row per window for train and search, one per epoch for test.

    Columns: `step`, `epoch`, `split`; `loss`, `entropy`, `accuracy`, `loss_minus_entropy` of all
    samples, and with the endings `_correct` and `_wrong` of those classified so; `credit`, the
    sum of all credit over edges and cells; `own_correct` and `own_wrong`, the mean own credit of
    the samples classified so; `residual_direct`, `residual_inner`, `residual_total`,
    `skip_weight`.
    What is not measured on the test set is NaN there.
    """
    frames = []
    for split in splits(trajectory):
        frame = pd.DataFrame(
            {
                **_keys(trajectory, split, 1),
                "split": split,
                **{name: trajectory.column(name, split) for name in _MEASURED},
                "credit": sum(
                    field(trajectory, f"credit_{way}", split).sum(axis=(1, 2))
                    for way in ("direct", "path")
                ),
                "own_correct": trajectory.column("credit_correct", split),
                "own_wrong": trajectory.column("credit_wrong", split),
                **{name: trajectory.column(name, split) for name in _LAWS},
            }
        )
        frames.append(frame)
    last_step = frames[0].groupby("epoch")["step"].max()
    epochs = trajectory.epochs.select(["epoch", "split", *_MEASURED]).to_pandas()
    test = epochs[epochs["split"] == "test"].sort_values("epoch")
    test.insert(0, "step", test["epoch"].map(last_step).astype("int64"))
    for name, value in reversed(_identity(trajectory).items()):
        test.insert(0, name, value)
    table: pd.DataFrame = pd.concat([*frames, test], ignore_index=True)
    for ending in ("", "_correct", "_wrong"):
        place = list(table.columns).index("credit")
        difference = table[f"loss{ending}"] - table[f"entropy{ending}"]
        table.insert(place, f"loss_minus_entropy{ending}", difference)
    return table


def sample_table(trajectory: Trajectory) -> pd.DataFrame:
    """One row per followed sample, epoch and split; empty where none is followed.

    Columns: `epoch`, `split`, `sample` (row in the dataset's training table), `label`, `correct`,
    `loss`, `entropy`, and `credit`: its own, summed over edges and cells. Nats.
    """
    names = ["epoch", "split", "sample", "label", "correct", "loss", "entropy"]
    table: pd.DataFrame = trajectory.samples.select(names).to_pandas()
    table["credit"] = sample_credit(trajectory)
    for name, value in reversed(_identity(trajectory).items()):
        table.insert(0, name, value)
    return table


def phase_table(trajectory: Trajectory) -> pd.DataFrame:
    """One row per phase of frozen epochs, edge and op; empty where no epoch is frozen.

    Columns: `phase` (initial: before training, converged: after it), `edge`, `op`, `count` of
    steps, `cost_mean` and `cost_std` over these steps, mean over cells (E2). Nats.
    """
    config, shape = trajectory.config, trajectory.shape
    split, train = config.learning_split, config.train
    epochs = trajectory.column("epoch", split)
    phases = {
        "initial": epochs < train.frozen_epochs,
        "converged": epochs >= train.frozen_epochs + train.epochs,
    }
    frames = []
    for phase, chosen in phases.items():
        count = field(trajectory, "count", split)[chosen]
        mean = np.nan_to_num(field(trajectory, "cost_mean", split)[chosen])
        variance = np.nan_to_num(field(trajectory, "cost_var", split)[chosen])
        weight = count[:, None]
        total = count.sum(axis=0)
        with np.errstate(invalid="ignore"):
            pooled = (weight * mean).sum(axis=0) / total
            square = (weight * (variance + mean**2)).sum(axis=0) / total
        spread = np.sqrt(np.maximum(square - pooled**2, 0))
        frame = {
            **_identity(trajectory),
            "phase": phase,
            "edge": np.repeat(_names(shape), len(shape.ops)),
            "op": np.tile(shape.ops, len(shape.edges)),
            "count": total.ravel().astype(np.int64),
            "cost_mean": pooled.mean(axis=0).ravel(),
            "cost_std": spread.mean(axis=0).ravel(),
        }
        frames.append(pd.DataFrame(frame))
    table = pd.concat(frames, ignore_index=True)
    # Cut, not left out: an empty table keeps its columns' types.
    return table if train.frozen_epochs else table.iloc[:0]


_MEASURED = tuple(EPOCH_FIELDS)
_LAWS = ("residual_direct", "residual_inner", "residual_total", "skip_weight")


def _names(shape: Shape) -> list[str]:
    return [str(edge) for edge in shape.edges]


def _identity(trajectory: Trajectory) -> dict[str, Any]:
    config = trajectory.config
    return {"search": config.id, "condition": str(config.condition), "seed": config.seed}


def _keys(trajectory: Trajectory, split: str, repeat: int) -> dict[str, Any]:
    """The columns every table begins with; each window repeated for its edges or ops."""
    return {
        **_identity(trajectory),
        "step": np.repeat(trajectory.column("step", split).astype(np.int64), repeat),
        "epoch": np.repeat(trajectory.column("epoch", split).astype(np.int32), repeat),
    }


def _mean_over_cells(values: Array) -> Array:
    """Mean over axis 1 without NaN; NaN where nothing else is there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=1))
