"""Write files and folders whole or not at all, and name them by their content."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from wiring.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(path: Path, version: int, fields: tuple[str, ...]) -> dict[str, Any]:
    """Read a `manifest.json`.

    Args:
        path: the file.
        version: the `schema_version` that it must have.
        fields: what it must hold.

    Raises:
        InputError: one sentence says what is wrong, and what would be right.
    """
    try:
        manifest = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # the latter of ten thousand brackets
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(manifest, dict):
        raise InputError(f"{path}: expected a JSON object")
    found = manifest.get("schema_version")
    if found != version:
        raise InputError(f"{path}: schema_version is {found}, expected {version}")
    for name in fields:
        if name not in manifest:
            raise InputError(f"{path}: {name} is missing")
    return manifest


def read_parquet(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Read a Parquet file that may come from elsewhere, and check all of it.

    Arrow trusts a file in places: text need not be UTF-8 there, nor an array as long as it says.

    Args:
        path: the file.
        schema: the columns of a dataset's file: names, types and order. The metadata may differ,
            and there have to be rows.

    Raises:
        InputError: the file is missing, damaged, or has other columns or no rows; one line says
            what.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Not read_table, which makes columns of folders that are called `name=value`.
        with parquet.ParquetFile(path) as file:
            table = file.read()
        table.validate(full=True)
        str(table.schema)  # names and metadata are text too, and decoded only here
    except MemoryError:  # Arrow's own is one too: it says nothing of the file
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a Parquet file as expected: {said}") from None
    if schema is not None and not table.schema.equals(schema):
        for place, (found, wanted) in enumerate(zip_longest(table.schema, schema)):
            if found is None or wanted is None or not found.equals(wanted):
                said = f"column {place + 1} is {_column(found)}, expected {_column(wanted)}"
                raise InputError(f"{path}: columns differ: {said}")
    if schema is not None and not table.num_rows:
        raise InputError(f"{path}: has no rows, expected one at least")
    return table


def _column(field: pa.Field | None) -> str:
    if field is None:
        return "missing"
    return f"{field.name!r} ({field.type}{'' if field.nullable else ', never null'})"


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; what stands there on success replaces `path` in one step.

    The temporary name keeps `path`'s suffix, lies beside it and does not exist yet. After an
    exception (or a kill) `path` is what it was.

    Raises:
        FileNotFoundError: the body wrote nothing.
    """
    temporary = _beside(path)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yield an empty folder; what it holds on success replaces the folder `path` whole.

    After an exception (or a kill) `path` is what it was. A folder cannot replace another in one
    step portably, so the old one steps aside first: a crash between the two renames leaves both
    complete, and the next `atomic_dir(path)` puts the old one back before it begins.

    Raises:
        NotADirectoryError: `path` is a file.
    """
    if path.exists() and not path.is_dir():
        said = "is a file, expected a folder or nothing"
        raise NotADirectoryError(errno.ENOTDIR, said, str(path))
    temporary = _beside(path)
    aside = path.with_name(f".{path.name}.old")
    if aside.exists() and not path.exists():
        aside.rename(path)
    temporary.mkdir()
    try:
        yield temporary
        for folder, _, files in os.walk(temporary):
            for name in files:
                _sync(Path(folder, name))
            _sync(Path(folder))
        if path.exists():
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
        temporary.rename(path)
        _sync(path.parent)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def link_dir(source: Path, target: Path) -> None:
    """Give a folder's files a second place: by hard links, or as copies where there are none.

    Args:
        source: a folder of files only.
        target: the folder to write; replaced whole.
    """
    with atomic_dir(target) as folder:
        for file in source.iterdir():
            try:
                os.link(
                    file.resolve(), folder / file.name
                )  # a symbolic link may point nowhere else
            except OSError:
                shutil.copyfile(file, folder / file.name)


def clear_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` left beside it; nobody may be writing it now."""
    for left in path.parent.glob(f".{'[0-9a-f]' * 32}.{glob.escape(path.name)}"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def _beside(path: Path) -> Path:
    """A name of its own for this writer, on the file system of `path` so that a rename works."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{uuid4().hex}.{path.name}")


def _sync(path: Path) -> None:
    """Have the disk hold what `path`, a file or a folder, holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
