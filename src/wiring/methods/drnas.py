"""DrNAS: Chen et al. 2021, arXiv:2006.10355."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wiring.methods.protocol import Context, Selected
from wiring.methods.selection import kept
from wiring.methods.settings import DrNASSettings
from wiring.space import Candidates, Draw


class DrNAS:
    """A sampled mixture, Z ~ Dirichlet(beta) with beta = elu(alpha) + 1, by pathwise gradients.

    Alpha also learns to keep beta near the flat distribution: `settings.anchor` times the
    divergence KL(Dirichlet(beta) || Dirichlet(1)), summed over the edges. The paper's progressive
    widening of the supernet is another matter and not here.
    """

    def __init__(self, settings: DrNASSettings | None = None) -> None:
        self.settings = settings or DrNASSettings()

    def draw(
        self,
        alpha: Tensor,
        candidates: Candidates,
        generator: torch.Generator,
        context: Context,  # noqa: ARG002
    ) -> Draw:
        """Sample a mixture; every allowed op is evaluated."""
        beta = _concentration(alpha).cpu()
        sizes = torch._standard_gamma(beta, generator).clamp(min=torch.finfo(beta.dtype).tiny)
        sizes = sizes.to(alpha.device) * candidates.mask
        return Draw(sizes / sizes.sum(-1, keepdim=True), candidates.columns)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,
        draw: Draw,
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """elu'(alpha) ((dZ/dbeta)^T C + anchor * dKL/dbeta), 0 on an edge with one op left."""
        beta, mask, z = _concentration(alpha), candidates.mask, draw.gates
        total = (beta * mask).sum(-1, keepdim=True)
        # dZ/dbeta_o moves Z_o by this much, and the others in proportion to what they have.
        own = torch._dirichlet_grad(z, beta, total.expand_as(beta))
        others = (z * cost).sum(-1, keepdim=True)
        pathwise = own * (cost - others)
        spread = torch.polygamma(1, beta) * (beta - 1)
        common = torch.polygamma(1, total) * ((beta - 1) * mask).sum(-1, keepdim=True)
        slope = torch.where(alpha.detach() > 0, 1.0, beta)
        found = slope * (pathwise + self.settings.anchor * (spread - common))
        return torch.where(mask & candidates.undecided, found, 0.0)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The mean mixture."""
        return Draw(self.probabilities(alpha, candidates), candidates.columns)

    def probabilities(self, alpha: Tensor, candidates: Candidates) -> Tensor:
        """The mean of the distribution, beta / sum beta."""
        beta = _concentration(alpha) * candidates.mask
        return beta / beta.sum(-1, keepdim=True)

    def select(self, alpha: Tensor, candidates: Candidates) -> Selected:
        """The strongest op of each edge, or the two strongest inputs of each node."""
        return kept(self.settings.keep, self.probabilities(alpha, candidates), candidates)


def _concentration(alpha: Tensor) -> Tensor:
    """Elu(alpha) + 1, never quite 0."""
    return (F.elu(alpha.detach()) + 1).clamp(min=1e-12)
