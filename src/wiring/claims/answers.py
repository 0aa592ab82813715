"""A method's answers to the questions that the paper leaves to future methods.

What its mathematics says (:class:`wiring.methods.charge.Charge`) stands beside what its searches
did. Of searches that are unfinished (:mod:`wiring.dynamics.readings`) nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from wiring.claims.interval import interval
from wiring.claims.unfinished import unfinished
from wiring.methods.charge import EXACT, Charge

NOTHING = "nothing can be said"
THROUGH_SKIP = "through skip_connect only"
LITTLE = 0.05
"""A rise of P(none), or a share of the credit, that counts as none of it."""


@dataclass(frozen=True)
class Mean:
    """A statistic over the seeds of a condition.

    Attributes:
        value: its mean.
        low: lower end of its interval; None if there is none.
        high: its upper end.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Line:
    """What one condition says to a question.

    Attributes:
        condition: which one.
        where: the same in words.
        word: the answer.
        sentence: what it rests on.
    """

    condition: str
    where: str
    word: str
    sentence: str


@dataclass(frozen=True)
class Answer:
    """A question's answer for one method.

    Attributes:
        question: as the paper leaves it.
        word: the conditions' answer where they agree, else that it depends; of the first question
            what the mathematics says.
        design: what the method's mathematics says.
        lines: what each condition says.
    """

    question: str
    word: str
    design: str
    lines: tuple[Line, ...]


class Law(NamedTuple):
    """Whether the sign law binds a method's searches, and why, as the end of a sentence."""

    applies: bool
    reason: str


def sign_law(charge: Charge, *, partial: bool) -> Law:
    """Whether a search can come to rest on a kept edge while loss exceeds entropy.

    Args:
        charge: what the method's alpha answers to.
        partial: whether some channels pass an edge by (`space.partial` above 1).
    """
    if partial:
        return Law(
            False,
            "some channels pass an edge by whatever it takes (space.partial), so that an edge "
            "whose none wins is not dropped, and part of the credit is no op's own",
        )
    if charge.obeys and charge.decides:
        return Law(True, f"{charge.reason}, until the method decides an edge, which then stays")
    return Law(charge.obeys, charge.reason)


def answers(
    charge: Charge,
    searches: pd.DataFrame,
    readings: pd.DataFrame,
    confidence: float,
    *,
    partial: bool = False,
) -> tuple[Answer, ...]:
    """Answer the four questions for one method.

    Args:
        charge: what its alpha answers to.
        searches: its rows of the searches table; those whose alpha rests are left out.
        readings: the readings table, of these or of more searches.
        confidence: coverage of the intervals.
        partial: whether some channels pass an edge by (`space.partial` above 1).
    """
    law = sign_law(charge, partial=partial)
    learning = searches[searches["alpha_learns"] & (searches["edges_free"] > 0)]
    silent = unfinished(readings)

    def answer(
        question: str, design: str, say: _Say, rows: pd.DataFrame, by_design: str = ""
    ) -> Answer:
        lines = []
        for condition, seeds in rows.groupby("condition"):
            first = seeds.iloc[0]
            parts = (f"{first['level']}-level", first["dataset"], first["variant"])
            # What a path hands on does not depend on alpha.
            why = None if say in (_paths, _paths_beside) else silent.get(str(condition))
            word, sentence = (NOTHING, f"{why}.") if why else say(seeds, confidence)
            lines.append(Line(str(condition), ", ".join(filter(None, parts)), word, sentence))
        words = {line.word for line in lines if line.word != NOTHING}
        word = NOTHING if not words else words.pop() if len(words) == 1 else "it depends"
        return Answer(question, by_design or word, design, tuple(lines))

    return (
        answer(
            "Does none compete at cost 0?",
            *(_competes(charge, partial=partial), _rise, learning),
            "no" if charge.none_gains <= EXACT else "yes" if charge.keeps_none else "in the search",
        ),
        answer("Does the sign of the cost decide growth?", _decides(law), _sign, learning),
        answer(
            "Does a path share its credit with its inner edges?",
            *((_PATHS_BESIDE, _paths_beside) if partial else (_PATHS, _paths)),
            learning,
        ),
        answer(
            "Does a bi-level search keep an edge?",
            _ends(law),
            _keeps,
            learning[learning["level"] == "bi"],
        ),
    )


_Say = Callable[[pd.DataFrame, float], tuple[str, str]]
_PATHS = (
    "No method can in this space, but through skip_connect: all else that leaves a node ends in "
    "batch norm and gives no credit past it (fact 2)."
)
_PATHS_BESIDE = (
    "By whatever an edge takes: the channels that pass it by (space.partial) hand credit on, as "
    "skip_connect does; all else that leaves a node ends in batch norm and gives no credit past it "
    "(fact 2)."
)


def _competes(charge: Charge, *, partial: bool) -> str:
    if charge.none_gains <= EXACT:
        return "By its mathematics no: none does not gain where the other ops cost something."
    uncharged = "although it is never charged itself"
    if partial:
        uncharged = "for what passes an edge by is charged to all of its ops alike"
    said = (
        "By its mathematics yes: none gains on the other ops where these cost something, "
        f"{uncharged}"
    )
    if not charge.keeps_none:
        return f"{said}; but its own rule keeps edges also where none is strongest."
    return f"{said}."


def _decides(law: Law) -> str:
    if law.applies:
        return (
            f"By its mathematics yes: {law.reason}. While loss exceeds entropy some kept edge "
            "loses to none."
        )
    return f"The law does not apply: {law.reason}."


def _ends(law: Law) -> str:
    if law.applies:
        return (
            "The law applies: as long as loss exceeds entropy on held-out samples no wiring with a "
            f"kept edge is a place to rest ({law.reason})."
        )
    return f"The law does not say where it rests: {law.reason}."


def mean_of(seeds: pd.DataFrame, statistic: str, confidence: float) -> Mean | None:
    """The mean of a statistic over the seeds that have it, and its interval."""
    values = seeds[statistic].dropna()
    if values.empty:
        return None
    low, high, _, _ = interval(values.tolist(), confidence)
    return Mean(float(values.mean()), low, high)


def said(mean: Mean | None) -> str:
    """A mean with its interval, in words."""
    if mean is None:
        return "undefined"
    if mean.low is None or mean.high is None:
        return f"{mean.value:.3g} (one seed)"
    return f"{mean.value:.3g} ({mean.low:.3g} to {mean.high:.3g})"


def _side(mean: Mean | None, bound: float, above: str, below: str) -> str:
    if mean is None or mean.low is None or mean.high is None:
        return NOTHING
    if mean.low <= bound <= mean.high:
        return "inconclusive"
    return above if mean.low > bound else below


def _rise(seeds: pd.DataFrame, confidence: float) -> tuple[str, str]:
    rise = mean_of(seeds, "none_rise", confidence)
    dropped = seeds["edges_dropped"].mean()
    free = seeds["edges_free"].iloc[0]
    return _side(rise, LITTLE, "seen", "not seen"), (
        f"P(none) rose above its start by {said(rise)}, each edge at its own peak; {dropped:.3g} "
        f"of {free} edges were dropped at some time."
    )


def _sign(seeds: pd.DataFrame, confidence: float) -> tuple[str, str]:
    follows = mean_of(seeds, "none_follows_charge", confidence)
    return _side(follows, 0.0, "yes", "no"), (
        "Rank correlation of what an edge is charged in a window with what none gains there: "
        f"{said(follows)}. Loss exceeded entropy in {seeds['positive_share'].mean():.0%} of the "
        "windows."
    )


def _paths(seeds: pd.DataFrame, confidence: float) -> tuple[str, str]:
    share = mean_of(seeds, "path_share", confidence)
    word = _side(share, LITTLE, THROUGH_SKIP, "no")
    return word, (
        f"{said(share)} of the credit of the edges into a node with edges behind it came along "
        f"paths; fact 2 holds to {seeds['residual_path'].max():.1e} nats."
    )


def _paths_beside(seeds: pd.DataFrame, confidence: float) -> tuple[str, str]:
    word, sentence = _paths(seeds, confidence)
    return ("yes" if word == THROUGH_SKIP else word), sentence


def _keeps(seeds: pd.DataFrame, confidence: float) -> tuple[str, str]:
    kept = mean_of(seeds, "edges_selected", confidence)
    free = seeds["edges_free"].iloc[0]
    none = bool((seeds["edges_selected"] == 0).all())
    word = "no" if none else _side(kept, 0.0, "yes", "no")
    return word, (
        f"At the end {said(kept)} of {free} edges are kept; loss exceeded entropy in "
        f"{seeds['positive_share'].mean():.0%} of the held-out windows."
    )
