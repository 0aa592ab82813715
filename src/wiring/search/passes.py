"""Further passes over the batches of a step, for the methods that ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from wiring.measure import measure
from wiring.search.evaluate import EvaluationSet
from wiring.space import Draw, Supernet

Batch = tuple[Tensor, Tensor]
"""Normalised images (B, channels, H, W) and class indices (B)."""


class Passes:
    """The loss of the step's own batches; see :class:`wiring.methods.protocol.Loss`.

    Args:
        net: the supernet.
        samples: all that alpha learns from.
        amp: forward in bfloat16 where that is safe.

    Attributes:
        rate: the weights' present learning rate.
        train: the batch that the weights learn from.
        held_out: the batch that alpha learns from.
    """

    train: Batch
    held_out: Batch

    def __init__(self, net: Supernet, samples: EvaluationSet, *, amp: bool) -> None:
        self._net, self._samples, self._amp, self.rate = net, samples, amp, 0.0

    def cost(self, draw: Draw, *, held_out: bool) -> Tensor:
        """The local costs summed over the cells, (edges, ops)."""
        return self._measure(draw, held_out=held_out, weights=False)

    def slopes(self, draw: Draw, *, held_out: bool) -> tuple[Tensor, list[Tensor]]:
        """The local costs, and the gradient of each of the weights; 0 where one takes no part."""
        kept = self._net.gradient.clone()
        cost = self._measure(draw, held_out=held_out, weights=True)
        slopes = [weight.grad.clone() for weight in self._net.parameters()]  # type: ignore[union-attr]
        self._net.gradient.copy_(kept)
        return cost, slopes

    def accuracy(self, draw: Draw) -> float:
        """The share of all held-out samples that is classified correctly; the host waits."""
        sums = self._samples.evaluate(self._net, draw)
        return sums.correct / sums.samples

    @contextmanager
    def moved(self, direction: Sequence[Tensor], by: float) -> Iterator[None]:
        """In here the weights are `w + by * direction`."""
        weights: list[Tensor] = list(self._net.parameters())
        kept = [weight.detach().clone() for weight in weights]
        try:
            with torch.no_grad():
                torch._foreach_add_(weights, list(direction), alpha=by)
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(weights, kept)

    def _measure(self, draw: Draw, *, held_out: bool, weights: bool) -> Tensor:
        x, y = self.held_out if held_out else self.train
        return measure(self._net, x, y, draw, weights=weights, amp=self._amp).cost.sum(0)
