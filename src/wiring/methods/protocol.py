"""What the search asks of a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor

from wiring.config import plugins
from wiring.config.search import MethodSettings, settings_model
from wiring.space import Candidates, Draw


@dataclass(frozen=True)
class Context:
    """When and what for gates are drawn.

    Attributes:
        learns: whether alpha learns from this draw; else only the weights do (bi-level).
        progress: share of the epochs done, 0 to 1.
    """

    learns: bool = True
    progress: float = 0.0


class Method(Protocol):
    """A differentiable NAS method in the unified form of docs/science.md.

    A method says how gates Z are drawn from alpha, and how the local costs C = dL/dZ become the
    gradient of alpha. The search does the rest. Every tensor here is (edges, ops); an op that is
    not among the candidates must get gate 0 and gradient 0.
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
