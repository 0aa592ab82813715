"""DARTS, second order: Liu et al. 2019, arXiv:1806.09055, equations 7 and 8."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.methods.common import probabilities, through_softmax
from wiring.methods.darts import DARTS
from wiring.methods.protocol import Context
from wiring.methods.settings import DARTSSecondSettings
from wiring.space import Candidates, Draw


class DARTSSecond(DARTS):
    """DARTS whose alpha looks one step of the weights ahead: w' = w - xi grad_w L_train.

    dL_val(w', alpha)/dalpha, less xi times the mixed second derivative of L_train along
    v = grad_w' L_val, which is the difference of alpha's gradients at w + eps v and w - eps v over
    2 eps, eps = `settings.epsilon` / |v|. xi is the weights' learning rate. A step of alpha makes
    four passes more than the search's own.
    """

    wants_loss = True

    def __init__(self, settings: DARTSSecondSettings | None = None) -> None:
        self.settings = settings or DARTSSecondSettings()
        super().__init__(self.settings)

    def gradient(
        self,
        alpha: Tensor,
        candidates: Candidates,
        draw: Draw,
        cost: Tensor,  # noqa: ARG002
        context: Context,
    ) -> Tensor:
        """(dZ/dalpha)^T of the costs at w', less xi times those differences."""
        loss = context.loss
        assert loss is not None
        _, step = loss.slopes(draw, held_out=False)
        with loss.moved(step, -loss.rate):
            ahead, v = loss.slopes(draw, held_out=True)
        norm = float(torch.stack(torch._foreach_norm(v)).norm())
        if norm > 0:
            eps = self.settings.epsilon / norm
            with loss.moved(v, eps):
                plus = loss.cost(draw, held_out=False)
            with loss.moved(v, -eps):
                minus = loss.cost(draw, held_out=False)
            ahead = ahead - loss.rate * (plus - minus) / (2 * eps)
        return through_softmax(probabilities(alpha.detach(), candidates), ahead)
