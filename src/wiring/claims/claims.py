"""What the paper claims: a statistic of a search, where it applies, and which side is right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Applies = Callable[[pd.DataFrame], "pd.Series[bool]"]


@dataclass(frozen=True)
class Claim:
    """A claim that measurements can contradict.

    Attributes:
        id: short name.
        title: the claim in one sentence.
        statistic: column of the searches table (defined in `wiring.dynamics.MEANINGS`).
        threshold: field of `ClaimsConfig` with the bound.
        side: the side of the bound on which the claim is right.
        law: an exact law: it must hold in every search, so the interval is the seeds' range.
        scope: where the claim applies, in words.
        applies: the same as a mask over the searches table.
    """

    id: str
    title: str
    statistic: str
    threshold: str
    side: Literal["above", "below"]
    law: bool
    scope: str
    applies: Applies


def _learns(searches: pd.DataFrame, level: str) -> pd.Series[bool]:
    return searches["alpha_learns"] & (searches["level"] == level) & (searches["edges_free"] > 0)


def _single(searches: pd.DataFrame) -> pd.Series[bool]:
    return _learns(searches, "single")


def _bi(searches: pd.DataFrame) -> pd.Series[bool]:
    return _learns(searches, "bi")


def _uniform(searches: pd.DataFrame) -> pd.Series[bool]:
    nodes = searches["nodes"]
    # Where edges are deleted or fixed, the classes no longer compare.
    return (searches["method"] == "uniform") & (searches["edges_free"] == nodes * (nodes + 3) // 2)


def _everywhere(searches: pd.DataFrame) -> pd.Series[bool]:
    return pd.Series(True, index=searches.index)


_SINGLE = "single-level searches whose alpha learns"
_BI = "bi-level searches whose alpha learns"
_LAWFUL = "searches with windows in which no intermediate edge has skip weight"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "P1",
        "Growth: none first gains on the edges, then they come back.",
        "growth",
        "growth",
        "above",
        False,
        f"{_SINGLE} and that have a free edge",
        _single,
    ),
    Claim(
        "P2",
        "Width: intermediate edges are avoided more than input edges.",
        "width_gap",
        "width",
        "above",
        False,
        f"{_SINGLE} and that have free edges of both classes",
        _single,
    ),
    Claim(
        "P2-shape",
        "The final cell is wider than deeper, compared with uniformly sampled cells.",
        "wider",
        "wider",
        "above",
        False,
        f"{_SINGLE} and that have a free edge",
        _single,
    ),
    Claim(
        "P2-cause",
        "An op costs more on intermediate edges than on input edges.",
        "cost_gap",
        "cost_gap",
        "above",
        False,
        "uniformly sampling searches in which every edge is free",
        _uniform,
    ),
    Claim(
        "P3",
        "Catastrophic failure: a bi-level search selects no edge.",
        "dropped_share",
        "failure",
        "above",
        False,
        f"{_BI} and that have a free edge",
        _bi,
    ),
    Claim(
        "P3-cause",
        "On held-out data loss exceeds entropy for most of a bi-level search.",
        "positive_share",
        "failure_cause",
        "above",
        False,
        f"{_BI} and that have a free edge",
        _bi,
    ),
    Claim(
        "M-correct",
        "Cost is negative on correctly classified samples.",
        "sign_correct",
        "sign",
        "above",
        False,
        "every search",
        _everywhere,
    ),
    Claim(
        "M-wrong",
        "Cost is positive on wrongly classified samples.",
        "sign_wrong",
        "sign",
        "above",
        False,
        "every search",
        _everywhere,
    ),
    Claim(
        "M-correct-each",
        "Cost is negative on each correctly classified sample.",
        "sample_correct",
        "sign",
        "above",
        False,
        "searches that follow single samples",
        _everywhere,
    ),
    Claim(
        "M-wrong-each",
        "Cost is positive on each wrongly classified sample.",
        "sample_wrong",
        "sign",
        "above",
        False,
        "searches that follow single samples",
        _everywhere,
    ),
    Claim(
        "M-follows",
        "Cost falls as accuracy rises.",
        "cost_follows_accuracy",
        "follows",
        "above",
        False,
        "searches of at least three windows in which accuracy and cost vary",
        _everywhere,
    ),
    Claim(
        "F1",
        "The last cell's direct credit is loss - entropy.",
        "residual_direct",
        "direct",
        "below",
        True,
        "every search",
        _everywhere,
    ),
    Claim(
        "F2",
        "A path gives no credit past an intermediate edge.",
        "residual_path",
        "path",
        "below",
        True,
        _LAWFUL,
        _everywhere,
    ),
    Claim(
        "F3-inner",
        "The credit of each cell before the last sums to zero.",
        "residual_inner",
        "conservation",
        "below",
        True,
        _LAWFUL,
        _everywhere,
    ),
    Claim(
        "F3-total",
        "All credit sums to loss - entropy.",
        "residual_total",
        "conservation",
        "below",
        True,
        _LAWFUL,
        _everywhere,
    ),
)
