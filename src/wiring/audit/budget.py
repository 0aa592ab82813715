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
FEWEST, MOST = 400, 2340
"""Steps of a search. At a rate of 0.01 fewer are less than the displacement of the published
bi-level searches (13,000 steps at 3e-4); so many are that of the single-level ones (78,000)."""
BI = 2 * FEWEST
"""Steps of a bi-level search that single-level searches may take minutes from."""
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
        epochs: by level, whole ones.
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
    """As many seeds as reach alpha's published displacement, then bi-level searches as long as fit.

    Where not even the fewest seeds get there single-level, all searches are as long as fits.

    Args:
        timings: of each condition.
        steps_an_epoch: by level.
        minutes: that all may take.
        cores: that search side by side.
        seeds: of each condition; the most that fit when absent.

    Raises:
        InputError: the minutes are too few; says how many would do.
    """

    def epochs(single: int, bi: int) -> dict[Level, int]:
        steps: dict[Level, int] = {"single": single, "bi": bi}
        return {level: -(-steps[level] // count) for level, count in steps_an_epoch.items()}

    def seconds(single: int, bi: int, count: int) -> float:
        length = epochs(single, bi)
        jobs = [
            START + count * timing.seconds(length[level] * steps_an_epoch[level], length[level])
            for (_, level), timing in timings.items()
        ]
        return (REST + makespan(jobs, cores)) / SHARE

    def fits(single: int, bi: int, count: int) -> bool:
        return seconds(single, bi, count) <= 60 * minutes

    counts = SEEDS if seeds is None else (seeds,)
    for count in counts:
        if fits(MOST, BI, count):
            bi = max(steps for steps in range(BI, MOST + 1) if fits(MOST, steps, count))
            return Plan(epochs(MOST, bi), count, seconds(MOST, bi, count), ())
    for count in counts:
        if fits(FEWEST, FEWEST, count):
            both = max(steps for steps in range(FEWEST, MOST + 1) if fits(steps, steps, count))
            return Plan(epochs(both, both), count, seconds(both, both, count), ("single",))
    enough = -(-seconds(FEWEST, FEWEST, count) // 60)
    raise InputError(
        f"--minutes: {minutes:g} are too few for {len(timings)} conditions of {count} seeds and "
        f"{FEWEST} steps on {cores} cores, expected {enough:.0f} or more (or fewer methods, or "
        "smaller data)"
    )
