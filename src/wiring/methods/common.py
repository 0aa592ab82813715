"""What several methods share."""

from __future__ import annotations

import torch
from torch import Tensor

from wiring.space import Candidates, Draw


def probabilities(alpha: Tensor, candidates: Candidates) -> Tensor:
    """softmax(alpha) over the allowed ops of each edge; exactly 0 elsewhere."""
    return alpha.masked_fill(~candidates.mask, -torch.inf).softmax(-1)


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


def strongest(alpha: Tensor, candidates: Candidates) -> Draw:
    """The one-hot draw of the most probable op of each edge."""
    return one_hot(probabilities(alpha.detach(), candidates).argmax(-1).cpu(), alpha)
