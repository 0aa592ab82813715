"""Read a trajectory back, after checking that it is what its manifest says."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from wiring.config import OPS, SearchConfig
from wiring.config.model import Name
from wiring.errors import InputError
from wiring.files import read_manifest, read_parquet, sha256
from wiring.trajectory.schema import REQUIRED, SCHEMAS, SPLITS, VERSION, Shape, shape_of

TableName = Literal["windows", "epochs", "samples"]


class _Stated(BaseModel):
    """What a manifest may say of where and how long a search ran, which the tables take over."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    seconds: float = 0.0
    versions: dict[str, str] = {}
    threads: int = 1
    device: str = ""
    vectors: str = ""
    mlflow_run_id: str | None = None
    git_commit: str | None = None


@dataclass(frozen=True)
class Trajectory:
    """What one search did.

    Attributes:
        path: the folder it was read from.
        config: the search's configuration.
        manifest: `manifest.json`.
        shape: the axes of the arrays.
        windows: the `windows` table, in the order the rows were written.
        epochs: the `epochs` table, likewise.
        samples: the `samples` table, likewise.
    """

    path: Path
    config: SearchConfig
    manifest: dict[str, Any]
    shape: Shape
    windows: pa.Table
    epochs: pa.Table
    samples: pa.Table

    @classmethod
    def read(cls, path: Path) -> Trajectory:
        """Read and verify a trajectory.

        Args:
            path: a folder that :meth:`TrajectoryWriter.close` wrote.

        Raises:
            InputError: a file is missing, of another version, or not what the manifest says.
        """
        source = path / "manifest.json"
        manifest = read_manifest(source, VERSION, (*REQUIRED, "files"))
        config = _config(source, manifest)
        _check_names(source, manifest)
        tables = {}
        for name in SCHEMAS:
            file = path / f"{name}.parquet"
            if not file.is_file():
                raise InputError(f"{file}: missing, expected beside {source.name}")
            found, stated = sha256(file), manifest["files"].get(file.name)
            if found != stated:
                raise InputError(f"{file}: SHA-256 is {found}, expected {stated} as in {source}")
            tables[name] = read_parquet(file)
        try:
            shape = shape_of(tables["windows"].schema)
        except (LookupError, ValueError) as error:
            raise InputError(f"{path / 'windows.parquet'}: not of a trajectory: {error}") from None
        expected = Shape(config.space.cells, config.space.edges, config.space.ops)
        if shape != expected:
            raise InputError(f"{path / 'windows.parquet'}: axes are {shape}, expected {expected}")
        for name, make in SCHEMAS.items():
            if not tables[name].schema.equals(make(shape)):
                raise InputError(
                    f"{path / name}.parquet: columns differ from those of schema version {VERSION}"
                )
        _check_rows(path, config, tables)
        return cls(path, config, manifest, shape, **tables)

    def up_to(self, step: int) -> Trajectory:
        """What would have been recorded had the search ended at the window that ends at a step.

        An epoch is there if all its windows are; so are its samples.

        Args:
            step: the end of a window.
        """
        windows = self.windows.filter(pc.less_equal(self.windows["step"], step))
        later = self.windows["epoch"].filter(pc.greater(self.windows["step"], step))
        if not len(later):
            return self
        first = pc.min(later)
        epochs, samples = (
            table.filter(pc.less(table["epoch"], first)) for table in (self.epochs, self.samples)
        )
        return replace(self, windows=windows, epochs=epochs, samples=samples)

    def _table(self, name: TableName) -> pa.Table:
        return {"windows": self.windows, "epochs": self.epochs, "samples": self.samples}[name]

    def column(
        self, name: str, split: str = "train", table: TableName = "windows"
    ) -> npt.NDArray[Any]:
        """One field of the rows of a split, in order.

        Args:
            name: a field of the table.
            split: `train`, `validation` or `test`.
            table: `windows`, `epochs` or `samples`.

        Returns:
            (rows,) for single values, (rows, values) for arrays.

        Raises:
            KeyError: the table has no such field.
        """
        data = self._table(table)
        # The column alone: filtering the whole table costs as much as all its columns.
        column = data[name].filter(pc.equal(data["split"], split)).combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            return np.asarray(flat).reshape(-1, column.type.list_size)
        return np.asarray(column.to_numpy(zero_copy_only=False))

    def array(
        self, name: str, split: str = "train", table: TableName = "windows"
    ) -> npt.NDArray[Any]:
        """As :meth:`column`, with the field's axes: (rows, L, E, O), (rows, E, O) and so on."""
        values = self.column(name, split, table)
        data = self._table(table)
        axes = (data.schema.field(name).metadata or {}).get(b"axes", b"").decode()
        return values.reshape(len(values), *self.shape.lengths(axes))


def _check_names(source: Path, manifest: dict[str, Any]) -> None:
    """What a manifest from elsewhere names becomes paths, of MLflow's artifacts for one."""
    expected = {f"{name}.parquet" for name in SCHEMAS}
    files = manifest["files"]
    if not isinstance(files, dict) or set(files) != expected:
        raise InputError(f"{source}: files must name {', '.join(sorted(expected))} and no other")
    try:
        TypeAdapter(Name).validate_python(manifest.get("scale", "none"))
    except ValidationError:
        raise InputError(
            f"{source}: scale is {manifest['scale']!r}, expected a name of letters, digits, _ . -"
        ) from None
    if not isinstance(manifest["dataset"], dict):
        raise InputError(f"{source}: dataset must be the dataset's manifest")
    try:
        # Of the text: half a character, which JSON can escape, is none in a table.
        _Stated.model_validate_json(json.dumps(manifest))
    except ValidationError as error:
        raise InputError.from_validation(str(source), error) from None


def _check_rows(path: Path, config: SearchConfig, tables: dict[str, pa.Table]) -> None:
    """What the tables say of one another: windows that grow, and epochs that have windows.

    A search that was given up in the middle of an epoch has windows of it and no more.
    """

    def wrong(name: str, said: str) -> InputError:
        return InputError(f"{path / name}.parquet: {said}")

    for name, table in tables.items():
        for field in table.schema:
            # What is no array may not be null by the schema already.
            array = pa.types.is_fixed_size_list(field.type)
            if array and pc.list_flatten(table[field.name]).null_count:
                raise wrong(name, f"{field.name} has a null in it, expected numbers")
        for key in ("steps", "samples"):
            least = pc.min(table[key]).as_py() if key in table.column_names and len(table) else 1
            if least < 1:
                raise wrong(name, f"{key} is {least}, expected 1 or more")
        known = [s for s in SPLITS[name] if s != "validation" or config.level == "bi"]
        for split in table["split"].unique().to_pylist():
            if split not in known:
                raise wrong(name, f"split is {split!r}, expected one of {', '.join(known)}")
    rows = {
        (name, split): [
            part[key].to_numpy() for key in ("epoch", "step") if key in table.column_names
        ]
        for name, table in tables.items()
        for split in SPLITS[name]
        for part in [table.filter(pc.equal(table["split"], split))]
    }
    epoch, step = rows["windows", "train"]
    if (np.diff(step) <= 0).any() or (np.diff(epoch) < 0).any() or (epoch < 0).any():
        raise wrong("windows", "windows stand out of order, expected growing steps and epochs")
    if config.level == "bi":
        ours, theirs = (np.array(rows["windows", split]) for split in SPLITS["windows"])
        count = theirs.shape[1]
        if count < len(step) - 1 or not np.array_equal(ours[:, :count], theirs):
            raise wrong("windows", "the windows of validation are others than those of train")
    measured = np.unique(epoch)
    for split in SPLITS["epochs"]:
        (found,) = rows["epochs", split]
        if len(found) > len(np.unique(found)):
            raise wrong("epochs", f"an epoch stands twice for {split}, expected once")
        if (split == "test" or len(found)) and not (
            len(found) >= len(measured) - 1
            and np.array_equal(np.sort(found), measured[: len(found)])
        ):
            said = f"has {len(found)} epochs of {split}, but windows.parquet has {len(measured)}"
            raise wrong("epochs", f"{said}, expected the same")
    for split in SPLITS["samples"]:
        (found,) = rows["samples", split]
        if not np.isin(found, measured).all():
            raise wrong("samples", f"has epochs of {split} that windows.parquet has not")
    for text in tables["epochs"]["genotype"].unique().to_pylist():
        if not _is_genotype(text, config):
            raise wrong("epochs", f"genotype is {text!r}, expected JSON, edge to op")


def _is_genotype(text: str, config: SearchConfig) -> bool:
    try:
        genotype = json.loads(text)
    except (ValueError, RecursionError):
        return False
    edges = set(map(str, config.space.edges))
    return isinstance(genotype, dict) and all(
        edge in edges and op in OPS for edge, op in genotype.items()
    )


def _config(source: Path, manifest: dict[str, Any]) -> SearchConfig:
    try:
        config = SearchConfig.model_validate_json(json.dumps(manifest["config"]))
    except ValidationError as error:
        raise InputError.from_validation(str(source), error, prefix=("config",)) from None
    for name, value in (("config_sha256", config.digest), ("search", config.id)):
        if manifest[name] != value:
            raise InputError(
                f"{source}: {name} is {manifest[name]}, expected {value} as config says"
            )
    return config
