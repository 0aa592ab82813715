"""beta-DARTS: Ye et al. 2022, arXiv:2203.01665."""

from __future__ import annotations

from torch import Tensor

from wiring.methods.common import probabilities
from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context
from wiring.methods.settings import BetaDARTSSettings
from wiring.space import Candidates, Draw


class BetaDARTS(DARTS):
    """DARTS whose alpha also learns a small mean log-sum-exp, with a weight that grows.

    The mean is over the edges that have more than one op left.
    """

    def __init__(self, settings: BetaDARTSSettings | None = None) -> None:
        self.settings = settings or BetaDARTSSettings()
        super().__init__(self.settings)

    def gradient(
        self, alpha: Tensor, candidates: Candidates, draw: Draw, cost: Tensor, context: Context
    ) -> Tensor:
        """(dZ/dalpha)^T C + l p / E: a log-sum-exp has the gradient p = softmax(alpha)."""
        undecided = candidates.undecided
        decay = probabilities(alpha.detach(), candidates) * undecided
        mean = decay / undecided.sum().clamp(min=1)
        weight = self.settings.weight.at(context.progress)
        return super().gradient(alpha, candidates, draw, cost, context) + weight * mean
