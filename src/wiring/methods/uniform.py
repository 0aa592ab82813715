"""Uniform sampling, without any learning: what the paper's cost studies (E2, E3, E4, E6) use."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import sample
from wiring.methods.protocol import Context
from wiring.space import Candidates, Draw

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
        return sample(candidates.mask.to(alpha.dtype), generator)

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
        return sample(candidates.mask.to(alpha.dtype), torch.Generator().manual_seed(_EVALUATED))
