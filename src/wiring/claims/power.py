"""Which effect the seeds at hand could have seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

POWER = 0.8
"""The probability with which an effect is to be seen (Cohen 1988, section 2.4)."""


def detectable(values: Sequence[float], low: float | None, high: float | None) -> float | None:
    """The smallest distance of the true mean from a threshold that is seen four times in five.

    *Seen*: the interval of the mean leaves the threshold out, on the mean's side of it. With n
    normal seeds and the standard error e = s / sqrt(n), (mean - threshold) / e has a noncentral t
    distribution of n - 1 degrees of freedom and noncentrality d / e for a true distance d. The
    interval leaves the threshold out where that ratio exceeds c, its half-width over e. So
    d = e q, with q the noncentrality of which P(T > c) = 0.8 (Cohen 1988, *Statistical power
    analysis for the behavioral sciences*, chapter 2; Harrison and Brady 2004, *Stata Journal* 4).

    For Student's interval c is t's own quantile and d exact, but for s in place of the true
    standard deviation. For the bootstrap's c is read off its interval, the wider of both sides.

    Args:
        values: the statistic, one value a seed.
        low: lower end of the interval of their mean.
        high: its upper end.

    Returns:
        The distance, in the statistic's units; None where there is no interval or no spread.
    """
    from scipy import optimize, stats  # a second, which pages of what was judged need not wait for

    sample = np.asarray(values, dtype=np.float64)
    if low is None or high is None or len(sample) < 2 or np.ptp(sample) == 0:
        return None
    error = float(stats.sem(sample))
    mean = float(sample.mean())
    critical = max(mean - low, high - mean) / error
    if not (error > 0 and math.isfinite(critical)):
        return None
    freedom = len(sample) - 1

    def lacks(noncentrality: float) -> float:
        return float(stats.nct.sf(critical, freedom, noncentrality)) - POWER

    # Its median is near the noncentrality, so the root lies not far above the critical ratio.
    most = 2 * critical + 10
    return error * float(optimize.brentq(lacks, 0, most))
