"""From a source to `train.parquet`, `test.parquet` and `manifest.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from wiring import __version__
from wiring.config import DatasetConfig
from wiring.data import cifar
from wiring.data.dataset import FILES, MANIFEST, VERSION, test_schema, train_schema
from wiring.data.split import check_share, check_sizes
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

    def __getitem__(self, mask: Mask) -> _Part:
        return _Part(self.images[mask], self.labels[mask], self.index[mask])


def prepare(
    config: DatasetConfig, out: Path, cache: Path, archive: cifar.Archive = cifar.CIFAR10
) -> None:
    """Prepare a dataset: equal configs give equal bytes (by equal versions of the libraries).

    Args:
        config: the dataset.
        out: folder that is created or replaced whole; its name is the dataset's.
        cache: folder that keeps downloads.
        archive: what to read for the source `cifar10`.

    Raises:
        InputError: no such split exists; names the field.
        InputError: the source cannot be had or is damaged.
    """
    field = f"datasets.{out.name}"
    # One seed, three independent splits.
    seeds = np.random.SeedSequence(config.split_seed).generate_state(3).tolist()
    test_seed, keep_seed, search_seed = seeds
    if config.source != "cifar10":
        train, test, origin = _embedded(config, test_seed, field)
        classes = 10
        check_sizes(config, len(train.labels), classes, field)
    else:
        classes = archive.classes
        # Before a download, not after it.
        check_sizes(config, archive.batch * len(archive.train), classes, field)
        path = cifar.fetch(archive, config.archive, cache)
        train, test = (
            _Part(images, labels, np.arange(len(labels)))
            for images, labels in cifar.read(path, archive)
        )
        origin = {"url": archive.url, "archive_sha256": archive.sha256}

    kept = config.train_samples
    if kept is not None and kept < len(train.labels):
        train = train[_stratified(train.labels, kept, keep_seed, f"{field}.train_samples")]
    count = len(train.labels)
    search = _stratified(
        train.labels,
        round(config.search_fraction * count),
        search_seed,
        f"{field}.search_fraction",
    )
    noisy = _noisy(train.labels, config.label_noise, classes, config.noise_seed)
    mean, std = _moments(train.images)
    if 0.0 in std:
        raise InputError(f"{field}: a channel of the training images is constant")

    shape = train.images.shape[1:]
    tables = (
        pa.table(
            [_binary(train.images), noisy, train.labels, search, train.index],
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
            "origin": origin,
            "versions": {name: version(name) for name in ("numpy", "pyarrow", "scikit-learn")},
            # Where the archive lay decides nothing: its hash does.
            "config": config.model_dump(mode="json", exclude={"archive"}),
            "classes": classes,
            "shape": list(shape),
            "mean": mean,
            "std": std,
            "counts": {
                "train": _counts(train.labels, classes),
                "train_noisy": _counts(noisy, classes),
                "weights": _counts(train.labels[~search], classes),
                "search": _counts(train.labels[search], classes),
                "test": _counts(test.labels, classes),
            },
            "noisy_labels": int((noisy != train.labels).sum()),
            "files": {name: sha256(folder / name) for name in FILES},
        }
        text = json.dumps(manifest, indent=2, sort_keys=True, allow_nan=False)
        (folder / MANIFEST).write_text(text + "\n")


def _embedded(config: DatasetConfig, seed: int, field: str) -> tuple[_Part, _Part, dict[str, Any]]:
    """A set that needs no download: part of it is held out for testing."""
    assert config.test_fraction is not None  # the config requires it
    images, labels, origin = _digits() if config.source == "digits" else _fashion()
    size = round(config.test_fraction * len(labels))
    test = _stratified(labels, size, seed, f"{field}.test_fraction")
    whole = _Part(images[:, None], labels, np.arange(len(labels)))
    return whole[~test], whole[test], origin


def _digits() -> tuple[npt.NDArray[np.uint8], Labels, dict[str, Any]]:
    """UCI's handwritten digits: 1797 images of 8×8 with values 0 to 16."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * 255 / 16).astype(np.uint8)
    return images, bunch.target.astype(np.int64), {"scikit_learn": version("scikit-learn")}


def _fashion() -> tuple[npt.NDArray[np.uint8], Labels, dict[str, Any]]:
    """Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747; MIT license): 2000 images of 7×7.

    See tools/fashion.py for how the file was made, and fashion.LICENSE beside it.
    """
    path = Path(__file__).with_name("fashion.npz")
    with np.load(path, allow_pickle=False) as file:
        return file["images"], file["labels"].astype(np.int64), {"file_sha256": sha256(path)}


def _stratified(labels: Labels, size: int, seed: int, field: str) -> Mask:
    """Choose `size` samples at random, from each class its share (to less than one sample)."""
    from sklearn.model_selection import train_test_split

    counts = np.bincount(labels)
    check_share(len(labels), size, len(counts), field)
    if counts.min() < 2:
        raise InputError(
            f"{field}: class {counts.argmin()} has {counts.min()} of {len(labels)} samples, "
            "expected at least 2 to split"
        )
    part, _ = train_test_split(
        np.arange(len(labels)), train_size=size, stratify=labels, random_state=seed
    )
    chosen = np.zeros(len(labels), bool)
    chosen[part] = True
    for side in (chosen, ~chosen):
        found = np.bincount(labels[side], minlength=len(counts))
        if found.min() == 0:
            raise InputError(
                f"{field}: of {len(labels)} samples, the part of {side.sum()} gets none of class "
                f"{found.argmin()}, expected a larger part"
            )
    return chosen


def _noisy(clean: Labels, share: float, classes: int, seed: int) -> Labels:
    """Move round(share · n) labels to another class, uniform among the others."""
    generator = np.random.default_rng(seed)
    size = round(share * len(clean))
    moved = generator.permutation(len(clean))[:size]
    labels = clean.copy()
    labels[moved] = (labels[moved] + generator.integers(1, classes, size)) % classes
    return labels


def _moments(images: npt.NDArray[np.uint8]) -> tuple[list[float], list[float]]:
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
