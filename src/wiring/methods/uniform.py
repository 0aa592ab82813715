"""Uniform sampling, without any learning: what the paper's cost studies (E2, E3, E4, E6) use."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import one_hot
from wiring.methods.protocol import Context
from wiring.space import Candidates, Draw, active_mask

_EVALUATED = 0
"""Seed of the one cell that is evaluated: the same for all searches of a space."""


class Uniform:
    """One op an edge, each allowed one alike; alpha plays no part."""

    def draw(
        self,
        alpha: Tensor,
        candidates: Candidates,
        generator: torch.Generator,
        context: Context,  # noqa: ARG002
    ) -> Draw:
        """Sample one op an edge."""
        return _drawn(alpha, candidates, generator)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,  # noqa: ARG002
        draw: Draw,  # noqa: ARG002
        cost: Tensor,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """Zero."""
        return torch.zeros_like(alpha)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """One cell that was sampled once and for all."""
        return _drawn(alpha, candidates, torch.Generator().manual_seed(_EVALUATED))


def _drawn(alpha: Tensor, candidates: Candidates, generator: torch.Generator) -> Draw:
    """One op an edge; the host knows the candidates, so it waits for no device."""
    weights = active_mask(candidates.columns, (alpha.shape[0], alpha.shape[1]), torch.device("cpu"))
    return one_hot(torch.multinomial(weights, 1, generator=generator)[:, 0], alpha)
