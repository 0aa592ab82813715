"""The prepared dataset: its files, and how they are read back after a check."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    model_validator,
)
from torch import Tensor

from wiring.data.sources.source import VALUES
from wiring.errors import InputError
from wiring.files import read_manifest, read_parquet, sha256

VERSION = 2
"""Version of the files below; a reader takes no other."""
FILES = ("train.parquet", "test.parquet")
MANIFEST = "manifest.json"


def train_schema(values: int) -> pa.Schema:
    """Columns of `train.parquet`.

    Args:
        values: numbers of an image, channels × height × width.

    Returns:
        image: uint8 pixels in the order channel, row, column; label: the class to train on;
        clean_label: the class before label noise; validation: whether a bi-level search gives the
        sample to alpha; index: the sample's position in its source.
    """
    return pa.schema(
        [
            pa.field("image", pa.binary(values), nullable=False),
            pa.field("label", pa.int64(), nullable=False),
            pa.field("clean_label", pa.int64(), nullable=False),
            pa.field("validation", pa.bool_(), nullable=False),
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
        validation_mask: bool (n,), True where a bi-level search gives the sample to alpha.
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
    validation_mask: Tensor
    test_images: Tensor
    test_labels: Tensor
    manifest: dict[str, Any]


_Length = Annotated[int, Field(ge=1, le=2**16)]


class _Content(BaseModel):
    """What a manifest says that decides how its files are read."""

    model_config = ConfigDict(allow_inf_nan=False)

    shape: tuple[_Length, _Length, _Length]
    classes: _Length
    mean: tuple[float, ...]
    std: tuple[PositiveFloat, ...]
    files: dict[str, str]

    @model_validator(mode="after")
    def _bounded(self) -> _Content:
        if prod(self.shape) > VALUES:
            raise ValueError(f"shape: {prod(self.shape)} values, expected at most {VALUES}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.shape[0]:
                raise ValueError(
                    f"{name}: {len(values)} values, expected {self.shape[0]}, one a channel"
                )
        return self


def load(path: Path) -> Dataset:
    """Read and verify a prepared dataset.

    Args:
        path: a folder that :func:`wiring.data.prepare` wrote.

    Raises:
        InputError: a file is missing, of another version, or not what the manifest says.
    """
    try:
        fields = ("shape", "classes", "mean", "std", "files")
        manifest = read_manifest(path / MANIFEST, VERSION, fields)
    except ValueError as error:
        raise InputError(f"{error}: prepare the dataset again") from None
    try:
        content = _Content.model_validate(manifest)
    except ValidationError as error:
        raise InputError.from_validation(str(path / MANIFEST), error) from None
    shape = content.shape
    train, test = (
        _table(path / name, manifest, schema(prod(shape)))
        for name, schema in zip(FILES, (train_schema, test_schema), strict=True)
    )
    for name, table, column in (
        (FILES[0], train, "label"),
        (FILES[0], train, "clean_label"),
        (FILES[1], test, "label"),
    ):
        _check_labels(path / name, table, column, content.classes)
    return Dataset(
        name=path.resolve().name,
        classes=content.classes,
        mean=content.mean,
        std=content.std,
        train_images=_images(train, shape),
        train_labels=_column(train, "label"),
        train_clean_labels=_column(train, "clean_label"),
        validation_mask=_column(train, "validation"),
        test_images=_images(test, shape),
        test_labels=_column(test, "label"),
        manifest=manifest,
    )


def _table(path: Path, manifest: dict[str, Any], schema: pa.Schema) -> pa.Table:
    if not path.is_file():
        raise InputError(f"{path}: missing, expected beside {MANIFEST}")
    found, stated = sha256(path), manifest["files"].get(path.name)
    if found != stated:
        raise InputError(f"{path}: SHA-256 is {found}, expected {stated} as in {MANIFEST}")
    return read_parquet(path, schema)


def _check_labels(path: Path, table: pa.Table, column: str, classes: int) -> None:
    labels = table[column].to_numpy()
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise InputError(
            f"{path}: row {wrong[0]}: {column} is {labels[wrong[0]]}, expected 0 to {classes - 1} "
            f"as {MANIFEST} has {classes} classes"
        )
    if column == "clean_label" and len(found := np.unique(labels)) < classes:
        raise InputError(
            f"{path}: has samples of {len(found)} classes, expected {classes} as in {MANIFEST}"
        )


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
