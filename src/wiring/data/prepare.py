"""From a source to `train.parquet`, `test.parquet` and `manifest.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from wiring import __version__
from wiring.config import DatasetConfig
from wiring.data.dataset import FILES, MANIFEST, VERSION, test_schema, train_schema
from wiring.data.sources.source import Samples, Source
from wiring.data.split import check_dataset, check_share, open_source
from wiring.errors import InputError
from wiring.files import atomic_dir, sha256

Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Part:
    """Samples of one set, with their positions in the source."""

    images: npt.NDArray[np.uint8]
    labels: Labels
    index: npt.NDArray[np.int64]

    @classmethod
    def of(cls, samples: Samples, shrink: int) -> _Part:
        images = samples.images if shrink == 1 else _shrunk(samples.images, shrink)
        return cls(images, samples.labels, np.arange(len(samples.labels)))

    def __getitem__(self, rows: Mask | Labels) -> _Part:
        return _Part(self.images[rows], self.labels[rows], self.index[rows])


def prepare(
    config: DatasetConfig, out: Path, cache: Path, source: type[Source] | None = None
) -> None:
    """Prepare a dataset: equal configs give equal bytes (by equal versions of the libraries).

    Args:
        config: the dataset.
        out: folder that is created or replaced whole; its name is the dataset's.
        cache: folder that keeps downloads.
        source: what to read in place of the source that the config names.

    Raises:
        InputError: the source cannot be had or is damaged, or no such split exists; names the
            file or the field.
    """
    field = f"datasets.{out.name}"
    opened = open_source(config, source)
    check_dataset(config, field, opened.facts())  # before a download, not after it
    # One seed, four independent splits and an order.
    seeds = np.random.SeedSequence(config.split_seed).generate_state(5).tolist()
    test_seed, keep_seed, validation_seed, order_seed, keep_test_seed = seeds
    content = opened.read(cache)
    classes = len(content.classes)
    train = _Part.of(content.train, config.shrink)
    if content.test is not None:
        test = _Part.of(content.test, config.shrink)
    else:
        assert config.test_fraction is not None  # checked above
        size = round(config.test_fraction * len(train.labels))
        held_out = _stratified(train.labels, size, test_seed, f"{field}.test_fraction")
        train, test = train[~held_out], train[held_out]
    generator = np.random.default_rng(order_seed)
    train, test = (_mixed(part, generator) for part in (train, test))

    train = _kept(train, config.train_samples, keep_seed, f"{field}.train_samples")
    test = _kept(test, config.test_samples, keep_test_seed, f"{field}.test_samples")
    count = len(train.labels)
    validation = _stratified(
        train.labels,
        round(config.validation_fraction * count),
        validation_seed,
        f"{field}.validation_fraction",
    )
    noisy = _noisy(train.labels, config.label_noise, classes, config.noise_seed)
    mean, std = _mean_and_std(train.images)
    if 0.0 in std:
        raise InputError(
            f"{field}: channel {std.index(0.0)} (from 0, of {len(std)}) of the training images is "
            "constant, expected channels whose pixels differ"
        )

    shape = train.images.shape[1:]
    tables = (
        pa.table(
            [_binary(train.images), noisy, train.labels, validation, train.index],
            train_schema(prod(shape)),
        ),
        pa.table([_binary(test.images), test.labels, test.index], test_schema(prod(shape))),
    )
    with atomic_dir(out) as folder:
        for name, table in zip(FILES, tables, strict=True):
            pq.write_table(table, folder / name, compression="zstd", use_dictionary=False)
        manifest = {
            "wiring_version": __version__,
            "schema_version": VERSION,
            "source": config.source,
            "origin": content.origin,
            "versions": {name: version(name) for name in ("numpy", "pyarrow", "scikit-learn")},
            # Where it lay decides nothing: its hash in the origin does.
            "config": config.model_dump(mode="json", exclude={"path"}),
            "classes": classes,
            "class_names": list(content.classes),
            "shape": list(shape),
            "mean": mean,
            "std": std,
            "counts": {
                "train": _counts(train.labels, classes),
                "train_noisy": _counts(noisy, classes),
                "weights": _counts(train.labels[~validation], classes),
                "validation": _counts(train.labels[validation], classes),
                "test": _counts(test.labels, classes),
            },
            "noisy_labels": int((noisy != train.labels).sum()),
            "files": {name: sha256(folder / name) for name in FILES},
        }
        text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False)
        (folder / MANIFEST).write_text(text + "\n")


def _kept(part: _Part, count: int | None, seed: int, field: str) -> _Part:
    """So many of the samples, from each class its share; all without a count."""
    if count is None or count >= len(part.labels):
        return part
    return part[_stratified(part.labels, count, seed, field, rest=False)]


def _mixed(part: _Part, generator: np.random.Generator) -> _Part:
    """The samples in another order, if they stand class by class, as those of folders do.

    Nets are evaluated in parts, by the statistics of each part, and those of a single class are not
    those of training: accuracy would be chance's. Half the changes of label that chance would give
    are too few; what was shuffled keeps its order.
    """
    labels = part.labels
    shares = np.bincount(labels) / len(labels)
    expected = (len(labels) - 1) * (1 - (shares**2).sum())
    if 2 * np.count_nonzero(np.diff(labels)) >= expected:
        return part
    return part[generator.permutation(len(labels))]


def _shrunk(images: npt.NDArray[np.uint8], block: int) -> npt.NDArray[np.uint8]:
    """Each pixel the mean of a block of block x block, as near as a byte comes."""
    count, channels, height, width = images.shape
    small = np.empty((count, channels, height // block, width // block), np.uint8)
    for start in range(0, count, 1000):  # the means are eight times as large as the bytes
        some = images[start : start + 1000]
        blocks = some.reshape(len(some), channels, height // block, block, width // block, block)
        small[start : start + 1000] = np.rint(blocks.mean((3, 5)))
    return small


def _stratified(labels: Labels, size: int, seed: int, field: str, *, rest: bool = True) -> Mask:
    """Choose `size` samples at random, from each class its share (to less than one sample).

    Args:
        labels: of all samples.
        size: how many.
        seed: of the choice.
        field: its place in the scale file, for messages.
        rest: whether the others are a part as well, which has to hold each class.
    """
    counts = np.bincount(labels)
    if rest:
        check_share(len(labels), size, len(counts), field)
    if counts.min() < 1 + rest:
        raise InputError(
            f"{field}: class {counts.argmin()} has {counts.min()} of {len(labels)} samples, "
            f"expected at least {1 + rest} to split"
        )
    chosen = np.zeros(len(labels), bool)
    chosen[_choice(labels, counts, size, seed)] = True
    for side in (chosen, ~chosen) if rest else (chosen,):
        found = np.bincount(labels[side], minlength=len(counts))
        if found.min() == 0:
            raise InputError(
                f"{field}: of {len(labels)} samples, the part of {side.sum()} gets none of class "
                f"{found.argmin()}, expected a larger part"
            )
    return chosen


def _choice(labels: Labels, counts: Labels, size: int, seed: int) -> Labels:
    """The positions that :func:`_stratified` chooses."""
    from sklearn.model_selection import train_test_split

    if len(labels) - size >= len(counts) and counts.min() > 1:
        chosen, _ = train_test_split(
            np.arange(len(labels)), train_size=size, stratify=labels, random_state=seed
        )
        return chosen  # type: ignore[no-any-return]
    # That one wants a sample of each class on both sides.
    generator = np.random.default_rng(seed)
    due = counts * size / len(labels)
    taken = due.astype(np.int64)
    largest = np.lexsort((generator.random(len(counts)), taken - due))  # remainders
    taken[largest[: size - taken.sum()]] += 1
    return np.concatenate(
        [
            generator.permutation(np.flatnonzero(labels == label))[:count]
            for label, count in enumerate(taken)
        ]
    )


def _noisy(clean: Labels, share: float, classes: int, seed: int) -> Labels:
    """Move round(share · n) labels to another class, uniform among the others."""
    generator = np.random.default_rng(seed)
    size = round(share * len(clean))
    moved = generator.permutation(len(clean))[:size]
    labels = clean.copy()
    labels[moved] = (labels[moved] + generator.integers(1, classes, size)) % classes
    return labels


def _mean_and_std(images: npt.NDArray[np.uint8]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each channel's pixels in [0, 1], from exact integer sums."""
    mean, std = [], []
    for channel in range(images.shape[1]):
        pixels = np.bincount(images[:, channel].ravel(), minlength=256).tolist()
        count = sum(pixels)
        total = sum(value * times for value, times in enumerate(pixels))
        squares = sum(value * value * times for value, times in enumerate(pixels))
        mean.append(total / (255 * count))
        std.append((count * squares - total * total) ** 0.5 / (255 * count))
    return mean, std


def _binary(images: npt.NDArray[np.uint8]) -> pa.Array:
    values = prod(images.shape[1:])
    buffer = pa.py_buffer(np.ascontiguousarray(images))
    return pa.Array.from_buffers(pa.binary(values), len(images), [None, buffer])


def _counts(labels: Labels, classes: int) -> list[int]:
    counts: list[int] = np.bincount(labels, minlength=classes).tolist()
    return counts
