"""DARTS, first order: Liu et al. 2019, arXiv:1806.09055."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import probabilities, through_softmax
from wiring.methods.protocol import Context, Selected
from wiring.methods.selection import kept
from wiring.methods.settings import KeepSettings
from wiring.space import Candidates, Draw


class DARTS:
    """The mixture Z = softmax(alpha), without chance."""

    def __init__(self, settings: KeepSettings | None = None) -> None:
        self.keep = (settings or KeepSettings()).keep

    def draw(
        self,
        alpha: Tensor,
        candidates: Candidates,
        generator: torch.Generator,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> Draw:
        """The mixture of all allowed ops; nothing is drawn from the generator."""
        return self.evaluation(alpha, candidates)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,
        draw: Draw,  # noqa: ARG002
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """The reparametrised twin: dL/dalpha = (dZ/dalpha)^T C with Z = softmax(alpha)."""
        return through_softmax(probabilities(alpha.detach(), candidates), cost)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The mixture itself."""
        return Draw(probabilities(alpha.detach(), candidates), candidates.columns)

    def select(self, alpha: Tensor, candidates: Candidates) -> Selected:
        """The strongest op of each edge, or DARTS's two inputs a node."""
        return kept(self.keep, probabilities(alpha.detach(), candidates), candidates)
