"""Where a claim applies: masks over the searches table, and the words that several share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SINGLE = "single-level searches whose alpha learns"
BI = "bi-level searches whose alpha learns"


def single_level(searches: pd.DataFrame) -> pd.Series[bool]:
    """Single-level searches whose alpha learns and that have a free edge."""
    return learns(searches) & (searches["level"] == "single")


def bi_level(searches: pd.DataFrame) -> pd.Series[bool]:
    """Bi-level searches whose alpha learns and that have a free edge."""
    return learns(searches) & (searches["level"] == "bi")


def uniform(searches: pd.DataFrame) -> pd.Series[bool]:
    """Uniformly sampling searches in which every edge is free.

    Where edges are deleted or fixed, the classes of edges no longer compare.
    """
    nodes = searches["nodes"]
    return (searches["method"] == "uniform") & (searches["edges_free"] == nodes * (nodes + 3) // 2)


def resting_single_level(searches: pd.DataFrame) -> pd.Series[bool]:
    """Single-level searches in which alpha rests and every operation may be taken."""
    return _rests(searches) & (searches["level"] == "single")


def resting_bi_level(searches: pd.DataFrame) -> pd.Series[bool]:
    """Bi-level searches in which alpha rests and every operation may be taken."""
    return _rests(searches) & (searches["level"] == "bi")


def everywhere(searches: pd.DataFrame) -> pd.Series[bool]:
    """Every search."""
    return searches["search"].notna()


def learns(searches: pd.DataFrame) -> pd.Series[bool]:
    """Searches of either level whose alpha learns and that have a free edge."""
    return searches["alpha_learns"] & (searches["edges_free"] > 0)


def _rests(searches: pd.DataFrame) -> pd.Series[bool]:
    return ~searches["alpha_learns"] & ~searches["intervened"]
