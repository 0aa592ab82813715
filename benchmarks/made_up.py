"""Datasets of random pixels: to time and compare with, where no accuracy is asked for."""

from __future__ import annotations

import torch

from wiring.data.dataset import Dataset


def made_up(
    train: int, test: int, size: int, channels: int = 3, classes: int = 10, seed: int = 0
) -> Dataset:
    """Random images of random classes, every other one of them for validation.

    Args:
        train: training samples.
        test: test samples.
        size: height and width.
        channels: of an image.
        classes: their number.
        seed: of all of it.
    """
    generator = torch.Generator().manual_seed(seed)
    shape = (train + test, channels, size, size)
    images = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    labels = torch.randint(classes, (train + test,), generator=generator)
    return Dataset(
        name="made-up",
        classes=classes,
        mean=(0.5,) * channels,
        std=(0.3,) * channels,
        train_images=images[:train],
        train_labels=labels[:train],
        train_clean_labels=labels[:train],
        validation_mask=torch.arange(train) % 2 == 1,
        test_images=images[train:],
        test_labels=labels[train:],
        manifest={},
    )
