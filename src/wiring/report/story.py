"""What was found, in words that are made from the verdicts: for the pages and for README.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wiring.claims.judge import VERDICTS, Verdict, of_the_end
from wiring.claims.judgement import Judgement
from wiring.dynamics.readings import PUBLISHED
from wiring.patterns import CLAIMS, PATTERNS, Claim

PICTURES = {"growth": "probability.svg", "width": "wiring.svg", "failure": "wiring.svg"}
"""Pattern -> the figure of a condition that shows it; loss, entropy and credit show the others."""
NAMED = 4
"""Conditions that a sentence names; the others are counted."""
BY_CAUSE = {
    "reproduced": "where the setting gives it its cause",
    "inconclusive": "where that is undecided",
    "not reproduced": "where the setting does not",
    "": "where that was not measured",
}
"""Verdict on a condition's setting -> the conditions that have it, in words."""


@dataclass(frozen=True)
class Finding:
    """What became of a pattern.

    Attributes:
        pattern: id of the pattern.
        title: its question.
        claim: id of the claim that stands for it, its first.
        text: the finding in words; it says where the claim applies to nothing.
        strongest: the condition that shows the claim most; None if it applies to none.
        picture: file of the figure that shows it there.
    """

    pattern: str
    title: str
    claim: str
    text: str
    strongest: Verdict | None
    picture: str


def findings(found: Judgement) -> list[Finding]:
    """What became of each pattern, in the paper's order."""
    told = []
    for pattern in PATTERNS:
        if not pattern.claims:
            continue
        claim = pattern.claims[0].id
        rows = of_the_end(row for row in found.verdicts if row.claim == claim)
        definition = found.claims[claim]
        strongest = _strongest(rows, definition.side)
        text = f"{definition.title} "
        if strongest is None:
            text += "It applies to no condition of this study."
        else:
            bound = f"{definition.side} {number(definition.threshold)}"
            text += f"{_where(rows, _causes(found.verdicts, claim))}. "
            text += f"Strongest in {_place(strongest)}: {number(strongest.effect)} "
            text += f"({_bounded(CLAIMS[claim])}); the claim asks for {bound}."
            if any(row.reading == PUBLISHED for row in rows):
                text += (
                    " A wiring that still moved at its end is judged at the published displacement."
                )
        picture = PICTURES.get(pattern.id, "statistics.svg")
        told.append(Finding(pattern.id, pattern.title, claim, text, strongest, picture))
    return told


def _bounded(claim: Claim) -> str:
    """What a claim holds against its threshold, in words."""
    _, _, meaning = claim.threshold.meaning.partition(": ")
    return meaning.partition(";")[0]


def number(value: float | None) -> str:
    """Three significant digits, without an exponent where that is readable; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", "−")


def kinds(rows: Iterable[Verdict]) -> list[str]:
    """The verdicts that there are, as words, in the order in which they are told."""
    there = dict.fromkeys(str(row.verdict) for row in rows)
    known = [str(kind) for kind in VERDICTS]
    return [kind for kind in known if kind in there] + [k for k in there if k not in known]


def _causes(rows: Iterable[Verdict], claim: str) -> dict[str, str]:
    """Condition -> the verdict on its setting, of those that give a claim its cause or do not."""
    cause = CLAIMS[claim].cause
    return {row.condition: row.verdict for row in rows if cause and row.claim == cause}


def _where(rows: Sequence[Verdict], causes: Mapping[str, str]) -> str:
    """Where the claim got which verdict; apart by whether its cause is there, where some say so."""
    if not any(row.condition in causes for row in rows):
        return _capital(_counted(rows))
    parts = []
    for cause, words in BY_CAUSE.items():
        own = [row for row in rows if causes.get(row.condition, "") == cause]
        if own:
            parts.append(_capital(f"{words}: {_counted(own)}"))
    return ". ".join(parts)


def _counted(rows: Sequence[Verdict]) -> str:
    parts = []
    for kind in kinds(rows):
        places = [_place(row) for row in rows if row.verdict == kind]
        named = ", ".join(places[:NAMED])
        if len(places) > NAMED:
            named += f" and {len(places) - NAMED} more"
        conditions = "condition" if len(rows) == 1 else "conditions"
        parts.append(f"{kind} in {len(places)} of {len(rows)} {conditions} ({named})")
    return "; ".join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _place(row: Verdict) -> str:
    """A condition by all that tells it from the others of the study."""
    return " ".join(filter(None, (row.experiment, row.method, row.level, row.dataset, row.variant)))


def _strongest(rows: Sequence[Verdict], side: str) -> Verdict | None:
    sign = 1 if side == "above" else -1
    judged = [row for row in rows if row.verdict != "unfinished"]
    defined = [row for row in judged or rows if not math.isnan(row.effect)]
    return max(defined, key=lambda row: sign * row.effect, default=None)
