"""CIFAR-10 and CIFAR-100 from their published archives, whose content is pinned by SHA-256.

The archive's members are Python 2 pickles. A pickle is a program: even behind the pinned hash it
is read by an unpickler that knows no function and no class but an inert one.
"""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from wiring.data.sources.source import Content, Facts, Samples, Source
from wiring.errors import InputError
from wiring.files import sha256

MEMBER_LIMIT = 192 * 2**20
"""Bytes of a member; CIFAR-10's have 31 MB, the larger one of CIFAR-100 156 MB."""
ARCHIVE_LIMIT = 256 * 2**20
"""Bytes of an archive once it is decompressed; each has 186 MB."""


@dataclass(frozen=True)
class Archive:
    """A tar.gz of batches in CIFAR-10's Python format.

    Attributes:
        url: where it is published.
        sha256: of the whole archive.
        train: members that hold the training set, in order.
        test: members that hold the test set.
        batch: samples of each member of the training set.
        classes: number of classes.
        shape: channels, height, width.
        test_batch: samples of each member of the test set, if not as many.
        labels: name of the labels in a member.
    """

    url: str
    sha256: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    batch: int
    classes: int
    shape: tuple[int, int, int]
    test_batch: int | None = None
    labels: bytes = b"labels"


CIFAR10 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    train=tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
    test=("cifar-10-batches-py/test_batch",),
    batch=10_000,
    classes=10,
    shape=(3, 32, 32),
)
CIFAR100 = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    train=("cifar-100-python/train",),
    test=("cifar-100-python/test",),
    batch=50_000,
    classes=100,
    shape=(3, 32, 32),
    test_batch=10_000,
    labels=b"fine_labels",
)


class Cifar10(Source):
    """CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 images of 32x32 in colour, 10 classes."""

    takes: ClassVar[Literal["must", "may", "no"]] = "may"
    tested: ClassVar[bool | None] = True
    archive: ClassVar[Archive] = CIFAR10

    def facts(self) -> Facts:
        """As published: the archive is not looked at."""
        archive = self.archive
        samples = archive.batch * len(archive.train)
        held_out = (archive.test_batch or archive.batch) * len(archive.test)
        return Facts(samples, archive.classes, held_out, archive.shape)

    def read(self, cache: Path) -> Content:
        """Both sets, from the local copy if the dataset names one, else from the download."""
        archive = self.archive
        path = fetch(archive, self.path, cache)
        train, test = read(path, archive)
        names = tuple(map(str, range(archive.classes)))
        origin = {"url": archive.url, "archive_sha256": archive.sha256}
        return Content(train, test, names, origin)


class Cifar100(Cifar10):
    """CIFAR-100 (Krizhevsky 2009): as many images of the 100 fine classes."""

    archive: ClassVar[Archive] = CIFAR100


def fetch(archive: Archive, local: Path | None, cache: Path) -> Path:
    """The archive on disk, verified: the local one if given, else the cached or downloaded one.

    Args:
        archive: which archive.
        local: a copy to use in place of the download.
        cache: folder that keeps the download.

    Raises:
        InputError: it is missing, cannot be downloaded, or is not the pinned archive.
    """
    if local is None:
        # Downloads need packages that nothing else does, and time to import them.
        from wiring.data.sources import download

        return download.fetch(archive.url, archive.sha256, cache)
    if not local.is_file():
        raise InputError(f"{local}: no such file, expected a copy of {archive.url}")
    if (found := sha256(local)) != archive.sha256:
        raise InputError(
            f"{local}: SHA-256 is {found}, expected {archive.sha256} (a whole copy of "
            f"{archive.url})"
        )
    return local


def read(path: Path, archive: Archive) -> tuple[Samples, Samples]:
    """Read the training and the test set out of an archive; nothing is extracted to disk.

    Args:
        path: the archive, verified by :func:`fetch`.
        archive: what it holds.

    Raises:
        InputError: it is damaged, lacks a member, or a member is not a batch of that format.
    """
    found: dict[str, Samples] = {}
    try:
        with _Bounded(path) as whole, tarfile.open(fileobj=whole, mode="r|") as tar:
            for member in tar:
                if member.name not in {*archive.train, *archive.test}:
                    continue
                where = f"{path}: {member.name}"
                if member.name in found:
                    raise InputError(f"{where}: stands twice, expected once")
                if not member.isreg() or not 0 <= member.size <= MEMBER_LIMIT:
                    raise InputError(f"{where}: expected a file of at most {MEMBER_LIMIT} bytes")
                file = tar.extractfile(member)
                assert file is not None  # it is a regular file
                count = archive.batch
                if member.name in archive.test and archive.test_batch is not None:
                    count = archive.test_batch
                found[member.name] = _batch(file.read(), where, archive, count)
    except InputError:
        raise
    except Exception as error:  # a foreign archive can raise anything
        said = " ".join(str(error).split())
        raise InputError(f"{path}: damaged ({said}), expected a tar.gz file") from None
    for name in (*archive.train, *archive.test):
        if name not in found:
            raise InputError(f"{path}: {name} is missing, expected it in a copy of {archive.url}")

    def join(members: tuple[str, ...]) -> Samples:
        parts = [found[name] for name in members]
        return Samples(
            np.concatenate([part.images for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    return join(archive.train), join(archive.test)


class _Bounded(gzip.GzipFile):
    """Ends in an error where a bomb would go on.

    tarfile skips members, and holds long names and extended headers in memory, whatever their size;
    past the end it would go on block by block for as long as a header says.
    """

    ended = False

    def read(self, size: int | None = -1) -> bytes:
        if self.ended:
            raise tarfile.ReadError("unexpected end of data")
        data = super().read(size)
        self.ended = not data
        if self.tell() > ARCHIVE_LIMIT:
            raise tarfile.ReadError(f"more than {ARCHIVE_LIMIT} bytes when decompressed")
        return data


class _Inert:
    """Takes the place of numpy's names in a pickle: keeps what it is given and does nothing."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __setstate__(self, state: Any) -> None:
        self.state = state


# Python's own: in that of C one opcode makes the memo, an array, as large as it says.
class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> type[_Inert]:
        if (module, name) in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }:
            return _Inert
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _batch(data: bytes, where: str, archive: Archive, count: int) -> Samples:
    values = prod(archive.shape)
    try:
        # Python 2 strings are bytes.
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a foreign pickle can raise anything
        said = " ".join(str(error).split())[:200]
        raise InputError(f"{where}: refused as a CIFAR batch: {said}") from None
    match content:
        # An array's state is (version, shape, dtype, whether by columns, bytes).
        case {
            b"data": _Inert(state=(_, shape, _Inert(arguments=(b"u1", *_)), False, bytes(raw))),
            archive.labels: list(labels),
        } if (
            shape == (count, values)
            and len(raw) == count * values
            and len(labels) == count
            and all(type(label) is int and 0 <= label < archive.classes for label in labels)
        ):
            images = np.frombuffer(raw, np.uint8).reshape(count, *archive.shape)
            return Samples(images, np.array(labels, np.int64))
    raise InputError(
        f"{where}: not a CIFAR batch, expected {count} uint8 rows of {values} as data and as many "
        f"labels below {archive.classes}"
    )
