"""Judge each claim in each condition by an interval over seeds against a fixed threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from wiring.claims.interval import IntervalMethod, interval
from wiring.claims.power import detectable
from wiring.claims.thresholds import threshold_of
from wiring.claims.unfinished import why_unfinished
from wiring.config import ClaimsConfig
from wiring.dynamics import Dynamics
from wiring.dynamics.identity import IDENTITY
from wiring.dynamics.readings import PUBLISHED
from wiring.patterns import CLAIMS, STATISTICS, Claim

Kind = Literal["reproduced", "not reproduced", "inconclusive", "unfinished"]
VERDICTS: tuple[Kind, ...] = get_args(Kind)
Reading = Literal["published", "settled", "whole"]


@dataclass(frozen=True)
class Verdict:
    """One claim in one condition.

    Attributes:
        claim: id of the claim.
        reading: of which windows its statistic is: `published` and `settled` of what alpha made
            of the wiring (see :mod:`wiring.dynamics.readings`), `whole` of all else.
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
        detectable: smallest distance of the true mean from the threshold that these seeds would
            have seen with a probability of 80% (see :mod:`wiring.claims.power`); None if unknown.
        threshold: the bound it is held against.
        verdict: reproduced (the interval lies wholly on the claim's side of the threshold), not
            reproduced (wholly on the other), or inconclusive (it contains the threshold);
            unfinished, whatever the interval, where one of the condition's searches is: those
            that finish first are no fair sample of all.
        note: what weakens the verdict; empty if nothing does.
    """

    claim: str
    reading: Reading
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
    detectable: float | None
    threshold: float
    verdict: Kind
    note: str


def of_the_end(rows: Iterable[Verdict]) -> list[Verdict]:
    """A verdict for each claim and condition: of the end of its searches, if it is finished there.

    One that is unfinished as settled, since its wiring still moved at the bound, is represented by
    that at the published displacement, if that is finished. Both stand in the tables.
    """
    found: dict[tuple[str, str], Verdict] = {}
    for row in rows:
        place = row.claim, row.condition
        other = found.get(place)
        if other is None:
            found[place] = row
            continue
        settled, published = (row, other) if other.reading == PUBLISHED else (other, row)
        moving = settled.verdict == "unfinished" != published.verdict
        found[place] = published if moving else settled
    return list(found.values())


def judge(config: ClaimsConfig, dynamics: Dynamics) -> list[Verdict]:
    """Judge every claim in every condition to which it applies.

    A condition is left out where the claim's scope excludes it or no seed has a defined
    statistic.

    Args:
        config: the thresholds.
        dynamics: the tables; `searches` and `readings` are read.

    Returns:
        Verdicts by claim in the order of :data:`wiring.patterns.CLAIMS`, then by condition, then
        by reading.
    """
    searches = dynamics.searches.assign(reading="whole", unfinished="")
    own = [name for name in IDENTITY if name not in dynamics.readings.columns or name == "search"]
    outcomes = dynamics.readings.merge(dynamics.searches[own], on="search")
    verdicts = []
    for claim in CLAIMS.values():
        rows = outcomes if STATISTICS[claim.statistic].of_alpha else searches
        judged = rows[claim.applies(rows)].sort_values(["condition", "seed"])
        for _, group in judged.groupby(["condition", "reading"]):
            if group[claim.statistic].notna().any():
                verdicts.append(_verdict(claim, config, group.to_dict("records")))
    return verdicts


def _verdict(claim: Claim, config: ClaimsConfig, members: list[dict[Any, Any]]) -> Verdict:
    """The verdict on the searches of a condition, in one reading."""
    rows = [row for row in members if not math.isnan(row[claim.statistic])]
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
    verdict = _side(claim, low, high, threshold)
    if told := why_unfinished(members):
        verdict = "unfinished"
        note = f"{told}; {note}" if note else told
    return Verdict(
        claim=claim.id,
        **{
            name: first[name]
            for name in (
                "reading",
                "condition",
                "experiment",
                "method",
                "level",
                "dataset",
                "variant",
            )
        },
        seeds=tuple(int(row["seed"]) for row in rows),
        values=tuple(values),
        effect=effect,
        effect_size=sign * (effect - threshold) / spread if np.ptp(values) > 0 else None,
        low=low,
        high=high,
        interval=method,
        detectable=None if claim.law else detectable(values, low, high),
        threshold=threshold,
        verdict=verdict,
        note=note,
    )


def _side(claim: Claim, low: float | None, high: float | None, threshold: float) -> Kind:
    if low is None or high is None or low <= threshold <= high:
        return "inconclusive"
    return "reproduced" if (low > threshold) == (claim.side == "above") else "not reproduced"
