"""What an intervention changes: each variant against the baseline, seed by seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from wiring.claims.interval import IntervalMethod, interval, leaves_out_zero
from wiring.claims.unfinished import unfinished
from wiring.config import ClaimsConfig
from wiring.dynamics import Dynamics
from wiring.patterns import STATISTICS

COMPARED = (
    *(name for name, statistic in STATISTICS.items() if statistic.compared),
    "test_accuracy",
)
"""Columns of the searches table that are compared, besides each edge's final P(none)."""
P_NONE = "P(none) "
"""What stands before an edge in the name of that."""


@dataclass(frozen=True)
class Contrast:
    """One statistic of one variant, less that of the baseline.

    Attributes:
        experiment: experiment of both, likewise the next three.
        method: search method.
        level: single or bi.
        dataset: dataset.
        variant: the variant.
        baseline: what it is compared with.
        statistic: a column of the searches table, or `P(none) i-j`.
        seeds: seeds that both have.
        values: the differences.
        effect: their mean.
        low: lower end of the interval; None if there is none.
        high: its upper end.
        interval: how the interval was made.
        differs: whether the interval leaves out 0; None without an interval, and for what alpha
            made of the wiring where a search is unfinished (:mod:`wiring.claims.unfinished`).
        note: what weakens it.
    """

    experiment: str
    method: str
    level: str
    dataset: str
    variant: str
    baseline: str
    statistic: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    effect: float
    low: float | None
    high: float | None
    interval: IntervalMethod
    differs: bool | None
    note: str


def contrast(config: ClaimsConfig, dynamics: Dynamics) -> list[Contrast]:
    """Compare the variants of each design point that has the baseline among them.

    Where alpha learns in none of them, all that is compared is accuracy on the test set.

    Args:
        config: names the baseline.
        dynamics: the tables; `searches`, `edges` and `readings` are read.
    """
    point = ["experiment", "method", "level", "dataset"]
    last = dynamics.last_edges()
    silent = unfinished(dynamics.readings)
    found = []
    for keys, group in dynamics.searches.groupby(point):
        learns = group["alpha_learns"]
        group = group[learns] if learns.any() else group
        tables = {
            str(variant): _statistics(members, last)
            for variant, members in group.groupby("variant")
        }
        base = tables.pop(config.baseline, None)
        if base is None:
            continue
        whys = {
            str(variant): silent.get(str(members["condition"].iloc[0]), "")
            for variant, members in group.groupby("variant")
        }
        names = dict(zip(point, map(str, keys), strict=True))
        for variant, table in tables.items():
            why = whys[variant] or whys[config.baseline]
            difference = (table - base).dropna(axis="columns", how="all")
            if not learns.any():
                difference = difference.filter(["test_accuracy"])
            for statistic in difference.columns:
                values = difference[statistic].dropna()
                said = why if of_alpha(str(statistic)) else ""
                low, high, method, note = interval(values.tolist(), config.confidence)
                found.append(
                    Contrast(
                        **names,
                        variant=variant,
                        baseline=config.baseline,
                        statistic=str(statistic),
                        seeds=tuple(int(seed) for seed in values.index),
                        values=tuple(float(value) for value in values),
                        effect=float(np.mean(values)),
                        low=low,
                        high=high,
                        interval=method,
                        differs=None if said else leaves_out_zero(low, high),
                        note="; ".join(filter(None, (said, note))),
                    )
                )
    return found


def of_alpha(column: str) -> bool:
    """Whether a compared column is of what alpha made of the wiring."""
    return column.startswith(P_NONE) or (column in STATISTICS and STATISTICS[column].of_alpha)


def _statistics(searches: pd.DataFrame, last: pd.DataFrame) -> pd.DataFrame:
    """A row a seed: the compared statistics, then the free edges' final P(none)."""
    own = last[last["search"].isin(searches["search"]) & last["free"]]
    ends = {
        f"{P_NONE}{edge}": rows.set_index("seed")["p_none"]
        for edge, rows in own.groupby("edge", sort=False)
    }
    return searches.set_index("seed")[list(COMPARED)].astype(float).assign(**ends)
