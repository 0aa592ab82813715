"""GDAS: Dong and Yang 2019, arXiv:1910.04465."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wiring.methods.common import gumbel, one_hot, probabilities, strongest, through_softmax
from wiring.methods.protocol import Context, Selected
from wiring.methods.selection import kept
from wiring.methods.settings import GDASSettings
from wiring.space import Candidates, Draw


class GDAS:
    """One op an edge, the largest of h = softmax((alpha + G) / T) with Gumbel noise G.

    The sample is one of softmax(alpha) at any T. Alpha learns through h as if it had been the
    gates (straight through); an op that was not taken was not evaluated and has no cost.
    """

    def __init__(self, settings: GDASSettings | None = None) -> None:
        self.settings = settings or GDASSettings()

    def draw(
        self, alpha: Tensor, candidates: Candidates, generator: torch.Generator, context: Context
    ) -> Draw:
        """Sample one op an edge, and remember h."""
        logits = alpha.detach() + gumbel(alpha, generator)
        logits = logits.masked_fill(~candidates.mask, -torch.inf)
        h = (logits / self.settings.temperature.at(context.progress)).softmax(-1)
        # The host must know the sampled ops to run only these: it waits here.
        return replace(one_hot(logits.argmax(-1).cpu(), alpha), memory=h)

    def gradient(
        self,
        alpha: Tensor,  # noqa: ARG002
        candidates: Candidates,  # noqa: ARG002
        draw: Draw,
        cost: Tensor,
        context: Context,
    ) -> Tensor:
        """(dh/dalpha)^T C, C the cost of the op that was taken."""
        temperature = self.settings.temperature.at(context.progress)
        return through_softmax(draw.memory, cost * draw.gates) / temperature

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The most probable op of each edge."""
        return strongest(alpha, candidates)

    def select(self, alpha: Tensor, candidates: Candidates) -> Selected:
        """The strongest op of each edge, or the two strongest inputs of each node."""
        return kept(self.settings.keep, probabilities(alpha, candidates), candidates)
