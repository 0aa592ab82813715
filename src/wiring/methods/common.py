"""What several methods share."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.space import Candidates, Draw


def probabilities(alpha: Tensor, candidates: Candidates) -> Tensor:
    """softmax(alpha) over the allowed ops of each edge; exactly 0 elsewhere."""
    return alpha.masked_fill(~candidates.mask, -torch.inf).softmax(-1)


def largest(strength: Tensor) -> tuple[int | None, ...]:
    """The column of the largest strength of each edge, for the host."""
    return tuple(strength.argmax(-1).tolist())


def one_hot(columns: Tensor, like: Tensor) -> Draw:
    """The draw that takes one op per edge.

    Args:
        columns: (edges), the op of each edge, on the CPU.
        like: (edges, ops), gives the gates' device and dtype.
    """
    gates = torch.zeros(like.shape, dtype=like.dtype)
    gates[torch.arange(len(columns)), columns] = 1
    active = tuple((int(column),) for column in columns)
    return Draw(gates.to(like.device, non_blocking=True), active, unit=True)


def sample(p: Tensor, generator: torch.Generator) -> Draw:
    """The draw of one op per edge with these probabilities, (edges, ops).

    The host must know the sampled ops to run only these: it waits for alpha here, between two
    steps, and nowhere inside one.
    """
    return one_hot(torch.multinomial(p.cpu(), 1, generator=generator)[:, 0], p)


def strongest(alpha: Tensor, candidates: Candidates) -> Draw:
    """The one-hot draw of the most probable op of each edge."""
    return one_hot(probabilities(alpha.detach(), candidates).argmax(-1).cpu(), alpha)


def through_softmax(z: Tensor, cost: Tensor) -> Tensor:
    """(dZ/dx)^T C for Z = softmax(x), edge by edge: Z * (C - sum_o Z C)."""
    return z * (cost - (z * cost).sum(-1, keepdim=True))


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Independent standard Gumbel noise of the shape, dtype and device of `like`."""
    noise = torch.empty(like.shape, dtype=like.dtype).exponential_(generator=generator)
    return -noise.log().to(like.device, non_blocking=True)
