"""Measure local costs during the backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from wiring.config import SpaceConfig
from wiring.measure.samples import SampleStatistics
from wiring.space import Draw, plan_of

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
    """The local costs of every cell and term, from one backward pass of the batch-mean loss.

    The cost of a slot is C = sum over batch, channels and pixels of (dL/dX_j) * O(X_i) = dL/dZ
    (docs/science.md, the unified view). It is linear in dL/dX_j, so its direct part (through the
    concatenation) and its path part (through the edges that leave j) add up to it; and it is a sum
    over samples, so weighting the samples splits it, e.g. into correct and wrong ones.

    Args:
        space: the search space.
        draw: what the pass evaluates.
        split: the weightings.

    Attributes:
        direct: (M, cells, terms), the direct part of each weighted cost, after the backward pass.
        path: (M, cells, terms), the path part. The terms are the plan's slots, then what passes
            its edges by.
    """

    def __init__(self, space: SpaceConfig, draw: Draw, split: Split = by_outcome) -> None:
        plan = plan_of(space, draw.active)
        self._shape = (space.cells, len(plan.slots) + len(plan.passed))
        self._split = split
        self._weights: Tensor | None = None
        self._parts = torch.empty(2, 0)
        self.direct, self.path = self._parts.unbind()

    def weigh(self, statistics: SampleStatistics) -> None:
        """Fix the weightings; between the forward and the backward pass."""
        self._weights = self._split(statistics)
        shape = (len(self._weights), *self._shape)
        self._parts = self._weights.new_zeros(2, *shape, dtype=torch.float64)
        self.direct, self.path = self._parts.unbind()

    @property
    def weights(self) -> Tensor:
        """The weightings, (M, B)."""
        if self._weights is None:
            raise RuntimeError("call CostProbe.weigh before the backward pass")
        return self._weights

    def observe(self, cell: int, first: int, costs: Tensor) -> None:
        """Take one node's share (see :class:`wiring.space.Probe`)."""
        self._parts[:, :, cell, first : first + len(costs)] = costs.permute(1, 2, 0)
