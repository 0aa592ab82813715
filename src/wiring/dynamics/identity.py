"""What a search is and where it comes from: the searches table's columns beside the patterns'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wiring.config import SearchConfig
from wiring.trajectory import Trajectory

IDENTITY: dict[str, str] = {
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
    "displacement": "alpha's displacement at the end: the sum of its rates over its steps",
    "windows": "recorded windows of the learning split (bi: search, single: train)",
    "edges_free": "free edges: those that may take none or another op",
    "train_accuracy": "accuracy on the training batches of the last window",
    "test_accuracy": "accuracy on the test set after the last epoch",
    "seconds": "wall time of the search",
    "machine": "what computed the search: the GPU's name or cpu, its threads and vector "
    "instructions, torch's version",
    "mlflow_run_id": "MLflow run that followed the search live; empty if there was none",
    "config_sha256": "SHA-256 of the search's canonical config",
    "windows_sha256": "SHA-256 of windows.parquet",
}
"""Column -> definition, in the order of `searches.parquet`."""


def designed(config: SearchConfig) -> dict[str, Any]:
    """The columns of :data:`IDENTITY` that a search's config decides, before it has run."""
    space = config.space
    return {
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
        "output_nodes": ",".join(map(str, space.outputs)),
        "intervened": bool(
            space.delete_edges or space.fix_edges or space.forbid_ops or space.output_nodes
        ),
        "alpha_learns": config.alpha.lr > 0,
        "edges_free": sum(map(space.free, space.edges)),
        "config_sha256": config.digest,
    }


def identify(trajectory: Trajectory) -> dict[str, Any]:
    """The value of each column of :data:`IDENTITY`; what does not exist is NaN."""
    config, manifest = trajectory.config, trajectory.manifest
    test = trajectory.column("accuracy", "test", "epochs")
    return {
        **designed(config),
        "displacement": float(trajectory.column("displacement", config.learning_split)[-1]),
        "windows": len(trajectory.column("step", config.learning_split)),
        "train_accuracy": float(trajectory.column("accuracy", "train")[-1]),
        "test_accuracy": float(test[-1]) if len(test) else float("nan"),
        "seconds": float(manifest.get("seconds", "nan")),
        "machine": _machine(manifest),
        "mlflow_run_id": manifest.get("mlflow_run_id") or "",
        "windows_sha256": manifest["files"]["windows.parquet"],
    }


def _machine(manifest: Mapping[str, Any]) -> str:
    """What decides on the last digits of a search."""
    threads = manifest.get("threads", "?")
    torch = manifest.get("versions", {}).get("torch", "?")
    vectors = manifest.get("vectors", "?")
    return f"{manifest.get('device', '?')}, {threads} thread(s), {vectors}, torch {torch}"
