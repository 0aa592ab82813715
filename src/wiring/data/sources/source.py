"""What a source of data is: the base of the built-in ones and of those of other packages.

A source is a class behind the entry-point group `wiring.sources`. It says what it will give
before it gives it, so that a scale file can be checked; its module must not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from wiring.config.model import Model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VALUES = 2**24
"""The most numbers of an image."""


class NoSettings(Model):
    """The settings of a source that has none."""


@dataclass(frozen=True)
class Facts:
    """What is known of a source's data before they are read.

    Attributes:
        samples: samples of the training set; of all there are, where there is no test set.
        classes: number of classes.
        test_samples: samples of the test set; 0 where there is none.
        shape: channels, height, width.
    """

    samples: int
    classes: int
    test_samples: int
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Samples:
    """Samples of one set.

    Attributes:
        images: uint8 (n, channels, height, width).
        labels: int64 (n,), each 0 to classes - 1.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Content:
    """The data of a source.

    Attributes:
        train: the training set.
        test: the test set, if there is one.
        classes: names of the classes, by label.
        origin: what decides the data: digests and addresses, never a path of this machine.
    """

    train: Samples
    test: Samples | None
    classes: tuple[str, ...]
    origin: dict[str, Any] = field(default_factory=dict)


class Source:
    """A source of data.

    Attributes:
        takes: whether a dataset of it `must` have a `path`, `may` have one, or takes `no` path.
        tested: whether it has a test set of its own; None where that depends on what it reads.
        model: the model of its own settings.

    Args:
        path: the file or folder that the dataset names, if it names one.
        settings: its own, checked by :attr:`model`.
    """

    takes: ClassVar[Literal["must", "may", "no"]] = "no"
    tested: ClassVar[bool | None] = False
    model: ClassVar[type[Model]] = NoSettings

    def __init__(self, path: Path | None, settings: Model) -> None:
        self.path, self.settings = path, settings

    def facts(self) -> Facts:
        """What the data will be, without a download and without reading all of it.

        Raises:
            InputError: what is to be read is not there or not what it should be.
        """
        raise NotImplementedError

    def read(self, cache: Path) -> Content:
        """The data.

        Args:
            cache: folder that keeps downloads.

        Raises:
            InputError: they cannot be had or are damaged; names the file, and the row if there
                is one.
        """
        raise NotImplementedError
