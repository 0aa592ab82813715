"""Whether a wiring has settled: by how far alpha has gone, and by what it still changes.

Time says nothing about it: a search at ten times the rate gets as far in a tenth of the steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def change(
    steps: np.ndarray[Any, Any],
    probability: np.ndarray[Any, Any],
    edge_weight: np.ndarray[Any, Any],
) -> float:
    """The largest change of any op's strength or edge's weight over the last fifth of the steps.

    Each by itself, and not their product, by which a node's inputs are compared: where both rest
    it does too, while a small weight would hide how an edge's ops still change, which the outcomes
    are read of.

    The change of a value is its largest less its smallest, so that one that swings is not taken
    for one that rests. The window that ends at the beginning of the last fifth, or else the
    last one before it, counts too: it is what the others have changed from.

    Args:
        steps: done by the end of each window, growing, (windows,).
        probability: the ops' strengths after it, (windows, edges, ops).
        edge_weight: the edges' weights after it, (windows, edges).

    Returns:
        The change; infinite where nothing was recorded before the last fifth.
    """
    before = np.flatnonzero(5 * steps <= 4 * steps.max(initial=0))
    if not before.size:
        return float("inf")
    last = np.concatenate([probability, edge_weight[..., None]], axis=-1)[before[-1] :]
    return float(np.ptp(last.astype(np.float64), axis=0).max(initial=0.0))
