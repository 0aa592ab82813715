"""GAEA: Li et al. 2021, arXiv:2004.07802."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.config.search import AlphaConfig
from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context, Optimizer
from wiring.space import Candidates, Draw


class GAEA(DARTS):
    """The mixture Z = theta on the simplex, by exponentiated gradient.

    theta <- theta exp(-lr C), normalised. With theta = softmax(alpha) this is plain descent of
    alpha along C, which is dL/dtheta: no Jacobian and no Adam. `alpha.lr` is its rate (the paper:
    0.1); betas and decay have no part in it.
    """

    def gradient(
        self,
        alpha: Tensor,  # noqa: ARG002
        candidates: Candidates,
        draw: Draw,  # noqa: ARG002
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """C itself, where there is a choice."""
        return torch.where(candidates.mask & candidates.undecided, cost, 0.0)

    def optimizer(self, alpha: Tensor, config: AlphaConfig) -> Optimizer:
        """Plain descent of log theta, up to a constant of each edge."""
        return torch.optim.SGD([alpha], config.lr)
