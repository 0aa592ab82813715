"""How long the searches of an audit may be: arithmetic on measured times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from wiring.config import Level
from wiring.errors import InputError

SHARE = 0.8
"""Share of the minutes that is planned with: searches side by side slow one another down."""
REST = 75.0
"""Seconds that data, tables, figures and pages take."""
START = 8.0
"""Seconds that a job takes beside its searches."""
FEWEST, MOST = 300, 2340
"""Steps of a search. By fewer little moves; at a rate of 0.01 so many are the displacement of the
published single-level searches (78,000 steps at 3e-4)."""
SEEDS = (5, 4, 3)
"""Seeds that are tried, the most first, if nobody says how many."""

Pair = tuple[str, Level]
"""A method and a level."""


class Timing(NamedTuple):
    """What a search takes, in seconds.

    Attributes:
        step: of a step, its window included.
        epoch: of what follows the last step of an epoch.
        search: of what comes once.
    """

    step: float
    epoch: float
    search: float

    def seconds(self, steps: int, epochs: int) -> float:
        """Of a search so long."""
        return self.search + epochs * self.epoch + steps * self.step


class Plan(NamedTuple):
    """What was chosen.

    Attributes:
        epochs: by level: as many as give every search the same steps, to a whole epoch.
        seeds: of each condition.
        seconds: that the whole is expected to take, without the plan itself.
    """

    epochs: dict[Level, int]
    seeds: int
    seconds: float


def makespan(seconds: Sequence[float], cores: int) -> float:
    """When the last job ends, if each free core takes the longest job that is left.

    Args:
        seconds: of each job.
        cores: that take jobs.
    """
    ends = [0.0] * cores
    for job in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += job
    return max(ends)


def plan(
    timings: Mapping[Pair, Timing],
    steps_an_epoch: Mapping[Level, int],
    minutes: float,
    cores: int,
    seeds: int | None = None,
) -> Plan:
    """The longest searches that fit, for as many seeds as leave them long enough.

    Args:
        timings: of each condition.
        steps_an_epoch: by level.
        minutes: that all may take.
        cores: that search side by side.
        seeds: of each condition; the most that fit when absent.

    Raises:
        InputError: the minutes are too few; says how many would do.
    """

    def epochs(steps: int) -> dict[Level, int]:
        return {level: -(-steps // count) for level, count in steps_an_epoch.items()}

    def seconds(steps: int, count: int) -> float:
        length = epochs(steps)
        jobs = [
            START + count * timing.seconds(length[level] * steps_an_epoch[level], length[level])
            for (_, level), timing in timings.items()
        ]
        return (REST + makespan(jobs, cores)) / SHARE

    for count in SEEDS if seeds is None else (seeds,):
        if seconds(FEWEST, count) <= 60 * minutes:
            low, high = FEWEST, MOST
            while low < high:
                middle = (low + high + 1) // 2
                low, high = (
                    (middle, high) if seconds(middle, count) <= 60 * minutes else (low, middle - 1)
                )
            return Plan(epochs(low), count, seconds(low, count))
    enough = -(-seconds(FEWEST, count) // 60)
    raise InputError(
        f"--minutes: {minutes:g} are too few for {len(timings)} conditions of {count} seeds and "
        f"{FEWEST} steps on {cores} cores, expected {enough:.0f} or more (or fewer methods, or "
        "smaller data)"
    )
