"""One search in one row: its keys and the numbers that the claims are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from wiring.dynamics.genotype import cell_shape, uniform_shape
from wiring.dynamics.tables import (
    Array,
    none_probability,
    sample_table,
    splits,
    sum_over_cells,
)
from wiring.trajectory import Trajectory

MEANINGS: dict[str, str] = {
    "search": "id of the search",
    "condition": "the id without its seed",
    "experiment": "experiment of the scale file",
    "method": "search method",
    "level": "single: weights and alpha learn on the same batches; bi: on separate splits",
    "dataset": "dataset of the scale file",
    "variant": "variant of the experiment, empty if it has none",
    "seed": "seed of the search",
    "cells": "number of cells L",
    "nodes": "number of intermediate nodes N of a cell",
    "output_nodes": "nodes concatenated to the cell's output, comma-separated",
    "intervened": "edges are deleted or fixed, ops forbidden, or nodes kept from the output",
    "alpha_learns": "alpha's learning rate is above 0",
    "windows": "recorded windows of the learning split (bi: search, single: train)",
    "edges_free": "free edges: those that may take none or another op",
    "edges_selected": "free edges on which none is not the op of largest probability at the end",
    "dropped_share": "share of the free edges on which none is the op of largest probability at "
    "the end",
    "none_input_final": "P(none) after the last window, mean over the free input edges",
    "none_input_peak": "largest value over the windows of P(none) averaged over the free input "
    "edges",
    "none_input_mean": "P(none), mean over the windows and the free input edges",
    "none_intermediate_final": "P(none) after the last window, mean over the free intermediate "
    "edges",
    "none_intermediate_peak": "largest value over the windows of P(none) averaged over the free "
    "intermediate edges",
    "none_intermediate_mean": "P(none), mean over the windows and the free intermediate edges",
    "width_gap": "none_intermediate_mean - none_input_mean: how much more the search avoids "
    "intermediate edges than input edges, over its whole course",
    "none_rise": "an edge's largest P(none) less its uniform start 1/(number of ops), mean over "
    "the free edges",
    "none_return": "an edge's largest P(none) less its last, mean over the free edges",
    "growth": "smaller of an edge's rise and return (0 if negative), mean over the free edges: "
    "above 0 where P(none) rose first and fell again",
    "edges_dropped": "free edges on which none was the op of largest probability in some window",
    "edges_returned": "those of them on which it is not after the last window",
    "drop_order": "edges by the window in which none first became the op of largest probability",
    "return_order": "returned edges by the window from which none never was it again",
    "depth": "connections along the longest path from an input to the output of the final cell, "
    "in which each edge takes its op of largest probability (Shu et al. 2020)",
    "width": "sum over its intermediate nodes of the share of their incoming edges that come from "
    "an input of the cell, in units of C (Shu et al. 2020)",
    "depth_null": "mean depth of uniformly sampled cells with as many selected edges",
    "width_null": "mean width of uniformly sampled cells with as many selected edges",
    "depth_uniform": "mean depth of uniformly sampled cells",
    "width_uniform": "mean width of uniformly sampled cells",
    "wider": "(width - width_null) - (depth - depth_null): above 0 where the cell is wider than "
    "deeper, compared with chance; undefined if the cell connects no input with the output",
    "cost_gap": "cost of an op, summed over cells, mean over ops but none and over windows: on "
    "intermediate edges less that on input edges; windows of the learning split, only the frozen "
    "ones after training if there are any",
    "positive_share": "share of the learning split's windows with mean(loss - entropy) > 0",
    "sign_correct": "share of the windows (train and search) in which the own cost of correctly "
    "classified samples, summed over edges and cells, is below 0",
    "sign_wrong": "share of the windows (train and search) in which the own cost of wrongly "
    "classified samples, summed over edges and cells, is above 0",
    "sample_correct": "share of the followed samples, over epochs and splits, that are classified "
    "correctly and have a credit below 0, of those classified correctly",
    "sample_wrong": "share of the followed samples, over epochs and splits, that are classified "
    "wrongly and have a credit above 0, of those classified wrongly",
    "cost_follows_accuracy": "Spearman's rank correlation, over the learning split's windows, of "
    "accuracy with the negative of the credit summed over edges and cells",
    "residual_direct": "largest |direct credit of the last cell - (loss - entropy)| over windows, "
    "nats",
    "residual_path": "largest |path credit summed over the edges into one node of one cell| over "
    "the windows without skip weight on intermediate edges, nats",
    "residual_inner": "largest |credit of a cell before the last| over the windows without skip "
    "weight on intermediate edges, nats",
    "residual_total": "largest |all credit - (loss - entropy)| over the windows without skip "
    "weight on intermediate edges, nats",
    "lawful_share": "share of the windows without skip weight on intermediate edges",
    "train_accuracy": "accuracy on the training batches of the last window",
    "test_accuracy": "accuracy on the test set after the last epoch",
    "seconds": "wall time of the search",
    "machine": "what computed the search: the GPU's name or cpu, its threads and vector "
    "instructions, torch's version",
    "mlflow_run_id": "MLflow run that followed the search live; empty if there was none",
    "config_sha256": "SHA-256 of the search's canonical config",
    "steps_sha256": "SHA-256 of steps.parquet",
}
"""Column -> definition, in the order of `searches.parquet`."""


def summarise(trajectory: Trajectory) -> dict[str, Any]:
    """Sum up one search; :data:`MEANINGS` defines each value. What does not exist is NaN."""
    config = trajectory.config
    space = config.space
    split = config.learning_split
    outputs = space.outputs
    test = trajectory.epochs.to_pandas().query("split == 'test'").sort_values("epoch")["accuracy"]
    difference = trajectory.column("loss", split) - trajectory.column("entropy", split)
    row: dict[str, Any] = {
        "search": config.id,
        "condition": str(config.condition),
        "experiment": config.experiment,
        "method": config.method,
        "level": config.level,
        "dataset": config.dataset,
        "variant": config.variant or "",
        "seed": config.seed,
        "cells": space.cells,
        "nodes": space.nodes,
        "output_nodes": ",".join(map(str, outputs)),
        "intervened": bool(
            space.delete_edges or space.fix_edges or space.forbid_ops or space.output_nodes
        ),
        "alpha_learns": config.alpha.lr > 0,
        "windows": len(difference),
        "positive_share": float(np.mean(difference > 0)),
        "train_accuracy": float(trajectory.column("accuracy", "train")[-1]),
        "test_accuracy": float(test.iloc[-1]) if len(test) else float("nan"),
        "seconds": float(trajectory.manifest.get("seconds", "nan")),
        "machine": _machine(trajectory.manifest),
        "mlflow_run_id": trajectory.manifest.get("mlflow_run_id") or "",
        "config_sha256": config.digest,
        "steps_sha256": trajectory.manifest["files"]["steps.parquet"],
        **_outcome(trajectory),
        "cost_gap": _cost_gap(trajectory),
        **_mechanism(trajectory),
        **_followed(trajectory),
        **_laws(trajectory),
    }
    return {name: row[name] for name in MEANINGS}


def _machine(manifest: Mapping[str, Any]) -> str:
    """What decides on the last digits of a search."""
    threads = manifest.get("threads", "?")
    torch = manifest.get("versions", {}).get("torch", "?")
    vectors = manifest.get("vectors", "?")
    return f"{manifest.get('device', '?')}, {threads} thread(s), {vectors}, torch {torch}"


def _outcome(trajectory: Trajectory) -> dict[str, Any]:
    """What alpha made of the wiring; undefined where it does not learn."""
    row = {**_wiring(trajectory), **_genotype(trajectory)}
    if trajectory.config.alpha.lr == 0:
        kept = row["edges_free"]
        row = {name: "" if isinstance(v, str) else float("nan") for name, v in row.items()}
        row["edges_free"] = kept
    return row


def _wiring(trajectory: Trajectory) -> dict[str, Any]:
    """What became of the free edges."""
    config, shape = trajectory.config, trajectory.shape
    chosen = [index for index, edge in enumerate(shape.edges) if config.space.free(edge)]
    edges = [shape.edges[index] for index in chosen]
    none = none_probability(trajectory)[:, chosen]
    probability = np.asarray(trajectory.array("probability", config.learning_split))
    wins = probability[:, chosen].argmax(axis=-1) == (
        shape.ops.index("none") if "none" in shape.ops else -1
    )
    row: dict[str, Any] = {"edges_free": len(edges), "edges_selected": int((~wins[-1]).sum())}
    row["dropped_share"] = float(wins[-1].mean()) if edges else float("nan")
    for kind in ("input", "intermediate"):
        members = [edge.kind == kind for edge in edges]
        course = none[:, members].mean(axis=1) if any(members) else np.full(len(none), np.nan)
        row[f"none_{kind}_final"] = float(course[-1])
        row[f"none_{kind}_peak"] = float(course.max())
        row[f"none_{kind}_mean"] = float(course.mean())
    row["width_gap"] = row["none_intermediate_mean"] - row["none_input_mean"]

    start = np.array([1 / len(config.space.choices(edge)) for edge in edges])
    rise, back = none.max(axis=0) - start, none.max(axis=0) - none[-1]
    growth = np.maximum(np.minimum(rise, back), 0)
    for name, values in (("none_rise", rise), ("none_return", back), ("growth", growth)):
        row[name] = float(values.mean()) if edges else float("nan")

    dropped = [place for place in range(len(edges)) if wins[:, place].any()]
    returned = [place for place in dropped if not wins[-1, place]]
    first = {place: int(wins[:, place].argmax()) for place in dropped}
    last = {place: int(np.flatnonzero(wins[:, place])[-1]) for place in returned}
    row["edges_dropped"], row["edges_returned"] = len(dropped), len(returned)
    row["drop_order"] = ",".join(
        str(edges[place]) for place in sorted(first, key=first.__getitem__)
    )
    row["return_order"] = ",".join(
        str(edges[place]) for place in sorted(last, key=last.__getitem__)
    )
    return row


def _genotype(trajectory: Trajectory) -> dict[str, float]:
    """Shape of the final cell, beside that of cells by chance."""
    config, shape = trajectory.config, trajectory.shape
    last = np.asarray(trajectory.array("probability", config.learning_split)[-1])
    chosen = {
        edge: shape.ops[column]
        for edge, column in zip(shape.edges, last.argmax(axis=-1), strict=True)
    }
    selected = [edge for edge, op in chosen.items() if op != "none"]
    found = cell_shape(selected, config.space.outputs)
    alike = uniform_shape(config.space, sum(config.space.free(edge) for edge in selected))
    chance = uniform_shape(config.space)
    return {
        "depth": found.depth,
        "width": found.width,
        "depth_null": alike.depth,
        "width_null": alike.width,
        "depth_uniform": chance.depth,
        "width_uniform": chance.width,
        "wider": (found.width - alike.width) - (found.depth - alike.depth)
        if found.depth
        else float("nan"),
    }


def _cost_gap(trajectory: Trajectory) -> float:
    """How much more an op costs on an intermediate edge than on an input edge."""
    config, shape = trajectory.config, trajectory.shape
    split = config.learning_split
    cost = np.array(trajectory.array("cost_mean", split), dtype=np.float64)
    if config.train.frozen_epochs:
        after = config.train.frozen_epochs + config.train.epochs
        cost = cost[trajectory.column("epoch", split) >= after]
    cost = sum_over_cells(cost)[..., [op != "none" for op in shape.ops]]
    kinds = np.array([edge.kind for edge in shape.edges])
    means = []
    for kind in ("intermediate", "input"):
        values = cost[:, kinds == kind]
        values = values[~np.isnan(values)]
        means.append(values.mean() if values.size else np.nan)
    return float(means[0] - means[1])


def _followed(trajectory: Trajectory) -> dict[str, float]:
    """The sign of the credit of single samples, by outcome."""
    table = sample_table(trajectory)
    row = {}
    for kind, right, sign in (("correct", True, -1), ("wrong", False, 1)):
        credit = table.loc[table["correct"] == right, "credit"]
        row[f"sample_{kind}"] = float((sign * credit > 0).mean()) if len(credit) else float("nan")
    return row


def _mechanism(trajectory: Trajectory) -> dict[str, float]:
    """The sign of the cost by outcome, and its course with accuracy."""
    row = {}
    for kind, sign in (("correct", -1), ("wrong", 1)):
        own = np.concatenate(
            [trajectory.column(f"credit_{kind}", split) for split in splits(trajectory)]
        )
        own = own[~np.isnan(own)]
        row[f"sign_{kind}"] = float(np.mean(sign * own > 0)) if own.size else float("nan")
    split = trajectory.config.learning_split
    accuracy = trajectory.column("accuracy", split)
    credit = _total_credit(trajectory, split).sum(axis=(1, 2))
    # A rank correlation needs three windows and two distinct values on either side.
    defined = len(credit) > 2 and np.ptp(credit) > 0 and np.ptp(accuracy) > 0
    rho = stats.spearmanr(accuracy, -credit).statistic if defined else float("nan")
    row["cost_follows_accuracy"] = float(rho)
    return row


def _laws(trajectory: Trajectory) -> dict[str, float]:
    """How exactly the three facts hold, over every split."""
    targets = [edge.target for edge in trajectory.shape.edges]
    direct: list[float] = []
    lawful: list[bool] = []
    largest: dict[str, list[float]] = {"path": [], "inner": [], "total": []}
    for split in splits(trajectory):
        direct.extend(trajectory.column("residual_direct", split))
        holds = trajectory.column("skip_weight", split) == 0
        lawful.extend(holds)
        path = np.asarray(trajectory.array("credit_path", split), dtype=np.float64)
        for node in sorted(set(targets)):
            into = path[..., [target == node for target in targets]].sum(axis=-1)
            largest["path"].extend(np.abs(into[holds]).max(axis=1))
        # One cell has none before it.
        for law in ("inner", "total") if trajectory.shape.cells > 1 else ("total",):
            largest[law].extend(trajectory.column(f"residual_{law}", split)[holds])
    return {
        "residual_direct": float(np.max(direct)),
        **{
            f"residual_{law}": float(np.max(values)) if values else float("nan")
            for law, values in largest.items()
        },
        "lawful_share": float(np.mean(lawful)),
    }


def _total_credit(trajectory: Trajectory, split: str) -> Array:
    """Direct and path credit, shape (windows, L, E)."""
    return np.asarray(
        trajectory.array("credit_direct", split).astype(np.float64)
        + trajectory.array("credit_path", split)
    )
