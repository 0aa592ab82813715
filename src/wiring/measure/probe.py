"""Measure local costs during the backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wiring.config import SpaceConfig
from wiring.measure.samples import SampleStatistics
from wiring.space import Draw, plan_of
from wiring.space.spatial import weighted_dots

Split = Callable[[SampleStatistics], Tensor]
"""Weightings (M, B) of a batch's samples, known once they are classified."""


def by_outcome(statistics: SampleStatistics) -> Tensor:
    """Two weightings: the correctly classified samples, the wrongly classified ones."""
    return torch.stack([statistics.correct, ~statistics.correct])


def one_by_one(statistics: SampleStatistics) -> Tensor:
    """A weighting for each sample."""
    correct = statistics.correct
    return torch.eye(len(correct), dtype=torch.bool, device=correct.device)


class CostProbe:
    """The local costs of every cell and slot, from one backward pass of the batch-mean loss.

    The cost of a slot is C = sum over batch, channels and pixels of (dL/dX_j) * O(X_i) = dL/dZ
    (docs/science.md, the unified view). It is linear in dL/dX_j, so its direct part (through the
    concatenation) and its path part (through the edges that leave j) add up to it; and it is a sum
    over samples, so weighting the samples splits it, e.g. into correct and wrong ones.

    Args:
        space: the search space.
        draw: what the pass evaluates.
        split: the weightings.

    Attributes:
        direct: (M, cells, slots), the direct part of each weighted cost, after the backward pass.
        path: (M, cells, slots), the path part.
    """

    def __init__(self, space: SpaceConfig, draw: Draw, split: Split = by_outcome) -> None:
        self._shape = (space.cells, len(plan_of(space, draw.active).slots))
        self._split = split
        self._weights: Tensor | None = None
        self.direct = self.path = torch.empty(0)

    def weigh(self, statistics: SampleStatistics) -> None:
        """Fix the weightings; between the forward and the backward pass."""
        self._weights = self._split(statistics)
        shape = (len(self._weights), *self._shape)
        self.direct = self._weights.new_zeros(shape, dtype=torch.float64)
        self.path = torch.zeros_like(self.direct)

    def observe(
        self,
        cell: int,
        first: int,
        blocks: list[Tensor],
        direct: Tensor | None,
        path: Tensor | None,
    ) -> None:
        """Take one node's share (see :class:`wiring.space.Probe`)."""
        if self._weights is None:
            raise RuntimeError("call CostProbe.weigh before the backward pass")
        parts = [
            (gradient, costs)
            for gradient, costs in ((direct, self.direct), (path, self.path))
            if gradient is not None
        ]
        dots = weighted_dots([gradient for gradient, _ in parts], blocks, self._weights)
        for (_, costs), own in zip(parts, dots, strict=True):
            costs[:, cell, first : first + own.shape[1]] = own
