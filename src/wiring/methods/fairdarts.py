"""FairDARTS: Chu et al. 2020, arXiv:1911.12126."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.protocol import Context, Selected
from wiring.methods.selection import best_inputs
from wiring.methods.settings import FairDARTSSettings
from wiring.space import Candidates, Draw


class FairDARTS:
    """Ops that do not compete: Z = sigmoid(alpha), each op by itself, without chance.

    The zero-one loss, -zero_one * mean (Z - 1/2)^2 over all gates, draws each away from 1/2.
    The paper's own space has no `none`: here `none` has a gate, no cost, and no say in what is
    kept.
    """

    def __init__(self, settings: FairDARTSSettings | None = None) -> None:
        self.settings = settings or FairDARTSSettings()

    def draw(
        self,
        alpha: Tensor,
        candidates: Candidates,
        generator: torch.Generator,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> Draw:
        """All allowed ops; nothing is drawn from the generator."""
        return self.evaluation(alpha, candidates)

    def gradient(
        self,
        alpha: Tensor,  # noqa: ARG002
        candidates: Candidates,
        draw: Draw,
        cost: Tensor,
        context: Context,  # noqa: ARG002
    ) -> Tensor:
        """sigmoid'(alpha) (C - zero_one * 2 (Z - 1/2) / n) over the n gates that are not given."""
        learning = candidates.mask & candidates.undecided
        z = draw.gates
        push = self.settings.zero_one * 2 * (z - 0.5) / learning.sum().clamp(min=1)
        return torch.where(learning, z * (1 - z) * (cost - push), 0.0)

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The gates themselves."""
        return Draw(self.probabilities(alpha, candidates), candidates.columns)

    def probabilities(self, alpha: Tensor, candidates: Candidates) -> Tensor:
        """sigmoid(alpha), which need not sum to 1; 1 for the one op left on an edge."""
        free = torch.where(candidates.undecided, alpha.detach().sigmoid(), 1.0)
        return free * candidates.mask

    def select(self, alpha: Tensor, candidates: Candidates) -> Selected:
        """Of each node the strongest inputs whose gate is above the threshold."""
        strength = self.probabilities(alpha, candidates)
        settings = self.settings
        return best_inputs(strength, candidates, settings.inputs, settings.threshold)
