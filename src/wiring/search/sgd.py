"""Stochastic gradient descent on weights of which many rest in a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class SGD:
    """Momentum and weight decay, after the gradient's norm is clipped: a few calls for all weights.

    A weight without a gradient takes no part in a step: no momentum, no decay. This is PyTorch's
    own kernel; its optimizer and its clipping look at each weight several times a step, which on
    small maps takes as long as the gradients of a cell.

    Args:
        weights: what is optimised.
        momentum: of the running mean of gradients.
        weight_decay: times the weight, added to its gradient.
        grad_clip: largest norm of all gradients together; None: any.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        momentum: float,
        weight_decay: float,
        grad_clip: float | None,
    ) -> None:
        self.momentum, self.weight_decay, self.grad_clip = momentum, weight_decay, grad_clip
        self._weights = list(weights)
        self._buffers = [torch.zeros_like(weight) for weight in self._weights]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Step along the gradients that there are, and forget them."""
        weights: list[Tensor] = []
        grads: list[Tensor] = []
        buffers: list[Tensor] = []
        for weight, buffer in zip(self._weights, self._buffers, strict=True):
            if weight.grad is not None:
                weights.append(weight)
                grads.append(weight.grad)
                buffers.append(buffer)
                weight.grad = None
        if not weights:
            return
        scale: Tensor | None = None
        if self.grad_clip is not None:
            norm = torch.stack(torch._foreach_norm(grads)).norm()
            # The kernel divides gradients by this; it wants it in single precision.
            scale = ((norm + 1e-6) / self.grad_clip).clamp_(min=1).float()
        torch._fused_sgd_(
            weights,
            grads,
            buffers,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0,
            nesterov=False,
            maximize=False,
            is_first_step=False,
            grad_scale=scale,
        )
        # The kernel changes weights without a word to those who remember what they made of them.
        torch.autograd.graph.increment_version(weights)

    def state_dict(self) -> dict[str, Any]:
        """The momentum buffers, in the order of the weights."""
        return {"momentum": list(self._buffers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        with torch.no_grad():
            for own, saved in zip(self._buffers, state["momentum"], strict=True):
                own.copy_(saved)
