"""Part of Fashion-MNIST, shrunk, which this package ships."""

from __future__ import annotations

from pathlib import Path

from wiring.data.sources.names import FASHION
from wiring.data.sources.source import Content, Facts, Samples, Source
from wiring.files import sha256


class Fashion(Source):
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747; MIT license): 2000 images of 7x7.

    See tools/fashion.py for how the file was made, and fashion.LICENSE beside it.
    """

    def facts(self) -> Facts:
        """Of the shipped file."""
        return Facts(2000, 10, 0, (1, 7, 7))

    def read(self, cache: Path) -> Content:  # noqa: ARG002
        """The shipped file."""
        import numpy as np

        path = Path(__file__).with_name("fashion.npz")
        with np.load(path, allow_pickle=False) as file:
            samples = Samples(file["images"][:, None], file["labels"].astype(np.int64))
        return Content(samples, None, FASHION, {"file_sha256": sha256(path)})
