"""The interval of a mean over seeds."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np

FEW_SEEDS = 5
"""With fewer seeds a bootstrap has too few distinct resamples to cover 95%."""

IntervalMethod = Literal["BCa bootstrap", "Student t", "range", "none"]


def leaves_out_zero(low: float | None, high: float | None) -> bool | None:
    """Whether an interval leaves out 0; None where there is no interval."""
    return None if low is None or high is None else not low <= 0 <= high


def interval(
    values: Sequence[float], confidence: float
) -> tuple[float | None, float | None, IntervalMethod, str]:
    """Interval of the mean over seeds.

    Five seeds or more: BCa bootstrap (Efron 1987; 9,999 resamples, fixed seed). Two to four:
    Student's t, exact for normal values. One: none. Seeds that are all equal give an interval
    without width.

    Args:
        values: the statistic, one value a seed.
        confidence: coverage, between 0 and 1.

    Returns:
        Lower end, upper end, method, and a note on how far it can be trusted.
    """
    from scipy import stats  # a second, which pages of what was judged need not wait for

    sample = np.asarray(values, dtype=np.float64)
    count = len(sample)
    if count < 2:
        return None, None, "none", "one seed gives no interval"
    if np.ptp(sample) == 0:
        low = high = float(sample[0])
        note = "all seeds are equal: the interval has no width and does not show the true spread"
        return low, high, "range", note
    if count < FEW_SEEDS:
        spread = stats.sem(sample) * stats.t.ppf((1 + confidence) / 2, count - 1)
        note = f"weak: {count} seeds, and a t interval supposes normal values"
        return float(sample.mean() - spread), float(sample.mean() + spread), "Student t", note
    with warnings.catch_warnings():
        # scipy warns, and returns NaN, where the jackknife is degenerate; the range stands in.
        warnings.simplefilter("ignore")
        ends = stats.bootstrap(
            (sample,), np.mean, confidence_level=confidence, method="BCa", rng=0
        ).confidence_interval
    if math.isnan(ends.low) or math.isnan(ends.high):
        note = "BCa is undefined for these values: their range is used"
        return float(sample.min()), float(sample.max()), "range", note
    return float(ends.low), float(ends.high), "BCa bootstrap", ""
