"""Measure local costs during the backward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.space.spatial import weighted_dots


class CostProbe:
    """The local costs of every cell and slot, from one backward pass of the batch-mean loss.

    The cost of a slot is C = sum over batch, channels and pixels of (dL/dX_j) * O(X_i) = dL/dZ
    (PAPER.md, the unified view). It is linear in dL/dX_j, so its direct part (through the
    concatenation) and its path part (through the edges that leave j) add up to it; and it is a sum
    over samples, so weighting the samples splits it, e.g. into correct and wrong ones.

    Attributes:
        weights: (M, B): the weightings of the samples; set it before the backward pass.
        direct: (M, cells, slots), the direct part of each weighted cost.
        path: (M, cells, slots), the path part.
    """

    def __init__(self, cells: int, slots: int, weightings: int, device: torch.device) -> None:
        shape = (weightings, cells, slots)
        self.weights: Tensor | None = None
        self.direct = torch.zeros(shape, device=device, dtype=torch.float64)
        self.path = torch.zeros(shape, device=device, dtype=torch.float64)

    def observe(
        self,
        cell: int,
        first: int,
        blocks: list[Tensor],
        direct: Tensor | None,
        path: Tensor | None,
    ) -> None:
        """Take one node's share (see :class:`wiring.space.Probe`)."""
        if self.weights is None:
            raise RuntimeError("set CostProbe.weights before the backward pass")
        parts = [
            (gradient, costs)
            for gradient, costs in ((direct, self.direct), (path, self.path))
            if gradient is not None
        ]
        dots = weighted_dots([gradient for gradient, _ in parts], blocks, self.weights)
        for (_, costs), own in zip(parts, dots, strict=True):
            costs[:, cell, first : first + own.shape[1]] = own
