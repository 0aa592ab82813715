"""Whether a dataset's splits exist, known before any data is."""

from __future__ import annotations

from typing import cast

from wiring.config.dataset import DatasetConfig
from wiring.config.model import Level
from wiring.data.sources.source import Facts, Source
from wiring.errors import InputError


def open_source(config: DatasetConfig, source: type[Source] | None = None) -> Source:
    """The source of a dataset, ready to be asked.

    Args:
        config: the dataset.
        source: a class in place of the one that the config names.
    """
    made = source or cast("type[Source]", config.source_class)
    return made(config.path, made.model.model_validate(config.settings))


def check_dataset(
    config: DatasetConfig, field: str, facts: Facts | None = None
) -> dict[Level, tuple[int, ...]]:
    """Check a dataset by what its source says of itself.

    Args:
        config: the dataset.
        field: its place in the scale file, for messages.
        facts: what the source says, if it was asked already.

    Returns:
        The samples of each split that a search trains on, by level: that of the weights, which
        makes an epoch, then alpha's if it has its own.

    Raises:
        InputError: what the source reads is not there, or a split is impossible; names the field.
    """
    if facts is None:
        try:
            facts = open_source(config).facts()
        except InputError as error:
            raise InputError(f"{field}.path: {error}") from None
    _, height, width = facts.shape
    if height % config.shrink or width % config.shrink:
        raise InputError(
            f"{field}.shrink: {height} x {width} pixels have no blocks of {config.shrink}, "
            "expected a divisor of both"
        )
    available, held_out = facts.samples, facts.test_samples
    if config.test_fraction is not None:
        if facts.test_samples:
            raise InputError(f"{field}.test_fraction: {config.source} has its own test set there")
        held_out = round(config.test_fraction * available)
        check_share(available, held_out, facts.classes, f"{field}.test_fraction")
        available -= held_out
    elif not held_out:
        raise InputError(f"{field}.test_fraction: is missing, and there is no test set in path")
    check_sizes(config, available, facts.classes, field)
    _check_kept(config.test_samples, held_out, facts.classes, f"{field}.test_samples")
    kept = config.train_samples or available
    validation = round(config.validation_fraction * kept)
    return {"single": (kept,), "bi": (kept - validation, validation)}


def check_sizes(config: DatasetConfig, available: int, classes: int, field: str) -> None:
    """Check the subsample and the validation split against the training samples there are.

    Args:
        config: the dataset.
        available: training samples of the source.
        classes: its classes.
        field: the dataset's place in the scale file, for messages.

    Raises:
        InputError: a split is impossible; names the field.
    """
    kept = config.train_samples or available
    _check_kept(kept, available, classes, f"{field}.train_samples")
    check_share(
        kept, round(config.validation_fraction * kept), classes, f"{field}.validation_fraction"
    )


def _check_kept(kept: int | None, available: int, classes: int, field: str) -> None:
    if kept is not None and not classes <= kept <= available:
        raise InputError(
            f"{field}: {kept} is impossible, expected {classes} (one a class) "
            f"to {available} (all there are)"
        )


def check_share(count: int, size: int, classes: int, field: str) -> None:
    """Check that `size` of `count` samples leaves one of each class on both sides.

    Raises:
        InputError: it does not; names the field.
    """
    if min(size, count - size) < classes:
        raise InputError(
            f"{field}: splits {count} samples into {size} and {count - size}, "
            f"expected at least {classes} in each, one a class"
        )
