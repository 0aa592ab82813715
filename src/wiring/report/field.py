"""The table of the field: a row a method, a column a pattern on some data, effect and interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wiring.claims.judge import Verdict, of_the_end

PATTERNS_SHOWN = ("P1", "P2", "P2-shape", "P3", "M-charge")
"""Claims of what alpha makes of the wiring, in the order of the columns."""


class Column(NamedTuple):
    """A claim where it was judged."""

    claim: str
    level: str
    dataset: str
    variant: str


class Field(NamedTuple):
    """What was judged, by column and method.

    Attributes:
        columns: in the order of the claims, then of their first verdict.
        rows: method -> a verdict a column; None where there is none.
    """

    columns: tuple[Column, ...]
    rows: dict[str, tuple[Verdict | None, ...]]


def field(
    verdicts: Sequence[Verdict], methods: Sequence[str], claims: Sequence[str] = PATTERNS_SHOWN
) -> Field:
    """Arrange verdicts by method and pattern.

    Args:
        verdicts: of one or several experiments, by claim.
        methods: the rows, in their order; one without a verdict has an empty row.
        claims: those that have columns, in their order.
    """
    shown = [
        verdict
        for verdict in of_the_end(verdicts)
        if verdict.claim in claims and verdict.method in methods
    ]
    found = {(_column(verdict), verdict.method): verdict for verdict in shown}
    columns = tuple(
        sorted(
            dict.fromkeys(_column(verdict) for verdict in shown),
            key=lambda column: claims.index(column.claim),
        )
    )
    rows = {method: tuple(found.get((column, method)) for column in columns) for method in methods}
    return Field(columns, rows)


def _column(verdict: Verdict) -> Column:
    return Column(verdict.claim, verdict.level, verdict.dataset, verdict.variant)
