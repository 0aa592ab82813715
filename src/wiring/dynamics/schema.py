"""The columns of every table, their types, and what a value of a text looks like."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from wiring.config import OPS
from wiring.dynamics.identity import IDENTITY
from wiring.dynamics.readings import OUTCOMES, READINGS
from wiring.errors import InputError
from wiring.files import read_parquet
from wiring.patterns import STATISTICS
from wiring.trajectory import EPOCH_FIELDS

MEANINGS: dict[str, str] = {
    **IDENTITY,
    **{name: statistic.meaning for name, statistic in STATISTICS.items()},
}
"""Column of the searches table -> its definition, in order."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"
_ANYTHING = r"(?s:.*)"
_TEXTS: dict[str, str] = {
    # These become names of files.
    **dict.fromkeys(("search", "condition", "experiment", "method", "dataset"), _NAME),
    "variant": f"({_NAME})?",
    "level": "single|bi",
    "edge": r"\d+-\d+",
    "edge_class": "input|intermediate",
    "op": "|".join(OPS),
    "split": "train|validation|test",
    "phase": "initial|converged",
    "reading": "|".join(READINGS),
    "output_nodes": r"\d+(,\d+)*",
    **dict.fromkeys(
        ("machine", "mlflow_run_id", "config_sha256", "windows_sha256", "unfinished"), _ANYTHING
    ),
    **{name: _ANYTHING for name, statistic in STATISTICS.items() if statistic.text},
}
"""Column of text -> what a value looks like."""
_FLAGS = ("intervened", "alpha_learns", "free", "correct")
_WHOLE = ("seed", "cells", "nodes", "windows", "edges_free", "step", "sample", "label", "count")


def _type(column: str) -> pa.DataType:
    if column in _TEXTS:
        return pa.large_string()
    if column in _FLAGS:
        return pa.bool_()
    if column in _WHOLE:
        return pa.int64()
    return pa.int32() if column == "epoch" else pa.float64()


def _schema(columns: Iterable[str]) -> pa.Schema:
    return pa.schema([pa.field(column, _type(column)) for column in columns])


_SEARCH = ("search", "condition", "seed")
_WINDOW = (*_SEARCH, "step", "epoch")
TABLES: dict[str, pa.Schema] = {
    "searches": pa.schema(
        [pa.field(name, _type(name), metadata={"meaning": MEANINGS[name]}) for name in MEANINGS]
    ),
    "edges": _schema(
        (*_WINDOW, "edge", "edge_class", "free", "p_none", "credit_direct", "credit_path")
    ),
    "ops": _schema(
        (
            *(*_WINDOW, "edge", "op", "probability"),
            *("cost_mean", "cost_sum", "cost_var", "cost_correct", "cost_wrong"),
        )
    ),
    "statistics": _schema(
        (
            *(*_WINDOW, "split", *EPOCH_FIELDS),
            *(f"loss_minus_entropy{outcome}" for outcome in ("", "_correct", "_wrong")),
            *("credit", "own_correct", "own_wrong"),
            *("residual_direct", "residual_inner", "residual_total", "skip_weight"),
        )
    ),
    "samples": _schema(
        (
            *(*_SEARCH, "epoch", "split", "sample", "label"),
            *("correct", "loss", "entropy", "credit"),
        )
    ),
    "readings": pa.schema(
        [
            *_schema(
                (*_SEARCH, "reading", "step", "epoch", "displacement", "change", "unfinished")
            ),
            *(
                pa.field(name, _type(name), metadata={"meaning": MEANINGS[name]})
                for name in OUTCOMES
            ),
        ]
    ),
    "phases": _schema((*_SEARCH, "phase", "edge", "op", "count", "cost_mean", "cost_std")),
}
"""Table -> its schema; each is a Parquet file of that name."""


def read_table(folder: Path, name: str) -> pa.Table:
    """Read a table that may come from elsewhere: what it names becomes paths and links.

    Args:
        folder: where it lies.
        name: one of :data:`TABLES`.

    Raises:
        InputError: it is missing, or not what `wiring dynamics` writes.
    """
    path, schema = folder / f"{name}.parquet", TABLES[name]
    if not path.is_file():
        raise InputError(
            f"{folder}: {path.name} is missing, expected a folder of `wiring dynamics`"
        )
    table = read_parquet(path)
    if table.column_names != schema.names:
        raise InputError(f"{path}: columns differ, expected {', '.join(schema.names)}")
    for field in schema:
        column = table[field.name]
        # What is undefined is a number.
        missing = column.null_count and not pa.types.is_floating(field.type)
        if column.type != field.type or missing:
            expected = "text" if field.name in _TEXTS else "numbers"
            expected = "truth values" if field.name in _FLAGS else expected
            raise InputError(f"{path}: {field.name} is {column.type}, expected {expected}")
        if field.name in _TEXTS:
            for value in column.unique().to_pylist():
                if not re.fullmatch(_TEXTS[field.name], value):
                    raise InputError(
                        f"{path}: {field.name} is {value!r}, expected {_TEXTS[field.name]}"
                    )
    # pandas would follow its own metadata, which no table of ours has.
    return table.replace_schema_metadata(None)
