"""Turn trajectories into tables, one after the other: memory is that of one, whatever their number.

Each table is written in groups of rows as they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from wiring.config import ReadingsConfig
from wiring.dynamics.identity import identify
from wiring.dynamics.readings import readings
from wiring.dynamics.schema import TABLES
from wiring.dynamics.tables import (
    edge_table,
    op_table,
    phase_table,
    sample_table,
    statistics_table,
)
from wiring.errors import InputError
from wiring.files import atomic_dir, read_manifest
from wiring.patterns import measured
from wiring.trajectory import VERSION, Trajectory

GROUP = 2**16
"""Rows after which a group is written: few enough to hold, enough to compress."""

_LONG: dict[str, Callable[[Trajectory], pd.DataFrame]] = {
    "edges": edge_table,
    "ops": op_table,
    "statistics": statistics_table,
    "samples": sample_table,
    "phases": phase_table,
}


def tables_of(trajectory: Trajectory, config: ReadingsConfig) -> Iterator[tuple[str, pa.Table]]:
    """The rows that one search adds to each table of :data:`TABLES`, by the table's name."""
    found = measured(trajectory)
    row = {**identify(trajectory), **found}
    yield "searches", pa.Table.from_pylist([row], TABLES["searches"])
    read = list(readings(trajectory, config, found))
    yield "readings", pa.Table.from_pylist(read, TABLES["readings"])
    for name, table in _LONG.items():
        yield name, pa.Table.from_pandas(table(trajectory), TABLES[name], preserve_index=False)


def build(trajectories: list[Path], out: Path, config: ReadingsConfig | None = None) -> None:
    """Turn trajectories into the tables that :class:`wiring.dynamics.Dynamics` reads (Parquet).

    Args:
        trajectories: folders of single searches, in any order.
        out: the folder to write; replaced whole.
        config: when the outcomes are read; the published displacements when absent.

    Raises:
        InputError: a trajectory cannot be read, none is given, or two are of one search.
    """
    named = [(_id(path), path) for path in trajectories]
    check_ids([name for name, _ in named])
    with atomic_dir(out) as folder, ExitStack() as stack:
        writers = {
            name: stack.enter_context(_RowGroups(folder / f"{name}.parquet", schema))
            for name, schema in TABLES.items()
        }
        for _, path in sorted(named):
            for name, table in tables_of(Trajectory.read(path), config or ReadingsConfig()):
                writers[name].add(table)


def check_ids(ids: Sequence[str]) -> None:
    """Refuse what gives no tables.

    Raises:
        InputError: there is no search, or one of them twice.
    """
    if not ids:
        raise InputError("dynamics: no trajectory was given, expected at least one")
    for name, count in Counter(ids).items():
        if count > 1:
            raise InputError(f"dynamics: search {name} is given twice, expected once")


def _id(path: Path) -> str:
    """The search's id, before the trajectory itself is read and checked."""
    return str(read_manifest(path / "manifest.json", VERSION, ("search",))["search"])


class _RowGroups(AbstractContextManager["_RowGroups"]):
    """A Parquet file, written a group of rows at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[pa.Table] = []

    def add(self, table: pa.Table) -> None:
        """Add rows; they may be written later."""
        self._held.append(table)
        if sum(map(len, self._held)) >= GROUP:
            self._write()

    def __exit__(self, *_: object) -> None:
        self._write()
        self._writer.close()

    def _write(self) -> None:
        if any(map(len, self._held)):
            self._writer.write_table(pa.concat_tables(self._held))
        self._held.clear()
