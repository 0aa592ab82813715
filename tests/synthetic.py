"""Searches made by formula: what the dynamics, claims and figures are tested on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from wiring.config import Edge, ReadingsConfig, SearchConfig
from wiring.trajectory import Shape, Trajectory, TrajectoryWriter

Course = Callable[[Edge, float], float]


def grows(edge: Edge, time: float) -> float:
    """P(none) rises on every edge; input edges come back, intermediate ones do not."""
    peak = 0.125 + 0.7 * min(1.0, time / 0.3)
    if edge.kind == "intermediate":
        return peak
    back = 0.35 + 0.08 * edge.target
    return peak if time < back else max(0.03, peak - 2.5 * (time - back))


def fails(edge: Edge, time: float) -> float:  # noqa: ARG001
    """`none` wins everywhere."""
    return 0.125 + 0.8 * time


def stays(edge: Edge, time: float) -> float:  # noqa: ARG001
    """Nothing happens: P(none) falls a little from the first window on, on every edge."""
    return 0.12 - 0.05 * time


def deepens(edge: Edge, time: float) -> float:
    """The inputs' edges into all nodes but the first vanish: a chain is left."""
    vanishes = edge.kind == "input" and edge.target > 2
    return 0.125 + 0.8 * time if vanishes else 0.12 - 0.05 * time


def config(**changes: Any) -> SearchConfig:
    base: dict[str, Any] = {
        "experiment": "E1",
        "dataset": "digits",
        "method": "dsnas",
        "level": "single",
        "seed": 0,
        "space": {"cells": 2, "nodes": 2, "channels": 4},
        "train": {"epochs": 20},
    }
    return SearchConfig.model_validate({**base, **changes})


def write_search(
    root: Path,
    search: SearchConfig,
    none: Course = grows,
    *,
    loss: Callable[[float], float] = lambda time: 2.3 - 2.1 * time,
    entropy: Callable[[float], float] = lambda time: 1.9 - 1.6 * time,
    right_sign: bool = True,
    residual: float = 1e-6,
    skip: Callable[[float], float] = lambda time: 0.0,  # noqa: ARG005
    noise: float = 0.0,
    inner: float = 0.0,
    tail: int = 0,
    displacement: float | None = None,
) -> Path:
    """Write a trajectory of one window per epoch and return its folder.

    Nothing changes in its last `tail` windows. Alpha's `displacement` grows evenly, to the
    published one if none is given.

    Each op's cost is its edge's share of loss - entropy plus an offset per op that sums to zero,
    so every sum is known. Correct samples have cost -1 / (L E) an op (plus the offset), wrong
    ones +1 / (L E), or the reverse; so has each followed sample. `inner` is what an op on an
    intermediate edge costs beyond an input edge's.
    """
    shape = Shape(search.space.cells, search.space.edges, search.space.ops)
    edges, ops = len(shape.edges), len(shape.ops)
    if displacement is None:
        displacement = ReadingsConfig().displacement(search.level) if search.alpha.lr else 0.0
    inside = np.array([edge.kind == "intermediate" for edge in shape.edges])
    offset = 0.05 * (np.arange(ops) - (ops - 1) / 2) / ops
    folder = root / search.id
    writer = TrajectoryWriter(folder, shape)
    epochs = search.train.all_epochs
    for epoch in range(epochs):
        time = min(1.0, epoch / (epochs - 1 - tail))
        generator = np.random.default_rng([search.seed, min(epoch, epochs - 1 - tail)])
        probability = np.empty((edges, ops))
        for row, edge in enumerate(shape.edges):
            wanted = none(edge, time) + noise * generator.normal()
            preference = 1 + (0.5 + 4 * time) * (np.arange(ops - 1) == (row + 3) % (ops - 1))
            rest = preference / preference.sum()
            probability[row, 0] = np.clip(wanted, 0.001, 0.999)
            probability[row, 1:] = (1 - probability[row, 0]) * rest
        accuracy = 0.1 + 0.85 * time
        for split in ("train", "validation") if search.level == "bi" else ("train",):
            gap = loss(time) - entropy(time) + (0.3 if split == "validation" else 0.0)
            share = np.zeros((shape.cells, edges))
            share[-1] = gap / edges + inner * (inside - inside.mean())
            cost = np.repeat(share[:, :, None], ops, axis=2) + offset
            cost[..., 0] = 0.0
            one = (1 if right_sign else -1) / (shape.cells * edges)
            scalars = {
                "loss": loss(time),
                "entropy": loss(time) - gap,
                "accuracy": accuracy,
                "loss_correct": 0.5 - 0.4 * time,
                "loss_wrong": 2.5,
                "entropy_correct": 1.0 - 0.5 * time,
                "entropy_wrong": 2.0 - time,
            }
            writer.add(
                "windows",
                {
                    "step": (epoch + 1) * 10,
                    "epoch": epoch,
                    "split": split,
                    "steps": 10,
                    "samples": 960,
                    "alpha": np.log(probability),
                    "probability": probability,
                    "edge_weight": np.ones(edges),
                    "displacement": displacement * (epoch + 1) / epochs,
                    "count": np.full((edges, ops), 10.0),
                    "cost_mean": cost,
                    "cost_var": np.full(cost.shape, 0.01),
                    "direct_mean": cost,
                    "cost_correct": np.full(cost.shape, -one),
                    "cost_wrong": np.full(cost.shape, one),
                    "credit_direct": share,
                    "credit_path": np.zeros_like(share),
                    "credit_skip": np.zeros_like(share),
                    "credit_square": share.sum(0) ** 2 + 0.01,
                    "credit_correct": -one * shape.cells * edges,
                    "credit_wrong": one * shape.cells * edges,
                    **scalars,
                    "residual_direct": residual,
                    "residual_inner": residual,
                    "residual_total": residual,
                    "skip_weight": skip(time),
                },
            )
            writer.add("epochs", _epoch(epoch, split, shape, scalars))
            for sample in range(search.train.followed_samples):
                correct = sample < accuracy * search.train.followed_samples
                writer.add(
                    "samples",
                    {
                        "epoch": epoch,
                        "split": split,
                        "sample": sample,
                        "label": sample % 10,
                        "correct": correct,
                        "loss": 0.5 if correct else 2.5,
                        "entropy": 1.0,
                        "credit": np.full(edges, (-one if correct else one) * shape.cells),
                    },
                )
        test = {**scalars, "loss": scalars["loss"] + 0.1, "accuracy": accuracy - 0.05}
        writer.add("epochs", _epoch(epoch, "test", shape, test))
    writer.close(
        {
            "search": search.id,
            "scale": "test",
            "started": "2021-04-13T12:00:00+00:00",
            "config": json.loads(search.canonical),
            "config_sha256": search.digest,
            "dataset": {"name": search.dataset, "files": {}},
            "seconds": 12.5,
            "device": "cpu",
            "threads": 2,
            "vectors": "AVX2",
            "versions": {"torch": "2.0"},
            "mlflow_run_id": search.digest[:32],
        }
    )
    return folder


def altered(trajectory: Trajectory, **arrays: np.ndarray) -> Trajectory:
    """The same trajectory with some fields of its steps replaced (shape (rows, ...))."""
    steps = trajectory.windows
    for name, values in arrays.items():
        place = steps.schema.get_field_index(name)
        field = steps.schema.field(name)
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(values.astype(np.float32).ravel())
            column = pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)
        else:
            column = pa.array(values, field.type)
        steps = steps.set_column(place, field, column)
    return replace(trajectory, windows=steps)


def _epoch(epoch: int, split: str, shape: Shape, scalars: dict[str, float]) -> dict[str, Any]:
    genotype = json.dumps(dict.fromkeys(map(str, shape.edges), "none"))
    row = {"epoch": epoch, "split": split, "samples": 960, "lr": 0.025, "genotype": genotype}
    row["curvature"] = 0.5 * (epoch + 1) if split == "train" else float("nan")
    return {**row, **scalars}
