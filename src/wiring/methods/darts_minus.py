"""DARTS-: Chu et al. 2021, arXiv:2009.01027."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context
from wiring.methods.settings import DARTSMinusSettings
from wiring.space import Candidates, Draw


class DARTSMinus(DARTS):
    """DARTS beside an auxiliary skip connection on each edge, whose weight b falls to 0.

    Z = softmax(alpha) + b on skip_connect. Where an edge may not skip, or has one op left, there is
    no auxiliary one either.
    """

    def __init__(self, settings: DARTSMinusSettings | None = None) -> None:
        self.settings = settings or DARTSMinusSettings()
        super().__init__(self.settings)

    def draw(
        self, alpha: Tensor, candidates: Candidates, generator: torch.Generator, context: Context
    ) -> Draw:
        """The mixture and the auxiliary skip connection; nothing is drawn from the generator."""
        draw = super().draw(alpha, candidates, generator, context)
        column = candidates.column("skip_connect")
        if column is not None:
            allowed = candidates.mask[:, column] & candidates.undecided[:, 0]
            # Not by indices: the host would wait for the device to learn how many are allowed.
            weight = self.settings.skip.at(context.progress)
            draw.gates[:, column] += allowed.to(draw.gates.dtype) * weight
        return draw
