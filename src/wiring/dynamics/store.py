"""Write the tables of many searches, and read them back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from wiring.config import OPS
from wiring.dynamics.summary import MEANINGS, summarise
from wiring.dynamics.tables import (
    edge_table,
    op_table,
    phase_table,
    sample_table,
    statistics_table,
)
from wiring.errors import InputError
from wiring.files import atomic_dir
from wiring.trajectory import EPOCH_FIELDS, Trajectory

HEADLINES = (
    "none_input_final",
    "none_intermediate_final",
    "edges_selected",
    "growth",
    "width_gap",
    "wider",
    "positive_share",
    "test_accuracy",
)
"""The summaries that a condition's metrics file shows, averaged over its seeds."""

_WINDOW = ("search", "condition", "seed", "step", "epoch")
TABLES: dict[str, tuple[str, ...]] = {
    "searches": tuple(MEANINGS),
    "edges": (*_WINDOW, "edge", "edge_class", "free", "p_none", "credit_direct", "credit_path"),
    "ops": (
        *_WINDOW,
        *("edge", "op", "probability"),
        *("cost_mean", "cost_sum", "cost_var", "cost_correct", "cost_wrong"),
    ),
    "statistics": (
        *(*_WINDOW, "split", *EPOCH_FIELDS),
        *(f"loss_minus_entropy{outcome}" for outcome in ("", "_correct", "_wrong")),
        *("credit", "own_correct", "own_wrong"),
        *("residual_direct", "residual_inner", "residual_total", "skip_weight"),
    ),
    "samples": (
        *("search", "condition", "seed", "epoch", "split", "sample", "label"),
        *("correct", "loss", "entropy", "credit"),
    ),
    "phases": (
        *("search", "condition", "seed", "phase", "edge", "op"),
        *("count", "cost_mean", "cost_std"),
    ),
}
"""Table -> its columns."""

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
    "split": "train|search|test",
    "phase": "initial|converged",
    "output_nodes": r"\d+(,\d+)*",
    **dict.fromkeys(("drop_order", "return_order", "machine"), _ANYTHING),
    **dict.fromkeys(("mlflow_run_id", "config_sha256", "steps_sha256"), _ANYTHING),
}
"""Column of text -> what a value looks like."""
_FLAGS = ("intervened", "alpha_learns", "free", "correct")


@dataclass(frozen=True)
class Dynamics:
    """The tables of a scale.

    Attributes:
        searches: one row a search; columns as :data:`wiring.dynamics.MEANINGS` defines them.
        edges: see :func:`wiring.dynamics.edge_table`.
        ops: see :func:`wiring.dynamics.op_table`.
        statistics: see :func:`wiring.dynamics.statistics_table`.
        samples: see :func:`wiring.dynamics.sample_table`.
        phases: see :func:`wiring.dynamics.phase_table`.
    """

    searches: pd.DataFrame
    edges: pd.DataFrame
    ops: pd.DataFrame
    statistics: pd.DataFrame
    samples: pd.DataFrame
    phases: pd.DataFrame

    @classmethod
    def of(cls, trajectories: list[Trajectory]) -> Dynamics:
        """Compute the tables, searches in the order of their ids.

        Raises:
            InputError: no trajectory is given, or two are of the same search.
        """
        if not trajectories:
            raise InputError("dynamics: no trajectory was given, expected at least one")
        ordered = sorted(trajectories, key=lambda trajectory: trajectory.config.id)
        ids = [trajectory.config.id for trajectory in ordered]
        for first, second in pairwise(ids):
            if first == second:
                raise InputError(f"dynamics: search {first} is given twice, expected once")

        def stack(table: Callable[[Trajectory], pd.DataFrame]) -> pd.DataFrame:
            frames = [table(trajectory) for trajectory in ordered]
            # Empty ones have no say in the columns' types.
            return pd.concat([f for f in frames if len(f)] or frames[:1], ignore_index=True)

        return cls(
            pd.DataFrame([summarise(trajectory) for trajectory in ordered]),
            *map(stack, (edge_table, op_table, statistics_table, sample_table, phase_table)),
        )

    @classmethod
    def read(cls, path: Path) -> Dynamics:
        """Read the folder that :func:`build` wrote.

        Raises:
            InputError: a table is missing, or not what :func:`build` writes.
        """
        for name in TABLES:
            if not (path / f"{name}.parquet").is_file():
                raise InputError(
                    f"{path}: {name}.parquet is missing, expected a folder of `wiring dynamics`"
                )
        return cls(*(_read(path / f"{name}.parquet", TABLES[name]) for name in TABLES))

    def condition(self, condition: str) -> Dynamics:
        """The tables of one condition, that is of its seeds.

        Raises:
            InputError: no search belongs to it.
        """
        known = self.searches["condition"].unique()
        if condition not in known:
            raise InputError(
                f"unknown condition {condition!r}, expected one of {', '.join(sorted(known))}"
            )
        return Dynamics(
            *(
                table[table["condition"] == condition].reset_index(drop=True)
                for table in (getattr(self, name) for name in TABLES)
            )
        )

    def last_edges(self) -> pd.DataFrame:
        """The rows of `edges` at each search's last window."""
        last = self.edges.groupby("search")["step"].transform("max")
        return self.edges[self.edges["step"] == last]

    def metrics(self) -> dict[str, dict[str, float | None]]:
        """Per condition its headline summaries: mean over seeds, to six digits; None: undefined."""
        means = self.searches.groupby("condition")[list(HEADLINES)].mean()
        return {
            str(condition): {
                str(name): None if math.isnan(value) else float(f"{value:.6g}")
                for name, value in row.items()
            }
            for condition, row in means.iterrows()
        }


def build(trajectories: list[Path], out: Path) -> None:
    """Turn trajectories into the tables of :class:`Dynamics` (Parquet).

    Args:
        trajectories: folders of single searches, in any order.
        out: the folder to write; replaced whole.

    Raises:
        InputError: a trajectory cannot be read, none is given, or two are of one search.
    """
    dynamics = Dynamics.of([Trajectory.read(path) for path in trajectories])
    with atomic_dir(out) as folder:
        for name in TABLES:
            table = pa.Table.from_pandas(getattr(dynamics, name), preserve_index=False)
            fields = [
                field.with_metadata({"meaning": MEANINGS[field.name]})
                if name == "searches"
                else field
                for field in table.schema
            ]
            # Without pandas' own metadata, which holds the versions of libraries.
            schema = pa.schema(fields)
            pq.write_table(table.cast(schema), folder / f"{name}.parquet", compression="zstd")


def write_metrics(dynamics: Dynamics, out: Path) -> None:
    """Write the headline summaries, a file a condition: `dvc metrics show` prints a row for each.

    Args:
        dynamics: the tables.
        out: the folder to write; replaced whole.
    """
    with atomic_dir(out) as folder:
        for condition, metrics in dynamics.metrics().items():
            text = json.dumps(metrics, indent=2, allow_nan=False)
            (folder / f"{condition}.json").write_text(text + "\n")


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table that may come from elsewhere: what it names becomes paths and links."""
    try:
        table = pq.read_table(path)
        table.validate(full=True)  # text need not be UTF-8, nor lengths be true
    except (pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path}: not a Parquet file as expected: {said}") from None
    if tuple(table.column_names) != columns:
        raise InputError(f"{path}: columns differ, expected {', '.join(columns)}")
    for name in columns:
        column = table[name]
        if name in _TEXTS:
            fits, expected = pa.types.is_large_string(column.type), "text"
        elif name in _FLAGS:
            fits, expected = pa.types.is_boolean(column.type), "truth values"
        else:
            fits = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
            expected = "numbers"
        # What is undefined is a number.
        if not fits or (column.null_count and not pa.types.is_floating(column.type)):
            raise InputError(f"{path}: {name} is {column.type}, expected {expected}")
        for value in column.unique().to_pylist() if name in _TEXTS else ():
            if not re.fullmatch(_TEXTS[name], value):
                raise InputError(f"{path}: {name} is {value!r}, expected {_TEXTS[name]}")
    # pandas would follow its own metadata, which no table of ours has.
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas()
    return frame
