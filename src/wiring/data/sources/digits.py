"""UCI's handwritten digits, which scikit-learn ships."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from wiring.data.sources.names import DIGITS
from wiring.data.sources.source import Content, Facts, Samples, Source

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Digits(Source):
    """1797 images of 8x8 with values 0 to 16."""

    def facts(self) -> Facts:
        """Known without scikit-learn."""
        return Facts(1797, 10, 0, (1, 8, 8))

    def read(self, cache: Path) -> Content:  # noqa: ARG002
        """The whole set."""
        images, labels = digits()
        origin = {"scikit_learn": version("scikit-learn")}
        return Content(Samples(images[:, None], labels), None, DIGITS, origin)


def digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images (1797, 8, 8), their values stretched to 0 to 255, and labels (1797,)."""
    import numpy as np
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    return images, bunch.target.astype(np.int64)
