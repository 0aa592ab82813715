"""Ask a method who pays: its gradient at made-up costs, with nothing trained.

What is found is a property of its mathematics, to be held beside what its searches do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from wiring.config import SpaceConfig
from wiring.config.search import MethodSettings
from wiring.methods import chance
from wiring.methods.charge import EXACT, Charge
from wiring.methods.hooks import Hooks
from wiring.methods.protocol import Context, Method, load_method
from wiring.space import Candidates, Draw, active_mask

CPU = torch.device("cpu")
DRAWS = 200
"""Draws over which answers are averaged."""
STEP = 1e-4
"""Length of the step of alpha by which the probabilities' answer is a difference."""


class _Given:
    """Further passes for the methods that ask for them: all have the given costs."""

    rate = 0.0

    def __init__(self, cost: Tensor) -> None:
        self._cost = cost

    def cost(self, draw: Draw, *, held_out: bool) -> Tensor:  # noqa: ARG002
        return self._cost

    def slopes(self, draw: Draw, *, held_out: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: ARG002
        return self._cost, [torch.zeros(1)]

    def accuracy(self, draw: Draw) -> float:  # noqa: ARG002
        return 0.5

    @contextmanager
    def moved(self, direction: Sequence[Tensor], by: float) -> Iterator[None]:  # noqa: ARG002
        yield


def charge(name: str, settings: MethodSettings | None = None) -> Charge:
    """Ask a method for its gradient at made-up costs; the global generators stay as they are.

    Args:
        name: a method that `wiring check` finds nothing wrong with.
        settings: its own; its defaults when absent.
    """
    before = chance.states()
    try:
        return charge_of(load_method(name, settings))
    finally:
        chance.restore(before)


def charge_of(method: Method) -> Charge:
    """As :func:`charge`, of a method that is made already."""
    hooks, candidates = Hooks.of(method), Candidates.of(SpaceConfig(), CPU)
    shape = (len(candidates.edges), len(candidates.ops))
    start = torch.zeros(shape, dtype=torch.float64)
    none = candidates.ops.index("none")
    real = [column for column in range(shape[1]) if column != none]
    generator = torch.Generator().manual_seed(0)

    def gradient(alpha: Tensor, draw: Draw, cost: Tensor) -> Tensor:
        context = Context(True, 0.5, 1, _Given(cost) if hooks.wants_loss else None)
        given = method.gradient(torch.nn.Parameter(alpha), candidates, draw, cost, context)
        return given.detach()

    def drawn(alpha: Tensor) -> Draw:
        context = Context(True, 0.5, 1, _Given(torch.zeros(shape)) if hooks.wants_loss else None)
        return method.draw(torch.nn.Parameter(alpha), candidates, generator, context)

    answers, evaluated = torch.zeros(2, dtype=torch.float64), 0.0
    slope = torch.zeros(shape, dtype=torch.float64)
    for _ in range(DRAWS):
        draw = drawn(start)
        active = active_mask(draw.active, shape, CPU)
        evaluated += float(active.sum()) / shape[0]
        nothing = gradient(start, draw, torch.zeros(shape, dtype=torch.float64))
        for column in real:
            cost = torch.zeros(shape, dtype=torch.float64)
            cost[:, column] = active[:, column]
            answer = gradient(start, draw, cost) - nothing
            taken = draw.gates[:, column] > 0
            size = answer.abs().sum(1)
            answers += torch.stack([size[taken].sum(), size[~taken].sum()])
            slope += answer
    strength = [
        hooks.probabilities(start + sign * STEP * slope / DRAWS, candidates).log()
        for sign in (1, -1)
    ]
    change = (strength[1] - strength[0]) / (2 * STEP)
    gains = change[:, none] - change[:, real].mean(1)
    uneven = torch.randn(shape, generator=generator, dtype=torch.float64)
    push = gradient(uneven, drawn(uneven), torch.zeros(shape, dtype=torch.float64))
    strongest = torch.full(shape, 2.0, dtype=torch.float64)
    strongest[:, none] = 6.0
    kept = hooks.select(strongest, candidates)
    return Charge(
        evaluated=evaluated / DRAWS,
        untaken=float(answers[1] / answers.sum()) if answers.sum() else 0.0,
        none_gains=float(gains.mean()),
        pushed=bool(push.abs().max() > EXACT),
        keeps_none=all(column in (None, none) for column in kept),
        decides=hasattr(method, "epoch_done"),
    )
