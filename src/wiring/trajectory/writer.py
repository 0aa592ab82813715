"""Collect a search's rows and write them as one trajectory, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wiring import __version__
from wiring.files import atomic_dir, sha256
from wiring.trajectory.schema import REQUIRED, SCHEMAS, SPLITS, VERSION, Shape


class TrajectoryWriter:
    """Holds the rows of a search until :meth:`close` writes them.

    Rows are kept in memory (a few MB a search), so that a checkpoint can carry all of them and a
    resumed search writes the very same file.

    Args:
        path: the folder that :meth:`close` creates or replaces.
        shape: the axes of the arrays.
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        self._path = path
        self._tables = {name: _Table(name, make(shape), shape) for name, make in SCHEMAS.items()}

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Add one row.

        Args:
            table: `windows`, `epochs` or `samples`.
            row: a value for each field: numbers and strings for the single values, arrays in the
                shape of the field's axes (or flat, row-major).

        Raises:
            ValueError: a field is missing, unknown, or of another shape or type.
        """
        self._tables[table].append(row)

    def state_dict(self) -> dict[str, Any]:
        """All rows so far, in containers that `torch.load(weights_only=True)` accepts."""
        return {name: table.state() for name, table in self._tables.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the rows by those of :meth:`state_dict`.

        Raises:
            ValueError: the state is that of another schema or shape.
        """
        for name, table in self._tables.items():
            table.load(state[name])

    def close(self, manifest: Mapping[str, Any], path: Path | None = None) -> None:
        """Write all tables and the manifest; the versions and files' SHA-256 are filled in.

        Equal rows give equal bytes of all tables.

        Args:
            manifest: the other fields of :data:`wiring.trajectory.schema.MANIFEST_FIELDS`.
            path: another folder than the writer's own.

        Raises:
            ValueError: the manifest lacks a field that a reader needs.
        """
        path = path or self._path
        missing = [name for name in REQUIRED if name not in manifest]
        if missing:
            raise ValueError(f"{path}: manifest: missing {', '.join(missing)}")
        with atomic_dir(path) as folder:
            files = {}
            for name, table in self._tables.items():
                file = folder / f"{name}.parquet"
                # Measured on a search: dictionaries cost 25% more space, byte streams 11%.
                pq.write_table(table.arrow(), file, compression="zstd", use_dictionary=False)
                files[file.name] = sha256(file)
            whole = {
                **manifest,
                "wiring_version": __version__,
                "schema_version": VERSION,
                "files": files,
            }
            text = json.dumps(whole, indent=2, sort_keys=True, allow_nan=False)
            (folder / "manifest.json").write_text(text + "\n")


class _Table:
    """The rows of one table, by column."""

    def __init__(self, name: str, schema: pa.Schema, shape: Shape) -> None:
        self._name = name
        self._schema = schema
        self._lengths = {
            field.name: shape.lengths(field.metadata.get(b"axes", b"").decode()) for field in schema
        }
        self._columns: dict[str, list[Any]] = {field.name: [] for field in schema}

    def append(self, row: Mapping[str, Any]) -> None:
        if missing := [name for name in self._columns if name not in row]:
            raise ValueError(f"{self._name} row: missing {', '.join(missing)}")
        if surplus := [name for name in row if name not in self._columns]:
            raise ValueError(f"{self._name} row: unknown {', '.join(surplus)}")
        # All values first: a faulty row must not leave half of itself behind.
        values = {field.name: self._value(field, row[field.name]) for field in self._schema}
        for name, value in values.items():
            self._columns[name].append(value)

    def _value(self, field: pa.Field, value: Any) -> Any:
        where = f"{self._name} row: {field.name}"
        lengths = self._lengths[field.name]
        if lengths:
            array = np.array(value, dtype=np.float32)
            size = int(np.prod(lengths))
            if array.shape not in (lengths, (size,)):
                raise ValueError(f"{where}: shape {array.shape}, expected {lengths} or ({size},)")
            return array.reshape(size)
        if pa.types.is_string(field.type):
            if not isinstance(value, str):
                raise ValueError(f"{where}: {value!r}, expected a string")
            if field.name == "split" and value not in SPLITS[self._name]:
                known = " or ".join(SPLITS[self._name])
                raise ValueError(f"{where}: {value!r}, expected {known}")
            return value
        if pa.types.is_boolean(field.type):
            if not isinstance(value, bool):
                raise ValueError(f"{where}: {value!r}, expected true or false")
            return value
        kind = float if pa.types.is_floating(field.type) else int
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        if number is None or (kind is int and number != value):
            expected = "a number" if kind is float else "an integer"
            raise ValueError(f"{where}: {value!r}, expected {expected}")
        return number

    def state(self) -> dict[str, Any]:
        import torch  # here alone: whoever only reads trajectories does without it

        state: dict[str, Any] = {}
        for field in self._schema:
            column = self._columns[field.name]
            if pa.types.is_string(field.type):
                state[field.name] = list(column)
            elif self._lengths[field.name]:
                size = field.type.list_size
                state[field.name] = torch.from_numpy(
                    np.array(column, np.float32).reshape(len(column), size)
                )
            else:
                kinds = {pa.bool_(): torch.bool, pa.float64(): torch.float64}
                kind = kinds.get(field.type, torch.int64)
                state[field.name] = torch.tensor(column, dtype=kind)
        return state

    def load(self, state: Mapping[str, Any]) -> None:
        if list(state) != list(self._columns):
            raise ValueError(
                f"{self._name} state: fields {', '.join(state)}, "
                f"expected {', '.join(self._columns)}"
            )
        columns: dict[str, list[Any]] = {}
        for field in self._schema:
            stored = state[field.name]
            if self._lengths[field.name]:
                if stored.shape[1] != field.type.list_size:
                    raise ValueError(
                        f"{self._name} state: {field.name} has {stored.shape[1]} values a row, "
                        f"expected {field.type.list_size}"
                    )
                columns[field.name] = list(stored.numpy())
            else:
                columns[field.name] = stored if isinstance(stored, list) else stored.tolist()
        self._columns = {name: list(column) for name, column in columns.items()}

    def arrow(self) -> pa.Table:
        arrays = []
        for field in self._schema:
            column = self._columns[field.name]
            if self._lengths[field.name]:
                flat = np.concatenate(column) if column else np.empty(0, np.float32)
                array = pa.FixedSizeListArray.from_arrays(pa.array(flat), field.type.list_size)
            else:
                array = pa.array(column, field.type)
            arrays.append(array)
        return pa.Table.from_arrays(arrays, schema=self._schema)
