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
FEWEST, MOST = 300, 1170
"""Steps of a search. By fewer little moves; at a rate of 0.02 so many are the displacement of the
published single-level searches (78,000 steps at 3e-4), and 195 that of bi-level ones."""
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
        missing: levels whose searches end before alpha's published displacement.
    """

    epochs: dict[Level, int]
    seeds: int
    seconds: float
    missing: tuple[Level, ...] = ()


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
    """As many seeds as let all searches reach alpha's published displacement.

    Where not even the fewest seeds do, searches are as long as fits.

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

    counts = SEEDS if seeds is None else (seeds,)
    for count in counts:
        if seconds(MOST, count) <= 60 * minutes:
            return Plan(epochs(MOST), count, seconds(MOST, count))
    lengths = range(MOST, FEWEST - 1, -1)
    for count in counts:
        for steps in lengths:
            if seconds(steps, count) <= 60 * minutes:
                return Plan(epochs(steps), count, seconds(steps, count), ("single",))
    enough = -(-seconds(FEWEST, count) // 60)
    raise InputError(
        f"--minutes: {minutes:g} are too few for {len(timings)} conditions of {count} seeds and "
        f"{FEWEST} steps on {cores} cores, expected {enough:.0f} or more (or fewer methods, or "
        "smaller data)"
    )
