"""DARTS, first order: Liu et al. 2019, arXiv:1806.09055."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import probabilities
from wiring.space import Candidates, Draw


class DARTS:
    """The mixture Z = softmax(alpha), without chance."""

    def draw(self, alpha: Tensor, candidates: Candidates, generator: torch.Generator) -> Draw:  # noqa: ARG002
        """The mixture of all allowed ops; nothing is drawn from the generator."""
        return self.evaluation(alpha, candidates)

    def gradient(self, alpha: Tensor, candidates: Candidates, draw: Draw, cost: Tensor) -> Tensor:  # noqa: ARG002
        """The reparametrised twin: dL/dalpha = (dZ/dalpha)^T C with Z = softmax(alpha).

        For a softmax that is p * (C - sum_o p C).
        """
        p = probabilities(alpha.detach(), candidates)
        return p * (cost - (p * cost).sum(-1, keepdim=True))

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The mixture itself."""
        return Draw(probabilities(alpha.detach(), candidates), candidates.columns)
