"""What the search asks of a method, and what a method may ask of the search."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from wiring.config import AlphaConfig, plugins
from wiring.config.search import MethodSettings, settings_model
from wiring.space import Candidates, Draw

Selected = tuple[int | None, ...]
"""Per edge, the column of the op that is kept; None where the edge is not."""


class Loss(Protocol):
    """The loss of the step's own two batches, beyond the one pass that every step makes.

    Single-level, both are the same batch, and all samples count as held out. Whatever is asked
    here, the weights and their gradients are afterwards what they were, to the bit.

    Attributes:
        rate: the weights' present learning rate.
    """

    rate: float

    def cost(self, draw: Draw, *, held_out: bool) -> Tensor:
        """The local costs dL/dZ summed over the cells, (edges, ops), at these gates."""

    def slopes(self, draw: Draw, *, held_out: bool) -> tuple[Tensor, list[Tensor]]:
        """The local costs, and the gradient of each of the weights, at these gates."""

    def accuracy(self, draw: Draw) -> float:
        """The share of all held-out samples that is classified correctly at these gates."""

    def moved(self, direction: Sequence[Tensor], by: float) -> AbstractContextManager[None]:
        """In here the weights are `w + by * direction`."""


@dataclass(frozen=True)
class Context:
    """When and what for gates are drawn.

    Attributes:
        learns: whether alpha learns from this draw; else only the weights do (bi-level).
        progress: share of the epochs done, 0 to 1.
        epochs: epochs of training done.
        loss: further passes over the step's batches, for a method with `wants_loss`.
    """

    learns: bool = True
    progress: float = 0.0
    epochs: int = 0
    loss: Loss | None = None


class Method(Protocol):
    """A differentiable NAS method in the unified form of docs/science.md.

    A method says how gates Z are drawn from alpha, and how the local costs C = dL/dZ become the
    gradient of alpha. The search does the rest. Every tensor here is (edges, ops), of alpha's
    dtype; an op that is not among the candidates must get gate 0 and gradient 0, and an edge with
    one candidate takes it whole.

    These three functions are enough. What a method may bring besides stands in
    :class:`wiring.methods.hooks.Hooks`; `wiring check METHOD` tries all of it.
    """

    def draw(
        self, alpha: Tensor, candidates: Candidates, generator: torch.Generator, context: Context
    ) -> Draw:
        """Draw the gates of one step; `generator` is on the CPU, so draws are the same anywhere."""

    def gradient(
        self, alpha: Tensor, candidates: Candidates, draw: Draw, cost: Tensor, context: Context
    ) -> Tensor:
        """Alpha's gradient from the costs, summed over the cells, of what was drawn."""

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The gates that the method is evaluated with, without chance."""


class Optimizer(Protocol):
    """What turns `alpha.grad` into a step of alpha."""

    def step(self) -> Any:
        """Change alpha in place."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on: tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Go on where :meth:`state_dict` was taken."""


def adam(alpha: Tensor, config: AlphaConfig, *others: Tensor) -> Optimizer:
    """The published protocol's optimizer of alpha, and of what a method learns beside it."""
    return torch.optim.Adam(
        [alpha, *others],
        config.lr,
        (config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )


def load_method(name: str, settings: MethodSettings | None = None) -> Method:
    """Load the method registered under the entry-point group `wiring.methods`.

    Args:
        name: the method's.
        settings: its own, handed to its class if it has a model of them; its defaults when absent.

    Raises:
        InputError: no method has that name, or it cannot be imported.
    """
    made = plugins.load(plugins.METHODS, name)
    model = settings_model(name)
    if not model.model_fields:
        return cast("Method", made())
    return cast("Method", made(settings or model()))
