"""Time the searches of an audit on its own data, before their lengths are chosen."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from wiring.audit.budget import Timing
from wiring.config import SearchConfig
from wiring.data.dataset import Dataset, load
from wiring.job import machine
from wiring.search import Search

TRIED, WARM = 12, 3
"""Steps of each of the two epochs that are tried; the first of them all do not count."""


def timed(config: SearchConfig, data: Path) -> Timing:
    """Do a search of two short epochs.

    What a method does at the end of its epochs, however many these are, is in it once.

    Args:
        config: the search; its length is not looked at.
        data: its prepared dataset.
    """
    device = machine.prepare(config)
    dataset = load(data)
    batch, bi = config.train.batch_size, config.level == "bi"
    dataset, steps = _first(dataset, batch, bi=bi)
    train = config.train.model_copy(update={"epochs": 2, "windows_per_epoch": steps})
    begun = time.perf_counter()
    search = Search(config.model_copy(update={"train": train}), dataset, device)
    built = time.perf_counter() - begun
    gaps: list[float] = []
    ends: list[float] = []
    for _ in range(2):
        marks = [time.perf_counter()]
        for row in search.run_epoch():
            if row.table == "windows" and row.values["split"] == "train":
                marks.append(time.perf_counter())
        gaps += [after - before for before, after in pairwise(marks)]
        ends.append(time.perf_counter() - marks[-1])
    return Timing(
        float(np.median(gaps[WARM:] or gaps)), min(ends), built + sum(ends) - 2 * min(ends)
    )


def _first(dataset: Dataset, batch: int, *, bi: bool) -> tuple[Dataset, int]:
    """The samples of a few batches of each split, and how many batches these are."""
    mask = dataset.validation_mask
    parts = [~mask, mask] if bi else [mask | ~mask]
    steps = min([TRIED, *(int(part.sum()) // batch for part in parts)])
    places = torch.cat([part.nonzero()[: steps * batch, 0] for part in parts])
    kept = replace(
        dataset,
        train_images=dataset.train_images[places],
        train_labels=dataset.train_labels[places],
        train_clean_labels=dataset.train_clean_labels[places],
        validation_mask=mask[places],
    )
    return kept, steps
