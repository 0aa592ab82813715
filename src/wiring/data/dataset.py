"""The prepared dataset: its files, and how they are read back after a check."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import BaseModel, PositiveFloat, PositiveInt, ValidationError
from torch import Tensor

from wiring.errors import InputError
from wiring.files import read_manifest, sha256

VERSION = 1
"""Version of the files below; a reader takes no other."""
FILES = ("train.parquet", "test.parquet")
MANIFEST = "manifest.json"


class DataError(InputError):
    """A dataset or its source is at fault: one sentence says what, and what would be right."""


def train_schema(values: int) -> pa.Schema:
    """Columns of `train.parquet`.

    Args:
        values: numbers of an image, channels × height × width.

    Returns:
        image: uint8 pixels in the order channel, row, column; label: the class to train on;
        clean_label: the class before label noise; search: whether a bi-level search gives the
        sample to alpha; index: the sample's position in its source.
    """
    return pa.schema(
        [
            pa.field("image", pa.binary(values), nullable=False),
            pa.field("label", pa.int64(), nullable=False),
            pa.field("clean_label", pa.int64(), nullable=False),
            pa.field("search", pa.bool_(), nullable=False),
            pa.field("index", pa.int64(), nullable=False),
        ]
    )


def test_schema(values: int) -> pa.Schema:
    """Columns of `test.parquet`: those of :func:`train_schema` that a test sample has."""
    train = train_schema(values)
    return pa.schema([train.field(name) for name in ("image", "label", "index")])


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset in memory; n training and m test samples.

    Attributes:
        name: the folder's name, which is the dataset's name in a scale file.
        classes: number of classes.
        mean: per channel, of the training pixels in [0, 1].
        std: per channel, likewise (of the population, not an estimate).
        train_images: uint8 (n, channels, height, width).
        train_labels: int64 (n,), after label noise.
        train_clean_labels: int64 (n,), before label noise.
        search_mask: bool (n,), True where a bi-level search gives the sample to alpha.
        test_images: uint8 (m, channels, height, width).
        test_labels: int64 (m,).
        manifest: `manifest.json`.
    """

    name: str
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train_images: Tensor
    train_labels: Tensor
    train_clean_labels: Tensor
    search_mask: Tensor
    test_images: Tensor
    test_labels: Tensor
    manifest: dict[str, Any]


class _Content(BaseModel):
    """What a manifest says that decides how its files are read."""

    shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    classes: PositiveInt
    mean: tuple[float, ...]
    std: tuple[PositiveFloat, ...]
    files: dict[str, str]


def load(path: Path) -> Dataset:
    """Read and verify a prepared dataset.

    Args:
        path: a folder that :func:`wiring.data.prepare` wrote.

    Raises:
        DataError: a file is missing, of another version, or not what the manifest says.
    """
    try:
        fields = ("shape", "classes", "mean", "std", "files")
        manifest = read_manifest(path / MANIFEST, VERSION, fields)
    except ValueError as error:
        raise DataError(f"{error}: prepare the dataset again") from None
    try:
        content = _Content.model_validate(manifest)
    except ValidationError as error:
        raise DataError(str(InputError.from_validation(str(path / MANIFEST), error))) from None
    shape = content.shape
    train, test = (
        _table(path / name, manifest, schema(prod(shape)))
        for name, schema in zip(FILES, (train_schema, test_schema), strict=True)
    )
    return Dataset(
        name=path.resolve().name,
        classes=content.classes,
        mean=content.mean,
        std=content.std,
        train_images=_images(train, shape),
        train_labels=_column(train, "label"),
        train_clean_labels=_column(train, "clean_label"),
        search_mask=_column(train, "search"),
        test_images=_images(test, shape),
        test_labels=_column(test, "label"),
        manifest=manifest,
    )


def _table(path: Path, manifest: dict[str, Any], schema: pa.Schema) -> pa.Table:
    if not path.is_file():
        raise DataError(f"{path}: missing, expected beside {MANIFEST}")
    found, stated = sha256(path), manifest["files"].get(path.name)
    if found != stated:
        raise DataError(f"{path}: SHA-256 is {found}, expected {stated} as in {MANIFEST}")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file: {error}") from None
    if not table.schema.equals(schema):
        raise DataError(f"{path}: columns differ from those of schema version {VERSION}")
    return table


def _column(table: pa.Table, name: str) -> Tensor:
    # A copy: Arrow's memory is read-only, a tensor's must not be.
    return torch.from_numpy(np.array(table[name].to_numpy()))


def _images(table: pa.Table, shape: tuple[int, ...]) -> Tensor:
    column = table["image"].combine_chunks()
    count, values = len(column), prod(shape)
    pixels = np.frombuffer(
        column.buffers()[1], np.uint8, count * values, offset=column.offset * values
    )
    return torch.from_numpy(pixels.reshape(count, *shape).copy())
