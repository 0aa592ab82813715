"""DSNAS: Hu et al. 2020, arXiv:2002.09128."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import one_hot, probabilities, strongest
from wiring.space import Candidates, Draw


class DSNAS:
    """One op an edge, Z one-hot ~ softmax(alpha), by the score-function gradient."""

    def draw(self, alpha: Tensor, candidates: Candidates, generator: torch.Generator) -> Draw:
        """Sample one op an edge.

        The host must know the sampled ops to run only these: it waits for alpha here, between
        two steps, and nowhere inside one.
        """
        with torch.no_grad():
            p = probabilities(alpha, candidates).cpu()
            return one_hot(torch.multinomial(p, 1, generator=generator)[:, 0], alpha)

    def gradient(self, alpha: Tensor, candidates: Candidates, draw: Draw, cost: Tensor) -> Tensor:
        """grad_alpha log p(Z) * C = (Z - softmax(alpha)) * C of the sampled op, edge by edge."""
        sampled = (draw.gates * cost).sum(-1, keepdim=True)
        return (draw.gates - probabilities(alpha.detach(), candidates)) * sampled

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The most probable op of each edge."""
        return strongest(alpha, candidates)
