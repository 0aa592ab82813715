"""The model of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, cast

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wiring.config import plugins
from wiring.config.model import FileModel, Model


def _known_source(name: str) -> str:
    known = plugins.names(plugins.SOURCES)
    if name not in known:
        raise ValueError(f"unknown source, expected one of {', '.join(known)}")
    plugins.load(plugins.SOURCES, name)
    return name


class SourceClass(Protocol):
    """What a config asks of a source, which :mod:`wiring.data.sources.source` defines."""

    takes: Literal["must", "may", "no"]
    tested: bool | None
    model: type[Model]


SourceName = Annotated[str, AfterValidator(_known_source), plugins.Completed(plugins.SOURCES)]


class DatasetConfig(FileModel):
    """A dataset and everything that decides its bytes.

    Attributes:
        source: where its images and labels come from.
        path: the file or folder that the source reads; of a published set a local copy, to be
            read in place of the download. Beside the working directory, if it is relative.
        settings: the source's own, checked by its own model, defaults filled in.
        shrink: side of the blocks of pixels whose mean becomes one pixel.
        test_fraction: share held out for testing, for a source without a test set of its own.
        train_samples: keep only this many training samples (stratified); all when absent.
        test_samples: likewise of the test samples, on which each epoch ends.
        label_noise: share of training labels replaced by another class, drawn uniformly.
        validation_fraction: share of the training set that a bi-level search gives to alpha.
        split_seed: seed of the test, subsample and validation splits.
        noise_seed: seed of the label noise.
    """

    source: SourceName
    path: Path | None = None
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    shrink: Annotated[int, Field(ge=1, le=256)] = 1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    train_samples: PositiveInt | None = None
    test_samples: PositiveInt | None = None
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    split_seed: NonNegativeInt = 0
    noise_seed: NonNegativeInt = 0

    @field_validator("settings")
    @classmethod
    def _the_sources_own(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        source = info.data.get("source")
        if source is None:  # itself at fault
            return settings
        model = plugins.load(plugins.SOURCES, source).model
        # A fault of theirs keeps its place: pydantic takes it over from the inner report.
        return cast("dict[str, Any]", model.model_validate(settings).model_dump(mode="json"))

    @model_validator(mode="after")
    def _source_fits(self) -> DatasetConfig:
        source = self.source_class
        if source.takes == "no" and self.path is not None:
            raise ValueError(f"path: {self.source} reads no file")
        if source.takes == "must" and self.path is None:
            raise ValueError(f"path: {self.source} reads a file or folder, expected its name")
        if source.tested and self.test_fraction is not None:
            raise ValueError(f"test_fraction: {self.source} has its own test set")
        if source.tested is False and self.test_fraction is None:
            raise ValueError(f"{self.source} has no test set of its own: give test_fraction")
        return self

    @property
    def source_class(self) -> SourceClass:
        """The class behind :attr:`source`."""
        return cast("SourceClass", plugins.load(plugins.SOURCES, self.source))
