"""The test set, evaluated after each epoch."""

from __future__ import annotations

import torch

from wiring.data.batches import normalise
from wiring.data.dataset import Dataset
from wiring.measure import SampleSums, sample_statistics
from wiring.measure.samples import device_sums
from wiring.space import Draw, Supernet

BATCH = 512


class TestSet:
    """The test samples on the device.

    Args:
        dataset: where they come from.
        device: where they are evaluated.
    """

    __test__ = False  # pytest would take it for one of its own

    def __init__(self, dataset: Dataset, device: torch.device) -> None:
        self.images = normalise(dataset.test_images.to(device), dataset.mean, dataset.std)
        self.labels = dataset.test_labels.to(device)

    @torch.no_grad()
    def evaluate(self, net: Supernet, draw: Draw) -> SampleSums:
        """Classify all samples with these gates; the host waits for the sums."""
        pieces = -(-len(self.labels) // BATCH)
        total = torch.zeros(
            len(SampleSums._fields) - 1, dtype=torch.float64, device=self.labels.device
        )
        for x, y in zip(self.images.chunk(pieces), self.labels.chunk(pieces), strict=True):
            total += device_sums(sample_statistics(net(net.embed(x), draw), y))
        return SampleSums.of(total, len(self.labels))
