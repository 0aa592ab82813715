"""Whether a wiring has settled: by how far alpha has gone, and by what it still changes.

Time says nothing about it: a search at ten times the rate gets as far in a tenth of the steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def change(steps: np.ndarray[Any, Any], probability: np.ndarray[Any, Any]) -> float:
    """The largest change of any op's strength on any edge over the last fifth of the steps.

    The change of a strength is its largest value less its smallest, so that one that swings is not
    taken for one that rests. The window that ends at the beginning of the last fifth, or else the
    last one before it, counts too: it is what the others have changed from.

    Args:
        steps: done by the end of each window, growing, (windows,).
        probability: the strengths after it, (windows, edges, ops).

    Returns:
        The change; infinite where nothing was recorded before the last fifth.
    """
    before = np.flatnonzero(5 * steps <= 4 * steps.max(initial=0))
    if not before.size:
        return float("inf")
    last = probability[before[-1] :].astype(np.float64)
    return float(np.ptp(last, axis=0).max(initial=0.0))
