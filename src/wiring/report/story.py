"""What was found, in words that are made from the verdicts: for the pages and for README.md."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wiring.claims.judge import VERDICTS, Verdict, of_the_end
from wiring.claims.judgement import Judgement
from wiring.dynamics.readings import PUBLISHED, SETTLED
from wiring.patterns import CLAIMS, PATTERNS, Claim

PICTURES = {"growth": "probability.svg", "width": "wiring.svg", "failure": "wiring.svg"}
"""Pattern -> the figure of a condition that shows it; loss, entropy and credit show the others."""
RULE = "A wiring that still moved at its end is judged at the published displacement."
"""At which of two readings the sentences tell a verdict: see `of_the_end`."""
FIRST = "none.svg"
"""The figure of a condition in which each of the three patterns is seen at a glance."""
NOWHERE = "applies to no condition of this study."
NAMED = 4
"""Conditions that a sentence names; the others are counted."""
BY_CAUSE = {
    "reproduced": " whose setting gives it its cause",
    "inconclusive": " of which that is undecided",
    "not reproduced": " whose setting does not",
    "": " whose setting was not measured",
}
"""Verdict on a condition's setting -> what tells such conditions from others, in words."""


@dataclass(frozen=True)
class Share:
    """Conditions alike in their cause that got the same verdict.

    Attributes:
        verdict: what they got.
        cause: the verdict on their settings; empty where it is not asked or not known.
        whose: the same in words.
        count: how many they are.
        total: of so many that are alike in their cause.
        named: some of them.
    """

    verdict: str
    cause: str
    whose: str
    count: int
    total: int
    named: str

    def __str__(self) -> str:
        conditions = "condition" if self.total == 1 else "conditions"
        counted = f"{self.verdict} in {self.count} of {self.total} {conditions}"
        return f"{counted}{self.whose} ({self.named})"


@dataclass(frozen=True)
class Finding:
    """What became of a pattern.

    Attributes:
        pattern: id of the pattern.
        title: its question.
        claim: id of the claim that stands for it, its first.
        said: what the claim says.
        where: what became of it, and in which conditions; empty if it applies to none.
        most: the number of the condition that shows it most, in words; empty if it applies to none.
        bound: what the claim asks of such a number.
        strongest: that condition; None if it applies to none.
        picture: file of the figure that shows it there.
    """

    pattern: str
    title: str
    claim: str
    said: str
    where: tuple[Share, ...]
    most: str
    bound: str
    strongest: Verdict | None
    picture: str

    @property
    def text(self) -> str:
        """The finding in words; it says where the claim applies to nothing."""
        found = f"is {'; '.join(map(str, self.where))}. {self.most}" if self.where else NOWHERE
        return f"The claim “{self.said}” {found}"


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
        where: tuple[Share, ...] = ()
        most = ""
        bound = f"{definition.side} {number(definition.threshold)}"
        if strongest is not None:
            where = _where(rows, _causes(found.verdicts, claim))
            most = f"Strongest in {place(strongest)}: "
            most += f"{number(strongest.effect)} ({_bounded(CLAIMS[claim])}"
            most += f"{_when(strongest, found.verdicts)}); the claim asks for {bound}."
        said = definition.title.removesuffix(".")
        picture = PICTURES.get(pattern.id, "statistics.svg")
        told.append(
            Finding(pattern.id, pattern.title, claim, said, where, most, bound, strongest, picture)
        )
    return told


def _bounded(claim: Claim) -> str:
    """What a claim holds against its threshold, in words."""
    _, _, meaning = claim.threshold.meaning.partition(": ")
    return meaning.partition(";")[0]


def _when(row: Verdict, verdicts: Iterable[Verdict]) -> str:
    """At which of two readings a number is what it is; and at the end, if it is another there.

    A figure shows the whole search, also of one that is judged earlier.
    """
    if row.reading == SETTLED:
        return ", at the end"
    if row.reading != PUBLISHED:
        return ""
    ends = {
        number(each.effect)
        for each in verdicts
        if (each.claim, each.condition, each.reading) == (row.claim, row.condition, SETTLED)
    }
    changed = "".join(f", and {end} at the end" for end in ends - {number(row.effect)})
    return f", at the published displacement{changed}"


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
    return {row.condition: row.verdict for row in rows if row.claim == CLAIMS[claim].cause}


def _where(rows: Sequence[Verdict], causes: Mapping[str, str]) -> tuple[Share, ...]:
    """Where the claim got which verdict; apart by whether its cause is there, where some say so."""
    if not any(row.condition in causes for row in rows):
        return tuple(_shares(rows, "", ""))
    return tuple(
        share
        for cause, whose in BY_CAUSE.items()
        for share in _shares(
            [row for row in rows if causes.get(row.condition, "") == cause], cause, whose
        )
    )


def _shares(rows: Sequence[Verdict], cause: str, whose: str) -> Iterator[Share]:
    for kind in kinds(rows):
        places = [place(row) for row in rows if row.verdict == kind]
        named = ", ".join(places[:NAMED])
        if len(places) > NAMED:
            named += f" and {len(places) - NAMED} more"
        yield Share(kind, cause, whose, len(places), len(rows), named)


def place(row: Verdict) -> str:
    """A condition by all that tells it from the others of the study."""
    return " ".join(filter(None, (row.experiment, row.method, row.level, row.dataset, row.variant)))


def _strongest(rows: Sequence[Verdict], side: str) -> Verdict | None:
    sign = 1 if side == "above" else -1
    judged = [row for row in rows if row.verdict != "unfinished"]
    defined = [row for row in judged or rows if not math.isnan(row.effect)]
    return max(defined, key=lambda row: sign * row.effect, default=None)
