"""Samples that a supernet is evaluated on, all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from wiring.data.batches import normalise
from wiring.measure import SampleSums, sample_statistics
from wiring.measure.samples import device_sums
from wiring.space import Draw, Supernet

BATCH = 512


class EvaluationSet:
    """The test set after each epoch, or all samples that alpha learns from, as a method asks.

    Args:
        images: uint8 (n, channels, height, width); where they lie, they are evaluated.
        labels: int64 (n,), likewise.
        mean: per channel, of pixels in [0, 1].
        std: per channel, likewise.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self._images, self._labels, self._mean, self._std = images, labels, mean, std

    def parts(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Normalised images and labels, as many as a supernet takes at once; pixels are bytes."""
        pieces = -(-len(self._labels) // BATCH)
        for x, y in zip(self._images.chunk(pieces), self._labels.chunk(pieces), strict=True):
            yield normalise(x, self._mean, self._std), y

    @torch.no_grad()
    def evaluate(self, net: Supernet, draw: Draw) -> SampleSums:
        """Classify all samples with these gates; the host waits for the sums."""
        total = torch.zeros(
            len(SampleSums._fields) - 1, dtype=torch.float64, device=self._labels.device
        )
        for x, y in self.parts():
            total += device_sums(sample_statistics(net(net.embed(x), draw), y))
        return SampleSums.of(total, len(self._labels))
