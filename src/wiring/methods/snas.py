"""SNAS: Xie et al. 2019, arXiv:1812.09926."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import gumbel, strongest, through_softmax
from wiring.methods.protocol import Context
from wiring.methods.settings import SNASSettings
from wiring.space import Candidates, Draw


class SNAS:
    """A relaxed sample, Z = softmax((alpha + G) / T) with Gumbel noise G and temperature T.

    T falls from epoch to epoch (`settings.temperature`), so that the samples become one-hot.
    """

    def __init__(self, settings: SNASSettings | None = None) -> None:
        self.settings = settings or SNASSettings()

    def draw(
        self, alpha: Tensor, candidates: Candidates, generator: torch.Generator, context: Context
    ) -> Draw:
        """Sample a mixture; every allowed op is evaluated."""
        logits = (alpha.detach() + gumbel(alpha, generator)) / self.settings.temperature.at(
            context.progress
        )
        z = logits.masked_fill(~candidates.mask, -torch.inf).softmax(-1)
        return Draw(z, candidates.columns)

    def gradient(
        self,
        alpha: Tensor,  # noqa: ARG002
        candidates: Candidates,  # noqa: ARG002
        draw: Draw,
        cost: Tensor,
        context: Context,
    ) -> Tensor:
        """The reparametrised gradient: (dZ/dalpha)^T C at the sampled noise.

        SNAS writes log softmax(alpha) where this has alpha: Z is the same, since a softmax does
        not see a constant, and so is its gradient.
        """
        return through_softmax(draw.gates, cost) / self.settings.temperature.at(context.progress)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The most probable op of each edge, which the samples tend to."""
        return strongest(alpha, candidates)
