"""Judge each claim in each condition by an interval over seeds against a fixed threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from wiring.claims.interval import IntervalMethod, interval
from wiring.claims.thresholds import threshold_of
from wiring.config import ClaimsConfig
from wiring.dynamics import Dynamics
from wiring.patterns import CLAIMS, Claim

Kind = Literal["reproduced", "not reproduced", "inconclusive"]
VERDICTS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Verdict:
    """One claim in one condition.

    Attributes:
        claim: id of the claim.
        condition: condition judged.
        experiment: experiment of the condition, likewise the next four.
        method: search method.
        level: single or bi.
        dataset: dataset.
        variant: variant, empty if there is none.
        seeds: seeds with a defined statistic.
        values: the statistic of each of them.
        effect: the statistic's mean over seeds.
        effect_size: (effect - threshold) / standard deviation over seeds, positive on the side of
            the claim; None if the seeds do not differ or are fewer than two.
        low: lower end of the interval; None if there is none.
        high: its upper end.
        interval: how the interval was made.
        threshold: the bound it is held against.
        verdict: reproduced (the interval lies wholly on the claim's side of the threshold), not
            reproduced (wholly on the other), or inconclusive (it contains the threshold).
        note: what weakens the verdict; empty if nothing does.
    """

    claim: str
    condition: str
    experiment: str
    method: str
    level: str
    dataset: str
    variant: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    effect: float
    effect_size: float | None
    low: float | None
    high: float | None
    interval: IntervalMethod
    threshold: float
    verdict: Kind
    note: str


def judge(config: ClaimsConfig, dynamics: Dynamics) -> list[Verdict]:
    """Judge every claim in every condition to which it applies.

    A condition is left out where the claim's scope excludes it or no seed has a defined
    statistic.

    Args:
        config: the thresholds.
        dynamics: the tables; only `searches` is read.

    Returns:
        Verdicts by claim in the order of :data:`wiring.patterns.CLAIMS`, then by condition.
    """
    verdicts = []
    for claim in CLAIMS.values():
        judged = dynamics.searches[claim.applies(dynamics.searches)].dropna(
            subset=[claim.statistic]
        )
        for _, group in judged.sort_values(["condition", "seed"]).groupby("condition"):
            verdicts.append(_verdict(claim, config, group.to_dict("records")))
    return verdicts


def _verdict(claim: Claim, config: ClaimsConfig, rows: list[dict[Any, Any]]) -> Verdict:
    values = [float(row[claim.statistic]) for row in rows]
    threshold = threshold_of(config, claim)
    low: float | None
    high: float | None
    method: IntervalMethod
    if claim.law:
        low, high, method = min(values), max(values), "range"
        note = "" if len(values) > 1 else "one seed"
    else:
        low, high, method, note = interval(values, config.confidence)
    effect = float(np.mean(values))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    sign = 1 if claim.side == "above" else -1
    first = rows[0]
    return Verdict(
        claim=claim.id,
        **{
            name: first[name]
            for name in ("condition", "experiment", "method", "level", "dataset", "variant")
        },
        seeds=tuple(int(row["seed"]) for row in rows),
        values=tuple(values),
        effect=effect,
        effect_size=sign * (effect - threshold) / spread if np.ptp(values) > 0 else None,
        low=low,
        high=high,
        interval=method,
        threshold=threshold,
        verdict=_side(claim, low, high, threshold),
        note=note,
    )


def _side(claim: Claim, low: float | None, high: float | None, threshold: float) -> Kind:
    if low is None or high is None or low <= threshold <= high:
        return "inconclusive"
    return "reproduced" if (low > threshold) == (claim.side == "above") else "not reproduced"
