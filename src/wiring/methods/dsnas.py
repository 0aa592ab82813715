"""DSNAS: Hu et al. 2020, arXiv:2002.09128."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import probabilities, sample, strongest
from wiring.methods.protocol import Context
from wiring.methods.settings import DSNASSettings
from wiring.space import Candidates, Draw


class DSNAS:
    """One op an edge, Z one-hot ~ softmax(alpha), by the score-function gradient."""

    def __init__(self, settings: DSNASSettings | None = None) -> None:
        self.settings = settings or DSNASSettings()

    def draw(
        self,
        alpha: Tensor,
        candidates: Candidates,
        generator: torch.Generator,
        context: Context,  # noqa: ARG002
    ) -> Draw:
        """Sample one op an edge."""
        return sample(probabilities(alpha.detach(), candidates), generator)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,
        draw: Draw,
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """grad_alpha log p(Z) * C = (Z - softmax(alpha)) * C of the sampled op, edge by edge."""
        p = probabilities(alpha.detach(), candidates)
        sampled = (draw.gates * cost).sum(-1, keepdim=True)
        score = (draw.gates - p) * sampled
        if not self.settings.one_log:
            return score
        taken = (draw.gates * p).sum(-1, keepdim=True)
        return taken / taken.mean() * score

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The most probable op of each edge."""
        return strongest(alpha, candidates)
