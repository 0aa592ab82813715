"""The global generators: no search draws from them itself, a method of somebody else's might."""

from __future__ import annotations

import random
from typing import Any, cast

import numpy as np
import torch


def seed(value: int) -> None:
    """Seed torch's, NumPy's and Python's global generators.

    Args:
        value: below 2**32.
    """
    torch.manual_seed(value)
    np.random.seed(value)
    random.seed(value)


def states() -> dict[str, Any]:
    """The generators' states, as tensors and plain values."""
    name, keys, *rest = cast("tuple[Any, ...]", np.random.get_state())
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": [name, keys.tolist(), *rest],
        "python": random.getstate(),
    }


def restore(states: dict[str, Any]) -> None:
    """Go on where :func:`states` were taken."""
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    np.random.set_state(tuple(states["numpy"]))
    version, internal, following = states["python"]
    random.setstate((version, tuple(internal), following))
