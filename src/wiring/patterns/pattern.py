"""What a pattern is: its statistics, what they mean, what is claimed of them, and its prose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # a scale file is checked against the patterns without these
    import pandas as pd

    from wiring.trajectory import Trajectory

Value = float | int | str
Applies = Callable[["pd.DataFrame"], "pd.Series[bool]"]


@dataclass(frozen=True)
class Statistic:
    """A number, or a text, that sums up one search.

    Attributes:
        name: column of the searches table.
        meaning: its definition in words.
        of_alpha: says what alpha made of the wiring: undefined where alpha rests.
        text: a text (undefined: empty), not a number (undefined: NaN).
        headline: stands among the few numbers that a condition's metrics file shows.
        compared: interventions are compared by it.
    """

    name: str
    meaning: str
    of_alpha: bool = False
    text: bool = False
    headline: bool = False
    compared: bool = False

    @property
    def undefined(self) -> Value:
        """Its value where there is none."""
        return "" if self.text else float("nan")


@dataclass(frozen=True)
class Threshold:
    """The bound that a claim is held against, fixed before the runs.

    Attributes:
        name: under which a scale file may set it (`claims.thresholds`).
        default: its value where the scale file is silent.
        meaning: what is bounded, in words.
        low: the least value that makes sense.
        high: the largest.
        positive: whether it must be above 0.
    """

    name: str
    default: float
    meaning: str
    low: float = float("-inf")
    high: float = float("inf")
    positive: bool = False

    def allows(self, value: float) -> bool:
        """Whether it may be set so."""
        return self.low <= value <= self.high and (value > 0 or not self.positive)

    @property
    def range(self) -> str:
        """What it may be, in words."""
        if self.positive:
            return "any number above 0"
        bounded = self.low > float("-inf") or self.high < float("inf")
        return f"{self.low:g} to {self.high:g}" if bounded else "any number"


@dataclass(frozen=True)
class Claim:
    """A claim that measurements can contradict.

    Attributes:
        id: short name.
        title: the claim in one sentence.
        statistic: name of one of its pattern's statistics.
        threshold: the bound.
        side: the side of the bound on which the claim is right.
        scope: where the claim applies, in words.
        applies: the same as a mask over the searches table.
        law: an exact law: it must hold in every search, so the interval is the seeds' range.
        of_setting: says something of the setting, not of the wiring: its verdict holds in every
            condition that has the setting.
        cause: id of the claim that the setting gives this one its cause; empty if none says so.
    """

    id: str
    title: str
    statistic: str
    threshold: Threshold
    side: Literal["above", "below"]
    scope: str
    applies: Applies
    law: bool = False
    of_setting: bool = False
    cause: str = ""


@dataclass(frozen=True)
class Pattern:
    """One idea of the paper, whole: what is measured, claimed and told.

    Attributes:
        id: anchor of its section of the report.
        order: its place among the patterns.
        title: the section's heading, a question.
        text: the section's paragraphs.
        statistics: what is measured, in the order of the searches table.
        measure: the value of each of them by name, from a trajectory; NaN where there is none.
        claims: what is claimed, each of one of the statistics.
        columns: columns of the searches table that the section shows.
    """

    id: str
    order: int
    title: str
    text: tuple[str, ...]
    statistics: tuple[Statistic, ...]
    measure: Callable[[Trajectory], dict[str, Value]]
    claims: tuple[Claim, ...]
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        own = {statistic.name for statistic in self.statistics}
        for claim in self.claims:
            if claim.statistic not in own:
                raise ValueError(f"{self.id}: {claim.id} is of {claim.statistic}, not its own")

    def row(self, trajectory: Trajectory) -> dict[str, Value]:
        """The value of each statistic; those of alpha are undefined where alpha rests.

        Raises:
            ValueError: :attr:`measure` gives others than :attr:`statistics` declares.
        """
        found = self.measure(trajectory)
        rests = trajectory.config.alpha.lr == 0
        if set(found) != {statistic.name for statistic in self.statistics}:
            raise ValueError(f"{self.id}: measured {', '.join(found)}")
        return {
            statistic.name: statistic.undefined
            if rests and statistic.of_alpha
            else found[statistic.name]
            for statistic in self.statistics
        }
