"""ProxylessNAS: Cai et al. 2019, arXiv:1812.00332."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import gumbel, probabilities, sample, strongest, through_softmax
from wiring.methods.protocol import Context
from wiring.space import Candidates, Draw, active_mask


class ProxylessNAS:
    """Binary gates: one op an edge is used, and alpha learns from two sampled ones.

    Where alpha learns, two ops of an edge are sampled without replacement; the gate opens for one
    of them by their probabilities rescaled to the two, q = softmax(alpha of the two), and the
    gradient of the binary gates stands in for that of q (BinaryConnect's estimator; section 3.2
    of the paper). Elsewhere one op an edge is sampled from softmax(alpha).

    The paper also rescales the two updated alphas so that the others keep their probability; as
    in docs/science.md's account, which has only the two paths and the gates, that is left out: the
    gradients of the two sum to zero, so it would change the update in second order only.
    """

    def draw(
        self, alpha: Tensor, candidates: Candidates, generator: torch.Generator, context: Context
    ) -> Draw:
        """Sample two ops an edge and open one gate, or sample one op.

        The host waits for alpha here, as in :func:`wiring.methods.common.sample`.
        """
        p = probabilities(alpha.detach(), candidates)
        if not context.learns:
            return sample(p, generator)
        p = p.cpu()
        # The two largest of log p + Gumbel noise are a sample without replacement.
        pair = (p.log() + gumbel(p, generator)).topk(min(2, p.shape[1])).indices.sort().values
        q = p.gather(1, pair)
        opened = pair.gather(1, torch.multinomial(q, 1, generator=generator))
        gates = torch.zeros_like(p).scatter_(1, opened, 1.0)
        # An edge with a single candidate: its partner has probability 0 and is none at all.
        active = tuple(
            tuple(c for c, weight in zip(columns, weights, strict=True) if weight > 0)
            for columns, weights in zip(pair.tolist(), q.tolist(), strict=True)
        )
        resting = tuple(
            tuple(c for c in columns if c != own)
            for columns, own in zip(active, opened[:, 0].tolist(), strict=True)
        )
        return Draw(gates.to(alpha.device, non_blocking=True), active, resting=resting)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,
        draw: Draw,
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """(dq/dalpha)^T C over the two sampled ops: q * (C - sum q C), 0 for the others."""
        taken = active_mask(draw.active, tuple(alpha.shape), alpha.device)
        q = probabilities(alpha.detach(), candidates) * taken
        return through_softmax(q / q.sum(-1, keepdim=True), cost)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The most probable op of each edge."""
        return strongest(alpha, candidates)
