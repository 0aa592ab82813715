"""Input from elsewhere: pickles that would act when loaded, and what is said of a damaged file."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Live:
    """Makes the folder `marker` when it is unpickled."""

    marker: Path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)

    def in_parquet(self, column: str) -> Iterator[Callable[[pa.Table], pa.Table]]:
        """Changes to a table that hide the pickle in its metadata.

        Args:
            column: a column of the table.
        """
        for protocol in (0, pickle.HIGHEST_PROTOCOL):
            content = pickle.dumps(self, protocol)
            pickle.loads(content)
            self.marker.rmdir()  # so it would work
            # Up to version 14 Arrow loaded what the first of these names announces.
            for name in (b"arrow.py_extension_type", b"pandas.period", b"arrow.opaque"):
                extension = {b"ARROW:extension:name": name, b"ARROW:extension:metadata": content}

                def extend(table: pa.Table, extension: dict[bytes, bytes] = extension) -> pa.Table:
                    place = table.schema.get_field_index(column)
                    field = table.schema.field(column)
                    metadata = {**(field.metadata or {}), **extension}
                    schema = table.schema.set(place, field.with_metadata(metadata))
                    return pa.Table.from_arrays(table.columns, schema=schema)

                yield extend
            text = content.decode("latin-1")
            kind = {"name": column, "field_name": column, "pandas_type": text, "numpy_type": text}
            pandas = json.dumps(
                {
                    "index_columns": [column],
                    "column_indexes": [{**kind, "name": None, "metadata": {"encoding": text}}],
                    "columns": [{**kind, "metadata": None}],
                    "attributes": {"x": text},
                    "pandas_version": text,
                }
            )

            def describe(table: pa.Table, pandas: str = pandas) -> pa.Table:
                metadata = {**(table.schema.metadata or {}), b"pandas": pandas.encode()}
                return table.replace_schema_metadata(metadata)

            yield describe


def complaint(read: Callable[[Path], object], path: Path) -> str:
    """What a reader says against a path; empty where it has nothing to say."""
    try:
        read(path)
    except ValueError as error:
        return str(error)
    return ""
