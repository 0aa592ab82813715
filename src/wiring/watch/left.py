"""How long a study still takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from statistics import mean, median
from typing import NamedTuple

from wiring.audit.budget import START, makespan
from wiring.config import SearchConfig
from wiring.watch.state import Followed, State, Study


def work(config: SearchConfig) -> float:
    """What a search has to compute, in a unit that only compares searches of one dataset.

    Epochs times cells, edges, channels and the ops that take part in a step.
    """
    space = config.space
    ops = len(space.ops) if config.method_settings.takes_all else 1
    return float(config.train.all_epochs * space.cells * len(space.edges) * space.channels * ops)


def seconds_left(study: Study, lanes: int, now: float) -> float | None:
    """The seconds until the last search ends; None as long as nothing tells.

    A search is expected to take what others of its condition took or say that they will; else, by
    its :func:`work`, what those of its dataset took; else, what any took. The seeds of a condition
    follow one another in a job, unless each has a GPU; a job takes time to start.

    Args:
        study: what is known.
        lanes: jobs side by side, at least 1.
        now: Unix time.
    """
    sources = (_times(study, lambda one: one.seconds), _times(study, _promised))
    jobs: list[float] = []
    for condition in study.conditions.values():
        ahead = [one for one in condition if one.state not in (State.DONE, State.FAILED)]
        times: list[float] = []
        for one in ahead:
            left = _remaining(one, _expected(one.config, sources), now)
            if left is None:
                return None
            times.append(left)
        starts = [START * (one.state == State.TO_COME) for one in ahead]
        if condition[0].config.run.gpus:
            jobs += [start + left for start, left in zip(starts, times, strict=True)]
        elif times:
            jobs.append(min(starts) + sum(times))  # none if one of them runs
    return makespan(jobs, lanes)


class _Times(NamedTuple):
    """Seconds of searches by condition, and seconds a unit of work by dataset."""

    alike: dict[str, list[float]]
    rates: dict[str, list[float]]


def _times(study: Study, seconds: Callable[[Followed], float | None]) -> _Times:
    found = _Times(defaultdict(list), defaultdict(list))
    for one in study.searches.values():
        if (took := seconds(one)) is not None:
            found.alike[str(one.config.condition)].append(took)
            found.rates[one.config.dataset].append(took / work(one.config))
    return found


def _promised(one: Followed) -> float | None:
    """What a search under way says that it takes from its first epoch to its last."""
    said = one.standing
    if one.state != State.RUNNING or said is None or said.epoch >= said.epochs:
        return None
    return said.left * said.epochs / (said.epochs - said.epoch)


def _expected(config: SearchConfig, sources: tuple[_Times, ...]) -> float | None:
    for times in sources:
        if own := times.alike.get(str(config.condition)):
            return mean(own)
    for times in sources:
        if times.rates:
            every = chain.from_iterable(times.rates.values())
            return work(config) * median(times.rates.get(config.dataset) or every)
    return None


def _remaining(one: Followed, expected: float | None, now: float) -> float | None:
    """What is left of a search; the clocks of two machines may differ."""
    said = one.standing
    if one.state == State.TO_COME or said is None:
        return expected
    gone = max(now - one.at, 0.0) if one.state == State.RUNNING else 0.0
    left = max(said.left - gone, 0.0)
    return min(left, expected) if said.at_most and expected is not None else left
