"""The schema of a trajectory, version 5: the one record of what a search did.

A trajectory is a folder with `windows.parquet`, `epochs.parquet`, `samples.parquet` and
`manifest.json`. Arrays are
fixed-size lists of float32 in row-major order; L cells, E edges, O ops, their names in the file's
metadata. Single numbers are float64. -inf and NaN are values like any other; nothing is null.
A *window* is a run of consecutive steps that one row sums up. All statistics accumulate in
float64 on the device. Time stands in the manifest only, so that equal searches give equal bytes.

Units: a *cost* is dL/dZ of the batch-mean loss L (nats); a *credit* is sum_o Z C of an edge. Both
are sums over samples. A sample's *own* cost or credit is its term of that sum, times the batch
size, so that the mean over the batch is the batch's cost. Behind the last cell nothing couples
samples and the own cost is the gradient of the sample's own loss; further up batch norm does.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import pyarrow as pa

from wiring.config import Edge
from wiring.errors import InputError

VERSION = 5
SPLITS = {
    "windows": ("train", "validation"),
    "epochs": ("train", "validation", "test"),
    "samples": ("train", "validation"),
}
"""`train`: what the weights learn from; `validation`: what alpha learns from, bi-level only."""


@dataclass(frozen=True)
class Shape:
    """The axes of a trajectory's arrays: cells L, edge names E, op names O."""

    cells: int
    edges: tuple[Edge, ...]
    ops: tuple[str, ...]

    def lengths(self, axes: str) -> tuple[int, ...]:
        """The lengths of the named axes: `LEO` gives (cells, edges, ops), `` gives ()."""
        size = {"L": self.cells, "E": len(self.edges), "O": len(self.ops)}
        return tuple(size[axis] for axis in axes)


# name -> (axes, meaning). Axes: "" a number, "EO" one value per edge and op, and so on.
WINDOW_FIELDS: dict[str, tuple[str, str]] = {
    "alpha": ("EO", "architecture parameters after the window; -inf where an op is not allowed"),
    "probability": (
        "EO",
        "strength of each op on its edge after the window; softmax(alpha) but for some methods",
    ),
    "edge_weight": (
        "E",
        "weight of each edge among those into its node after the window; 1 but for some methods",
    ),
    "displacement": (
        "",
        "sum of alpha's rates over the steps it has taken by the window's end (under an optimizer "
        "other than Adam: of each step's mean change); 0 while it rests",
    ),
    "count": ("EO", "steps of the window in which the op was evaluated"),
    "cost_mean": ("LEO", "local cost dL/dZ, mean over those steps' samples; NaN where count is 0"),
    "cost_var": ("LEO", "its population variance over those steps, each by its samples"),
    "direct_mean": ("LEO", "the part of cost_mean that comes through the concatenation only"),
    "cost_correct": ("LEO", "mean of the own cost of correctly classified samples"),
    "cost_wrong": ("LEO", "mean of the own cost of wrongly classified samples"),
    "credit_direct": ("LE", "sum_o Z C through the concatenation, mean over the window"),
    "credit_path": ("LE", "sum_o Z C through intermediate edges, mean over the window"),
    "credit_skip": (
        "LE",
        "Z C of skip_connect, and of channels that pass by, on intermediate edges; mean over the "
        "window",
    ),
    "credit_square": (
        "E",
        "square of a step's credit of the edge, that of all cells together; mean over the window",
    ),
    "credit_correct": ("", "credit of a correctly classified sample, all cells and edges; mean"),
    "credit_wrong": ("", "credit of a wrongly classified sample, all cells and edges; mean"),
    "loss": ("", "mean cross entropy of the samples"),
    "entropy": ("", "mean entropy of the predictions"),
    "accuracy": ("", "share of correctly classified samples"),
    "loss_correct": ("", "mean loss of the correctly classified samples"),
    "loss_wrong": ("", "mean loss of the wrongly classified samples"),
    "entropy_correct": ("", "mean entropy of the correctly classified samples"),
    "entropy_wrong": ("", "mean entropy of the wrongly classified samples"),
    "residual_direct": ("", "max over steps of |last cell's direct credit - (loss - entropy)|"),
    "residual_inner": (
        "",
        "max over steps and earlier cells of |its credit less credit_skip|",
    ),
    "residual_total": ("", "max over steps of |all credit less credit_skip - (loss - entropy)|"),
    "skip_weight": ("", "max over steps of the skip weight on intermediate edges"),
}

EPOCH_FIELDS: dict[str, tuple[str, str]] = {
    name: WINDOW_FIELDS[name]
    for name in (
        "loss",
        "entropy",
        "accuracy",
        "loss_correct",
        "loss_wrong",
        "entropy_correct",
        "entropy_wrong",
    )
}

SAMPLE_FIELDS: dict[str, tuple[str, str]] = {
    "loss": ("", "cross entropy of the sample"),
    "entropy": ("", "entropy of its prediction"),
    "credit": ("E", "its own credit: sum_o Z C of its term, all cells"),
}

MANIFEST_FIELDS: dict[str, str] = {
    "wiring_version": "version of this package",
    "schema_version": "version of this schema",
    "search": "the search's id, its folder's name",
    "scale": "name of the scale it belongs to",
    "config": "the search's whole configuration",
    "config_sha256": "SHA-256 of the configuration's canonical JSON",
    "code_sha256": "SHA-256 of the code that results depend on",
    "dataset": "the manifest of the dataset that was used",
    "files": "SHA-256 of each Parquet file",
    "git_commit": "commit of the source tree",
    "git_dirty": "whether the source tree held uncommitted changes",
    "versions": "versions of Python and of the libraries that compute",
    "device": "what computed",
    "threads": "CPU threads",
    "vectors": "vector instructions that the CPU's part was computed with, as torch names them",
    "seconds": "wall time of the search, that of resumed parts included",
    "peak_memory_mb": "peak resident memory",
    "mlflow_run_id": "id of the run that followed the search live; null if there was none",
    "started": "UTC time of the first start, ISO 8601",
    "resumed": "how often the search was taken up from a checkpoint",
    "grown_from": "the most epochs that it was planned for before it was made longer, in order",
}


REQUIRED = ("search", "config", "config_sha256", "dataset")
"""What a reader cannot do without and the writer does not know."""


def _fields(spec: dict[str, tuple[str, str]], shape: Shape) -> list[pa.Field]:
    fields = []
    for name, (axes, meaning) in spec.items():
        kind = pa.list_(pa.float32(), prod(shape.lengths(axes))) if axes else pa.float64()
        fields.append(pa.field(name, kind, False, {"axes": axes, "meaning": meaning}))
    return fields


def _metadata(shape: Shape) -> dict[str, str]:
    return {
        "wiring.version": str(VERSION),
        "wiring.cells": str(shape.cells),
        "wiring.edges": ",".join(map(str, shape.edges)),
        "wiring.ops": ",".join(shape.ops),
    }


def windows_schema(shape: Shape) -> pa.Schema:
    """The `windows` table: one row per window and split."""
    keys = [
        pa.field(
            "step",
            pa.int64(),
            False,
            {"meaning": "batches of the train split done at the window's end"},
        ),
        pa.field("epoch", pa.int32(), False, {"meaning": "epoch of the window, from 0"}),
        pa.field("split", pa.string(), False, {"meaning": "train or validation"}),
        pa.field("steps", pa.int32(), False, {"meaning": "steps of the window"}),
        pa.field("samples", pa.int64(), False, {"meaning": "samples of the window"}),
    ]
    return pa.schema([*keys, *_fields(WINDOW_FIELDS, shape)], _metadata(shape))


def epochs_schema(shape: Shape) -> pa.Schema:
    """The `epochs` table: one row per epoch and split, the supernet evaluated as it stands.

    For `train` and `validation` the samples are those of the epoch's own steps; `test` is evaluated
    after the epoch with the method's evaluation gates.
    """
    keys = [
        pa.field("epoch", pa.int32(), False, {"meaning": "epoch, from 0"}),
        pa.field("split", pa.string(), False, {"meaning": "train, validation or test"}),
        pa.field("samples", pa.int64(), False, {"meaning": "samples evaluated"}),
        pa.field(
            "lr", pa.float64(), False, {"meaning": "the weights' learning rate; 0 while they rest"}
        ),
        pa.field(
            "curvature",
            pa.float64(),
            False,
            {
                "meaning": "largest eigenvalue of the Hessian in alpha of the loss at the mixture "
                "softmax(alpha), on the first batch of the learning split; NaN where not measured"
            },
        ),
        pa.field(
            "genotype", pa.string(), False, {"meaning": "JSON: edge -> op that the method selects"}
        ),
    ]
    return pa.schema([*keys, *_fields(EPOCH_FIELDS, shape)], _metadata(shape))


def samples_schema(shape: Shape) -> pa.Schema:
    """The `samples` table: one row per epoch, split and followed sample.

    After the epoch, the first batch of each split is evaluated with gates drawn from the same
    noise each time; batch norm sees the whole batch, of which `train.followed_samples` are
    recorded. Empty where none are followed.
    """
    keys = [
        pa.field("epoch", pa.int32(), False, {"meaning": "epoch, from 0"}),
        pa.field("split", pa.string(), False, {"meaning": "train or validation"}),
        pa.field("sample", pa.int64(), False, {"meaning": "row in the dataset's train.parquet"}),
        pa.field("label", pa.int64(), False, {"meaning": "the class it is trained on"}),
        pa.field("correct", pa.bool_(), False, {"meaning": "whether it is classified so"}),
    ]
    return pa.schema([*keys, *_fields(SAMPLE_FIELDS, shape)], _metadata(shape))


SCHEMAS = {"windows": windows_schema, "epochs": epochs_schema, "samples": samples_schema}
"""Table -> its schema for a shape; each is a Parquet file of that name."""


def shape_of(schema: pa.Schema) -> Shape:
    """Read the axes back from a table's metadata.

    Raises:
        InputError: the table is not a trajectory of this version.
    """
    meta = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    version = meta.get("wiring.version")
    if version != str(VERSION):
        raise InputError(f"trajectory version {version}, expected {VERSION}")
    return Shape(
        int(meta["wiring.cells"]),
        tuple(Edge.parse(edge) for edge in meta["wiring.edges"].split(",")),
        tuple(meta["wiring.ops"].split(",")),
    )
