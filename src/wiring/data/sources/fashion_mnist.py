"""Fashion-MNIST whole, from its four published files or a local copy of them."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from wiring.data.sources.names import FASHION
from wiring.data.sources.source import Content, Facts, Samples, Source
from wiring.errors import InputError

URL = "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion"


class File(NamedTuple):
    """A published file, and the array in it.

    Attributes:
        name: with `.gz`; a local copy may be unpacked, and then goes without.
        published: SHA-256 of the published file.
        content: SHA-256 of what is packed in it: others pack it otherwise (Debian does).
        shape: of the array.
    """

    name: str
    published: str
    content: str
    shape: tuple[int, ...]


FILES = (
    File(
        "train-images-idx3-ubyte.gz",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        (60_000, 28, 28),
    ),
    File(
        "train-labels-idx1-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        (60_000,),
    ),
    File(
        "t10k-images-idx3-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        (10_000, 28, 28),
    ),
    File(
        "t10k-labels-idx1-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        (10_000,),
    ),
)


class FashionMNIST(Source):
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 60,000 and 10,000 images of 28x28."""

    takes: ClassVar[Literal["must", "may", "no"]] = "may"
    tested: ClassVar[bool | None] = True
    files: ClassVar[tuple[File, ...]] = FILES

    def facts(self) -> Facts:
        """As published: the files are not looked at."""
        count, *size = self.files[0].shape
        held_out, *_ = self.files[2].shape
        return Facts(count, 10, held_out, (1, size[0], size[1]))

    def read(self, cache: Path) -> Content:
        """Both sets, from the folder that the dataset names, else from the download."""
        images, labels, test_images, test_labels = (
            self._array(file, cache / "fashion-mnist") for file in self.files
        )
        return Content(
            Samples(images[:, None], labels.astype(np.int64)),
            Samples(test_images[:, None], test_labels.astype(np.int64)),
            FASHION,
            {"url": URL, **{file.name: file.content for file in self.files}},
        )

    def _array(self, file: File, cache: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
        if self.path is None:
            from wiring.data.sources import download

            path = download.fetch(f"{URL}/{file.name}", file.published, cache)
        else:
            names = (file.name, file.name.removesuffix(".gz"))
            there = [self.path / name for name in names if (self.path / name).is_file()]
            if not there:
                raise InputError(f"{self.path}: {file.name} is missing, expected a copy of {URL}")
            path = there[0]
        # An array in IDX format: 0, 0, the type (8: uint8), the axes, the length of each.
        axes = len(file.shape)
        head = bytes([0, 0, 8, axes]) + np.array(file.shape, ">u4").tobytes()
        size = len(head) + prod(file.shape)
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as opened:
                content = opened.read(size + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{path}: damaged ({' '.join(str(error).split())})") from None
        found = hashlib.sha256(content).hexdigest()
        if found != file.content:
            raise InputError(
                f"{path}: SHA-256 of what it holds is {found}, expected {file.content} (a whole "
                f"copy of {URL}/{file.name})"
            )
        if content[: len(head)] != head:
            raise InputError(f"{path}: not an array of {file.shape} bytes in IDX format")
        return np.frombuffer(content, np.uint8, offset=len(head)).reshape(file.shape)
