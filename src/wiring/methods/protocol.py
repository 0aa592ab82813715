"""What the search asks of a method."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, cast

import torch
from torch import Tensor

from wiring.space import Candidates, Draw


@dataclass(frozen=True)
class Moment:
    """When and what for gates are drawn.

    Attributes:
        learns: whether alpha learns from this draw; else only the weights do (bi-level).
        progress: share of the epochs done, 0 to 1.
        temperature: of a relaxed draw, by the schedule in `alpha.temperature`.
    """

    learns: bool = True
    progress: float = 0.0
    temperature: float = 1.0


class Method(Protocol):
    """A differentiable NAS method in the unified form of PAPER.md.

    A method says how gates Z are drawn from alpha, and how the local costs C = dL/dZ become the
    gradient of alpha. The search does the rest. Every tensor here is (edges, ops); an op that is
    not among the candidates must get gate 0 and gradient 0.
    """

    def draw(
        self, alpha: Tensor, candidates: Candidates, generator: torch.Generator, moment: Moment
    ) -> Draw:
        """Draw the gates of one step; `generator` is on the CPU, so draws are the same anywhere."""

    def gradient(
        self, alpha: Tensor, candidates: Candidates, draw: Draw, cost: Tensor, moment: Moment
    ) -> Tensor:
        """Alpha's gradient from the costs, summed over the cells, of what was drawn at `moment`."""

    def evaluation(self, alpha: Tensor, candidates: Candidates) -> Draw:
        """The gates that the method is evaluated with, without chance."""


def load_method(name: str) -> Method:
    """Load the method registered under the entry-point group `wiring.methods`.

    Raises:
        LookupError: no method has that name.
    """
    found = {point.name: point for point in entry_points(group="wiring.methods")}
    if name not in found:
        raise LookupError(f"unknown method {name!r}, expected one of {', '.join(sorted(found))}")
    return cast("Method", found[name].load()())
