"""What E0 says of a setting, said of every condition that has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from wiring.claims.judge import Verdict
from wiring.config import Condition
from wiring.patterns import CLAIMS


def of_settings(verdicts: Iterable[Verdict], twins: Mapping[Condition, Condition]) -> list[Verdict]:
    """The verdicts on settings once more, for the conditions whose setting was measured.

    Args:
        verdicts: of the measuring experiment.
        twins: condition whose alpha learns -> the condition that measured its setting, as
            :func:`wiring.config.twins` finds them.

    Returns:
        By claim in the order of the verdicts, then by condition.
    """
    found = []
    for verdict in verdicts:
        if not CLAIMS[verdict.claim].of_setting:
            continue
        for condition, twin in sorted(twins.items()):
            if str(twin) == verdict.condition:
                note = "; ".join(part for part in (f"measured by {twin}", verdict.note) if part)
                found.append(
                    replace(verdict, condition=str(condition), **condition._asdict(), note=note)
                )
    return found
