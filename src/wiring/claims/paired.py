"""One method against another: the same seeds, level and data, difference by difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wiring.claims.contrasts import COMPARED, of_alpha
from wiring.claims.interval import IntervalMethod, interval, leaves_out_zero
from wiring.claims.unfinished import unfinished
from wiring.config import AuditConfig

POINT = ["experiment", "level", "dataset", "variant"]


@dataclass(frozen=True)
class Difference:
    """One statistic of one method, less that of another.

    Attributes:
        method: the method that is audited.
        other: what it is held against.
        experiment: experiment of both, likewise the next three.
        level: single or bi.
        dataset: dataset.
        variant: variant, empty if there is none.
        statistic: a column of the searches table.
        seeds: seeds that both have.
        effect: mean of the differences.
        effect_size: the mean over the differences' standard deviation (Cohen's d of pairs); None
            if they do not differ or are fewer than two.
        low: lower end of the interval; None if there is none.
        high: its upper end.
        interval: how the interval was made.
        differs: whether the interval leaves out 0; None without an interval.
        note: what weakens it.
    """

    method: str
    other: str
    experiment: str
    level: str
    dataset: str
    variant: str
    statistic: str
    seeds: tuple[int, ...]
    effect: float
    effect_size: float | None
    low: float | None
    high: float | None
    interval: IntervalMethod
    differs: bool | None
    note: str


def differences(
    audit: AuditConfig, confidence: float, searches: pd.DataFrame, readings: pd.DataFrame
) -> list[Difference]:
    """Hold each audited method against each other one, wherever both have run.

    What alpha made of the wiring is left out where a search of either is unfinished.

    Args:
        audit: which are held against which.
        confidence: coverage of the intervals.
        searches: the searches table.
        readings: the readings table.
    """
    silent = unfinished(readings)
    learning = searches[searches["alpha_learns"]]
    columns = [name for name in COMPARED if name in learning]
    found = []
    for point, group in learning.groupby(POINT):
        tables = {
            str(method): rows.set_index("seed")[columns].astype(float)
            for method, rows in group.groupby("method")
        }
        names = dict(zip(POINT, map(str, point), strict=True))
        for method in audit.methods:
            for other in audit.against:
                if method in tables and other in tables:
                    table = tables[method] - tables[other]
                    pairs = {"method": method, "other": other, **names}
                    both = group[group["method"].isin((method, other))]
                    speak = silent.keys().isdisjoint(both["condition"])
                    found += [
                        _difference(pairs, name, table[name].dropna(), confidence)
                        for name in columns
                        if table[name].notna().any() and (speak or not of_alpha(name))
                    ]
    return found


def _difference(
    names: dict[str, str], statistic: str, values: pd.Series[float], confidence: float
) -> Difference:
    low, high, method, note = interval(values.tolist(), confidence)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return Difference(
        **names,
        statistic=statistic,
        seeds=tuple(int(seed) for seed in values.index),
        effect=float(np.mean(values)),
        effect_size=float(np.mean(values)) / spread if np.ptp(values) > 0 else None,
        low=low,
        high=high,
        interval=method,
        differs=leaves_out_zero(low, high),
        note=note,
    )
