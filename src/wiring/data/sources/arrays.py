"""Images and labels in one file: NumPy's `.npz`, Parquet or Arrow."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wiring.data.sources.source import VALUES, Content, Facts, Samples, Source
from wiring.errors import InputError
from wiring.files import read_parquet, sha256

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

LIMIT = 16 * 2**30
"""Bytes of all arrays together."""


class Arrays(Source):
    """A file of images, uint8 (N, H, W) or (N, H, W, C), and labels, (N,).

    In an `.npz` file they are called `images` and `labels`, and those of a test set, if there is
    one, `test_images` and `test_labels`. In a Parquet (`.parquet`) or Arrow (`.arrow`, `.feather`)
    file `image` and `label` are columns: an image is nested lists, a tensor, or a PNG or JPEG
    picture as bytes; a column `split` says `train` or `test`. A label is a whole number or a text.
    """

    takes: ClassVar[Literal["must", "may", "no"]] = "must"
    tested: ClassVar[bool | None] = None

    def facts(self) -> Facts:
        """The labels are read, and of the images what their size takes."""
        from wiring.data.sources.labels import classes_of

        if self._file.suffix == ".npz":
            with _Npz(self._file) as file:
                classes = classes_of(file.array("labels"), f"{self._file}: labels")
                shape = file.shape("images")
                samples = shape[0]
                held_out = file.shape("test_images")[0] if "test_images" in file.names else 0
                size = _chw(shape[1:], f"{self._file}: images")
        else:
            train, test = _Table(self._file).parts()
            classes = classes_of(_labels(train, self._file), f"{self._file}: label")
            size = _decoded(train.slice(0, 1), self._file).shape[1:]
            samples, held_out = len(train), len(test)
        return Facts(samples, len(classes), held_out, size)

    def read(self, cache: Path) -> Content:  # noqa: ARG002
        """Both sets, or the one there is."""
        from wiring.data.sources.labels import classes_of, numbered

        path = self._file
        if path.suffix == ".npz":
            with _Npz(path) as file:
                parts = [
                    (file.array(f"{part}labels"), file.images(f"{part}images"))
                    for part in ("", "test_")
                    if f"{part}images" in file.names or not part
                ]
            names = ("labels", "test_labels")
        else:
            tables = [table for table in _Table(path).parts() if len(table)]
            parts = [(_labels(table, path), _decoded(table, path)) for table in tables]
            names = ("label", "label")
        for (labels, images), name in zip(parts, names, strict=False):
            if labels.shape != (len(images),):
                raise InputError(
                    f"{path}: {name} has the shape {labels.shape}, expected ({len(images)},), one "
                    "an image"
                )
            if images.shape[1:] != parts[0][1].shape[1:]:
                raise InputError(
                    f"{path}: test images are {images.shape[1:]}, expected "
                    f"{parts[0][1].shape[1:]} as the training images"
                )
        classes = classes_of(parts[0][0], f"{path}: {names[0]}")
        sets = [
            Samples(images, numbered(labels, classes, f"{path}: {name}"))
            for (labels, images), name in zip(parts, names, strict=False)
        ]
        origin = {"file_sha256": sha256(path)}
        test = sets[1] if len(sets) > 1 else None
        return Content(sets[0], test, tuple(map(str, classes.tolist())), origin)

    @property
    def _file(self) -> Path:
        assert self.path is not None  # the config requires it
        if not self.path.is_file():
            raise InputError(f"{self.path}: no such file, expected images and labels")
        if self.path.suffix not in {".npz", ".parquet", ".arrow", ".feather"}:
            raise InputError(f"{self.path}: expected .npz, .parquet, .arrow or .feather")
        return self.path


def _chw(shape: tuple[int, ...], where: str) -> tuple[int, int, int]:
    """Channels, height and width of an image that is (H, W) or (H, W, C)."""
    if len(shape) not in {2, 3} or 0 in shape:
        raise InputError(f"{where}: an image is {shape}, expected (height, width[, channels])")
    height, width, channels = (*shape, 1)[:3]
    if height * width * channels > VALUES:
        raise InputError(f"{where}: an image is {shape}, expected at most {VALUES} values")
    if height <= 4 < width == channels:  # a few rows, and as many channels as columns?
        raise InputError(
            f"{where}: an image is {shape}, channels first as it seems, expected (height, width"
            "[, channels])"
        )
    return channels, height, width


def _channels_first(images: npt.NDArray[Any], where: str) -> npt.NDArray[np.uint8]:
    import numpy as np

    if images.dtype != np.uint8:
        raise InputError(f"{where}: images are {images.dtype}, expected uint8, 0 to 255")
    size = _chw(images.shape[1:], where)
    return np.ascontiguousarray(images.reshape(-1, *size[1:], size[0]).transpose(0, 3, 1, 2))


class _Npz:
    """An `.npz` file, its arrays bounded before they are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: not an .npz file: {_said(error)}") from None
        self.names = {name.removesuffix(".npy") for name in self._zip.namelist()}
        self._size = sum(info.file_size for info in self._zip.infolist())

    def __enter__(self) -> _Npz:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _head(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        from numpy.lib import format as npy

        if name not in self.names:
            known = ", ".join(sorted(self.names))
            raise InputError(f"{self.path}: has no array {name}, found {known}")
        if self._size > LIMIT:
            raise InputError(f"{self.path}: {self._size} bytes, expected at most {LIMIT}")
        try:
            with self._zip.open(f"{name}.npy") as file:
                version = npy.read_magic(file)
                read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read(file)
                if dtype.kind == "O":
                    raise ValueError("it holds Python objects")
                if not shape:
                    raise ValueError("it is a single value")
                held = self._zip.getinfo(f"{name}.npy").file_size
                if prod(shape) * dtype.itemsize > held:
                    raise ValueError(f"{shape} of {dtype} do not fit its {held} bytes")
        except Exception as error:  # a foreign file can raise anything
            raise InputError(f"{self.path}: {name}: not an array: {_said(error)}") from None
        return shape, dtype

    def shape(self, name: str) -> tuple[int, ...]:
        """Of an array, from its head alone."""
        return self._head(name)[0]

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array, whole."""
        from numpy.lib import format as npy

        self._head(name)
        try:
            with self._zip.open(f"{name}.npy") as file:
                found: npt.NDArray[Any] = npy.read_array(file, allow_pickle=False)
        except Exception as error:  # a foreign file can raise anything
            raise InputError(f"{self.path}: {name}: damaged: {_said(error)}") from None
        return found

    def images(self, name: str) -> npt.NDArray[np.uint8]:
        """An array of images, channels first."""
        return _channels_first(self.array(name), f"{self.path}: {name}")


class _Table:
    """A Parquet or Arrow file with the columns `image`, `label` and perhaps `split`."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        if path.suffix == ".parquet":
            table = read_parquet(path)
        else:
            try:
                with pa.OSFile(str(path)) as file:
                    # The format of files begins so; that of streams is written into files, too.
                    form = pa.ipc.open_file if file.read(6) == b"ARROW1" else pa.ipc.open_stream
                    file.seek(0)
                    table = form(file).read_all()
                table.validate(full=True)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise InputError(f"{path}: not an Arrow file: {_said(error)}") from None
        for name in ("image", "label", "split"):
            count = table.column_names.count(name)
            if count > 1:
                raise InputError(f"{path}: has {count} columns {name}, expected one")
            if not count and name != "split":
                found = ", ".join(table.column_names)
                raise InputError(f"{path}: has no column {name}, found {found}")
        columns = [name for name in ("image", "label", "split") if name in table.column_names]
        table = pa.table({name: _plain(table[name]) for name in columns})
        for name in ("image", "label"):
            nulls = table[name].is_null().to_numpy()
            if nulls.any():
                raise InputError(f"{path}: row {nulls.argmax()}: {name} is missing")
        self.path, self.table = path, table

    def parts(self) -> tuple[pa.Table, pa.Table]:
        """The training samples and the test samples, of which there may be none."""
        import numpy as np
        import pyarrow as pa

        rows = pa.array(np.arange(len(self.table)))
        table = self.table.select(["image", "label"]).append_column("row", rows)
        if "split" not in self.table.column_names and len(table):
            return table, table.slice(0, 0)
        split = np.array(self.table["split"].to_pylist() if len(table) else [], object)
        wrong = np.flatnonzero((split != "train") & (split != "test"))
        if len(wrong):
            raise InputError(
                f"{self.path}: row {wrong[0]}: split is {split[wrong[0]]!r}, expected train or test"
            )
        if not (split == "train").any():
            raise InputError(f"{self.path}: has no training sample")
        return table.filter(pa.array(split == "train")), table.filter(pa.array(split == "test"))


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as it is, but of records their `bytes`, and no view, which Arrow cannot filter."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return column.cast(views[column.type]) if column.type in views else column


def _labels(table: pa.Table, path: Path) -> npt.NDArray[Any]:
    import numpy as np
    import pyarrow as pa

    column = table["label"].combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), np.str_)
    raise InputError(f"{path}: label is {column.type}, expected whole numbers or texts")


def _decoded(table: pa.Table, path: Path) -> npt.NDArray[np.uint8]:
    """The images of a table, channels first."""
    import numpy as np
    import pyarrow as pa

    column, rows = table["image"].combine_chunks(), table["row"].to_numpy()
    if isinstance(column.type, pa.FixedShapeTensorType):
        _whole(column.storage.flatten(), path, rows, prod(column.type.shape))
        return _channels_first(column.to_numpy_ndarray(), f"{path}: image")
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        from wiring.data.sources.pictures import pixels, shape_of

        places = [f"{path}: row {row}: image" for row in rows]
        raw = column.to_pylist()
        shape = shape_of(raw[0], places[0])
        return np.stack(
            [pixels(value, where, shape) for value, where in zip(raw, places, strict=True)]
        )
    return _channels_first(_nested(column, path, rows), f"{path}: image")


def _nested(column: pa.Array, path: Path, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Lists within lists as one array."""
    import numpy as np
    import pyarrow as pa

    shape: list[int] = [len(column)]
    while isinstance(column, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        each = prod(shape[1:])
        _whole(column, path, rows, each)
        if isinstance(column, pa.FixedSizeListArray):
            lengths = np.full(len(column), column.type.list_size)
        else:
            lengths = np.asarray(column.value_lengths().to_numpy(zero_copy_only=False))
        odd = np.flatnonzero(lengths != lengths[:1])
        if len(odd):
            raise InputError(
                f"{path}: row {rows[odd[0] // each]}: image has a list of {lengths[odd[0]]}, "
                f"expected {lengths[0]} as the first"
            )
        shape.append(int(lengths[0]) if len(lengths) else 0)
        column = column.flatten()
    _whole(column, path, rows, prod(shape[1:]))
    if len(shape) == 1:
        raise InputError(f"{path}: image is {column.type}, expected lists of uint8 or a picture")
    return np.asarray(column.to_numpy(zero_copy_only=False)).reshape(shape)


def _whole(column: pa.Array, path: Path, rows: npt.NDArray[Any], each: int) -> None:
    """Refuse an image of which a value is missing; each has so many here."""
    if column.null_count:
        row = rows[column.is_null().to_numpy(zero_copy_only=False).argmax() // each]
        raise InputError(f"{path}: row {row}: image lacks a value, expected lists of uint8")


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
