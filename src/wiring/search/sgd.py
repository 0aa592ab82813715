"""Stochastic gradient descent on weights of which many rest in a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class SGD:
    """Momentum and weight decay, after the gradient's norm is clipped: a few calls for all weights.

    Weights that take no part in a step are left alone by it: no momentum, no decay. This is
    PyTorch's own kernel; its optimizer looks at each weight several times a step, which on small
    maps takes as long as the gradients of a cell.

    Args:
        weights: what is optimised, (N).
        gradient: where their gradient is found, (N).
        momentum: of the running mean of gradients.
        weight_decay: times the weight, added to its gradient.
        grad_clip: largest norm of all gradients together; None: any.
    """

    def __init__(
        self,
        weights: Tensor,
        gradient: Tensor,
        momentum: float,
        weight_decay: float,
        grad_clip: float | None,
    ) -> None:
        self.momentum, self.weight_decay, self.grad_clip = momentum, weight_decay, grad_clip
        self._arrays = weights, gradient, torch.zeros_like(weights)

    @torch.no_grad()
    def step(self, lr: float, parts: Sequence[slice]) -> None:
        """Step along the gradient.

        Args:
            lr: learning rate.
            parts: the weights that take part.
        """
        weights, grads, buffers = ([array[part] for part in parts] for array in self._arrays)
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

    def state_dict(self) -> dict[str, Any]:
        """The momentum buffer."""
        return {"momentum": self._arrays[2]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self._arrays[2].copy_(state["momentum"])
