"""PC-DARTS: Xu et al. 2020, arXiv:1907.05737."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from wiring.config import Edge
from wiring.config.search import AlphaConfig
from wiring.methods.common import probabilities, through_softmax
from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context, Optimizer, Selected, adam
from wiring.methods.selection import kept
from wiring.methods.settings import PCDARTSSettings
from wiring.space import Candidates, Draw


class PCDARTS(DARTS):
    """The mixture Z = b softmax(alpha), b the softmax of a parameter beta over a node's edges.

    Its partial channels are the space's (`space.partial`, 4 in the paper): any method may have
    them, and this one may do without. An edge with one op left is given, so it is taken whole and
    has no part in the softmax of its node. Beta starts uniform and learns by alpha's Adam;
    `alpha.grad_clip` bounds alpha's gradient alone. Both rest for the first
    `settings.warm_up` of the epochs.
    """

    def __init__(self, settings: PCDARTSSettings | None = None) -> None:
        self.settings = settings or PCDARTSSettings()
        super().__init__(self.settings)
        self.beta = torch.nn.Parameter(torch.empty(0, dtype=torch.float64))  # (edges)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The mixture, weighted by edge."""
        return Draw(self._strength(alpha, candidates), candidates.columns)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,
        draw: Draw,  # noqa: ARG002
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """By the chain rule b (dp/dalpha)^T C, and for beta (db/dbeta)^T of the edges' sum_o p C.

        What passes an edge by has the same part in the cost of all its ops: alpha does not see it,
        beta does.
        """
        p, b = probabilities(alpha.detach(), candidates), self.edge_weights(alpha, candidates)
        of_edge = (p * cost).sum(-1)
        shared = self._undecided(candidates) * b
        mean = _same_node(candidates.edges, alpha.device) @ (shared * of_edge)
        self.beta.grad = shared * (of_edge - mean)
        return b[:, None] * through_softmax(p, cost)

    def edge_weights(self, alpha: Tensor, candidates: Candidates) -> Tensor:
        """The weight b of each edge, (edges): of a node's undecided edges they sum to 1."""
        if not len(self.beta):
            self.beta.data = alpha.new_zeros(len(alpha))
        beta, undecided = self.beta.detach(), self._undecided(candidates)
        weight = (beta - beta.max()).exp() * undecided
        total = _same_node(candidates.edges, alpha.device) @ weight
        return torch.where(undecided, weight / total, 1.0)

    def select(self, alpha: Tensor, candidates: Candidates) -> Selected:
        """By b p: the strongest op of each edge, or the two strongest inputs of each node."""
        return kept(self.keep, self._strength(alpha, candidates), candidates)

    def optimizer(self, alpha: Tensor, config: AlphaConfig) -> Optimizer:
        """One Adam for both."""
        self.beta.data = alpha.detach().new_zeros(len(alpha))
        return adam(alpha, config, self.beta)

    def rests(self, context: Context) -> bool:
        """While it warms up."""
        return context.progress < self.settings.warm_up

    def state_dict(self) -> dict[str, Any]:
        """The edges' parameters."""
        return {"beta": self.beta.detach()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.beta.data.copy_(state["beta"])

    def _strength(self, alpha: Tensor, candidates: Candidates) -> Tensor:
        p = probabilities(alpha.detach(), candidates)
        return self.edge_weights(alpha, candidates)[:, None] * p

    @staticmethod
    def _undecided(candidates: Candidates) -> Tensor:
        return candidates.undecided[:, 0]


@lru_cache(maxsize=16)
def _same_node(edges: tuple[Edge, ...], device: torch.device) -> Tensor:
    """(edges, edges): 1 where two edges enter the same node."""
    targets = torch.tensor([edge.target for edge in edges], device=device)
    return (targets[:, None] == targets).double()
