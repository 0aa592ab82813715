"""The model of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from wiring.config.model import FileModel


class DatasetConfig(FileModel):
    """A dataset and everything that decides its bytes.

    Attributes:
        source: UCI digits (8x8, ships with scikit-learn), part of Fashion-MNIST (shrunk to 7x7,
            ships with this package), or CIFAR-10 (a pinned archive).
        archive: CIFAR-10 only: a local archive to read in place of the download.
        test_fraction: not for CIFAR-10, which has its own test set: share held out for testing.
        train_samples: keep only this many training samples (stratified); all when absent.
        label_noise: share of training labels replaced by another class, drawn uniformly.
        search_fraction: share of the training set that a bi-level search gives to alpha.
        split_seed: seed of the test, subsample and search splits.
        noise_seed: seed of the label noise.
    """

    source: Literal["digits", "fashion", "cifar10"]
    archive: Path | None = None
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    train_samples: PositiveInt | None = None
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    search_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    split_seed: NonNegativeInt = 0
    noise_seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _source_fits(self) -> DatasetConfig:
        if self.source == "cifar10":
            if self.test_fraction is not None:
                raise ValueError("test_fraction: cifar10 has its own test set")
        elif self.archive is not None:
            raise ValueError(f"archive is for cifar10 only: {self.source} needs no download")
        elif self.test_fraction is None:
            raise ValueError(f"{self.source} has no test set of its own: give test_fraction")
        return self
