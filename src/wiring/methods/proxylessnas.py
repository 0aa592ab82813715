"""ProxylessNAS: Cai et al. 2019, arXiv:1812.00332."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wiring.config.search import AlphaConfig
from wiring.methods.common import gumbel, probabilities, sample, strongest, through_softmax
from wiring.methods.protocol import Context, Optimizer, adam
from wiring.methods.settings import ProxylessNASSettings
from wiring.space import Candidates, Draw, active_mask


class ProxylessNAS:
    """Binary gates: one op an edge is used, and alpha learns from two sampled ones.

    Where alpha learns, two ops of an edge are sampled without replacement; the gate opens for one
    of them by their probabilities rescaled to the two, q = softmax(alpha of the two), and the
    gradient of the binary gates stands in for that of q (BinaryConnect's estimator; section 3.2
    of the paper). Elsewhere one op an edge is sampled from softmax(alpha).

    The paper also rescales the two updated alphas so that the others keep their probability
    (`settings.rescale`); as in docs/science.md's account, which has only the two paths and the
    gates, that is left out by default. It is no small thing: the shift is q . d for an update d of
    the pair. The gradients of the two sum to zero, so under plain descent it is q_1 - q_2 of the
    update; Adam scales the two apart, and in this project's searches it was about 21% of the
    pair's mean update.
    """

    def __init__(self, settings: ProxylessNASSettings | None = None) -> None:
        self.settings = settings or ProxylessNASSettings()
        self.pair: Tensor | None = None  # (edges, ops) bool, of the last gradient

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
        gradient = through_softmax(q / q.sum(-1, keepdim=True), cost)
        none = candidates.column("none")
        if self.settings.rest_where_none and none is not None:
            learns = draw.gates[:, none : none + 1] == 0
            gradient, taken = gradient * learns, taken * learns
        self.pair = taken > 0
        return gradient

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The most probable op of each edge."""
        return strongest(alpha, candidates)

    def optimizer(self, alpha: Tensor, config: AlphaConfig) -> Optimizer | None:
        """Adam, with the shift after its step if that is asked for."""
        return _Rescaled(self, alpha, config) if self.settings.rescale else None


class _Rescaled:
    """Adam; then the alphas of each pair are shifted so that their sum of exponentials stays."""

    def __init__(self, method: ProxylessNAS, alpha: Tensor, config: AlphaConfig) -> None:
        self._method, self._alpha, self._adam = method, alpha, adam(alpha, config)

    @torch.no_grad()
    def step(self) -> None:
        pair = self._method.pair
        assert pair is not None
        before = self._mass(pair)
        self._adam.step()
        shift = before - self._mass(pair)
        self._alpha += torch.where(pair, shift, 0.0)

    def _mass(self, pair: Tensor) -> Tensor:
        """The logarithm of the pair's sum, (edges, 1)."""
        return self._alpha.masked_fill(~pair, -torch.inf).logsumexp(-1, keepdim=True)

    def state_dict(self) -> dict[str, Any]:
        return self._adam.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._adam.load_state_dict(state_dict)
