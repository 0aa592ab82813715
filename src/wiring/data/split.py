"""Whether a dataset's splits exist, known before any data is."""

from __future__ import annotations

from wiring.config.dataset import DatasetConfig
from wiring.config.model import Level
from wiring.errors import InputError

SAMPLES = {"digits": 1797, "fashion": 2000, "cifar10": 50_000}
"""Samples of each source, before a set without a test set of its own gives some to one."""
CLASSES = 10
"""Classes of each source."""


def check_dataset(config: DatasetConfig, field: str) -> dict[Level, int]:
    """Check a dataset by the size of its source.

    Args:
        config: the dataset.
        field: its place in the scale file, for messages.

    Returns:
        The samples of the smallest split that a search trains on, by level.

    Raises:
        InputError: a split is impossible; names the field.
    """
    available = SAMPLES[config.source]
    if config.test_fraction is not None:
        test = round(config.test_fraction * available)
        check_share(available, test, CLASSES, f"{field}.test_fraction")
        available -= test
    check_sizes(config, available, CLASSES, field)
    kept = config.train_samples or available
    search = round(config.search_fraction * kept)
    return {"single": kept, "bi": min(search, kept - search)}


def check_sizes(config: DatasetConfig, available: int, classes: int, field: str) -> None:
    """Check the subsample and the search split against the training samples there are.

    Args:
        config: the dataset.
        available: training samples of the source.
        classes: its classes.
        field: the dataset's place in the scale file, for messages.

    Raises:
        InputError: a split is impossible; names the field.
    """
    kept = config.train_samples or available
    if not classes <= kept <= available:
        raise InputError(
            f"{field}.train_samples: {kept} is impossible, expected {classes} (one a class) "
            f"to {available} (all there are)"
        )
    check_share(kept, round(config.search_fraction * kept), classes, f"{field}.search_fraction")


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
