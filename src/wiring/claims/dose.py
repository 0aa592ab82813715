"""The curve of P(none) over the dose, its interval, and how far each method is from it.

Two moments of a search are asked for: its end, and its peak, the largest P(none) over the largest
dose. An edge that was dropped is paid only when it is sampled, so that a dose back from its peak
does not bring back all that it took: peaks say what the gap took, ends what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from wiring.claims.interval import interval, leaves_out_zero
from wiring.config.space import EdgeClass

Moment = Literal["end", "peak"]
MOMENTS: dict[Moment, tuple[str, str]] = {"end": ("dose", "final"), "peak": ("dose_peak", "peak")}
"""Moment -> the column of its dose, and the ending of that of a class's P(none)."""
CLASSES: tuple[EdgeClass, ...] = ("input", "intermediate")
DRAWS = 400
"""Resamples of the conditions."""
FEWEST = 4
"""Searches below which two numbers are not fitted."""
STEEPEST = 50.0
"""The largest start and slope, either way: doses may part the edges wholly."""

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Residual:
    """P(none) of a method's searches less the curve of all other methods.

    Attributes:
        method: the method.
        searches: how many it has.
        mean: over its searches.
        low: lower end of the mean's interval over them; None if there is none.
        high: its upper end.
    """

    method: str
    searches: int
    mean: float
    low: float | None
    high: float | None

    @property
    def differs(self) -> bool | None:
        """Whether the interval leaves out 0; None without an interval."""
        return leaves_out_zero(self.low, self.high)


@dataclass(frozen=True)
class Fit:
    """P(none) = 1 / (1 + exp(-(start + slope dose))) of a class of edges, at a moment.

    Attributes:
        moment: end or peak of the search.
        edge_class: input or intermediate.
        searches: how many it is fitted to.
        start: log-odds of none at dose 0.
        slope: log-odds a unit of dose.
        low: lower end of the slope's interval; None with one condition.
        high: its upper end.
        explained: share of the variance of P(none) that the curve explains.
        rank: Spearman's correlation of dose and P(none); NaN where either is constant.
        residuals: of each method, where there are two or more.
        draws: start and slope of each resample of the conditions, shape (draws, 2).
        confidence: coverage of the intervals.
    """

    moment: Moment
    edge_class: EdgeClass
    searches: int
    start: float
    slope: float
    low: float | None
    high: float | None
    explained: float
    rank: float
    residuals: tuple[Residual, ...]
    draws: Array
    confidence: float

    def curve(self, dose: Array) -> Array:
        """P(none) at some doses."""
        return np.asarray(expit(self.start + self.slope * dose))

    def band(self, dose: Array) -> tuple[Array, Array]:
        """Lower and upper end of the curve's interval at some doses."""
        curves = expit(self.draws[:, :1] + self.draws[:, 1:] * dose)
        low, high = np.quantile(curves, _tails(self.confidence), axis=0)
        return low, high


def fits(searches: pd.DataFrame, confidence: float) -> list[Fit]:
    """The curve of each moment and class of edges; one with fewer than four searches is left out.

    Args:
        searches: the searches table. Where alpha rests, or an edge is deleted or fixed or an op
            forbidden, a search has no say.
        confidence: coverage of the intervals.
    """
    asked = searches[searches["alpha_learns"] & ~searches["intervened"]]
    found = []
    for (moment, (dose, ending)), edge_class in product(MOMENTS.items(), CLASSES):
        table = asked.assign(dose=asked[dose], seen=asked[f"none_{edge_class}_{ending}"])
        table = table.dropna(subset=["dose", "seen"])
        if len(table) >= FEWEST:
            found.append(_fit(moment, edge_class, table.sort_values("search"), confidence))
    return found


def logistic(dose: Array, probability: Array) -> tuple[float, float]:
    """Start and slope of the logistic curve of least squares."""
    from scipy.optimize import least_squares  # half a second, which pages need not wait for

    end = np.clip(probability.mean(), 1e-3, 1 - 1e-3)

    def steepness(at: Array) -> Array:
        curve = expit(at[0] + at[1] * dose)
        return np.asarray(
            np.column_stack([np.ones_like(dose), dose]) * (curve * (1 - curve))[:, None]
        )

    best = least_squares(
        lambda at: expit(at[0] + at[1] * dose) - probability,
        (float(np.log(end / (1 - end))), 0.0),
        steepness,
        method="lm",
    )
    start, slope = np.clip(best.x, -STEEPEST, STEEPEST).tolist()
    return start, slope


def _fit(moment: Moment, edge_class: EdgeClass, table: pd.DataFrame, confidence: float) -> Fit:
    dose, seen = (table[name].to_numpy(np.float64) for name in ("dose", "seen"))
    start, slope = logistic(dose, seen)
    draws = _draws(table["condition"].to_numpy(), dose, seen)
    low, high = (
        np.quantile(draws[:, 1], _tails(confidence)).tolist() if len(draws) else (None, None)
    )
    left = seen - expit(start + slope * dose)
    spread = float(((seen - seen.mean()) ** 2).sum())
    return Fit(
        moment,
        edge_class,
        len(table),
        start,
        slope,
        low,
        high,
        explained=1 - float((left**2).sum()) / spread if spread else float("nan"),
        rank=_rank_correlation(dose, seen),
        residuals=tuple(_residuals(table["method"].to_numpy(), dose, seen, confidence)),
        draws=draws if len(draws) else np.array([[start, slope]]),
        confidence=confidence,
    )


def _draws(conditions: Any, dose: Array, seen: Array) -> Array:
    """Fits to conditions drawn anew: their searches are alike, and no evidence for one another."""
    members = [np.flatnonzero(conditions == name) for name in np.unique(conditions)]
    if len(members) < 2:
        return np.empty((0, 2))
    chance = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        drawn = np.concatenate(
            [members[at] for at in chance.integers(len(members), size=len(members))]
        )
        found.append(logistic(dose[drawn], seen[drawn]))
    return np.array(found)


def _residuals(methods: Any, dose: Array, seen: Array, confidence: float) -> list[Residual]:
    found = []
    for method in np.unique(methods):
        own = methods == method
        if (~own).sum() >= FEWEST:
            start, slope = logistic(dose[~own], seen[~own])
            left = seen[own] - expit(start + slope * dose[own])
            low, high, _, _ = interval(left.tolist(), confidence)
            found.append(Residual(str(method), int(own.sum()), float(left.mean()), low, high))
    return found


def _rank_correlation(first: Array, second: Array) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(pd.Series(first).rank(), pd.Series(second).rank())[0, 1])


def _tails(confidence: float) -> tuple[float, float]:
    return (1 - confidence) / 2, (1 + confidence) / 2
