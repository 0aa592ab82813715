"""Who pays: to which costs a method's alpha answers, as :mod:`wiring.methods.ask` finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from wiring.errors import InputError
from wiring.files import atomic_file

EXACT = 1e-9
"""What is not larger is 0 but for rounding."""


@dataclass(frozen=True)
class Charge:
    """What a method's alpha answers to.

    Attributes:
        evaluated: ops that a step evaluates on an edge, `none` counted; mean over draws.
        untaken: share of alpha's answer to costs that it gives to those of ops whose gate is 0.
            Above 0, conservation (docs/science.md, fact 3) does not bind all that alpha learns
            from.
        none_gains: how much the logarithm of P(none) gains on the mean of the others', per step
            along the gradient and nat that every other op costs. Above 0, `none` competes with its
            cost of 0 and the sign of the costs decides whether it gains.
        pushed: whether alpha has a gradient also where nothing costs anything.
        keeps_none: whether the method's own rule leaves an edge out on which `none` is strongest.
        decides: whether the method may narrow the candidates at the end of an epoch.
    """

    evaluated: float
    untaken: float
    none_gains: float
    pushed: bool
    keeps_none: bool
    decides: bool

    @property
    def obeys(self) -> bool:
        """Whether conservation says where its searches can rest: charged for what it takes."""
        return self.untaken <= EXACT and self.none_gains > EXACT and not self.pushed

    @property
    def reason(self) -> str:
        """Why :attr:`obeys` is what it is, as the end of a sentence."""
        if self.untaken > EXACT:
            return (
                f"{self.untaken:.0%} of what alpha answers to are costs of ops that were not "
                "taken, and no law binds those"
            )
        if self.none_gains <= EXACT:
            return "`none` does not gain on an edge whose ops cost something"
        if self.pushed:
            return "alpha is also pushed where nothing costs anything"
        return "alpha is charged for what it takes, and for nothing else"


_CHARGES = TypeAdapter(dict[str, Charge])


def write(charges: Mapping[str, Charge], path: Path) -> None:
    """Write what was found of each method, as JSON."""
    with atomic_file(path) as file:
        file.write_bytes(_CHARGES.dump_json(dict(charges), indent=2) + b"\n")


def read(path: Path) -> dict[str, Charge]:
    """Read what :func:`write` wrote.

    Raises:
        OSError: it cannot be read.
        InputError: it is something else; one sentence a fault.
    """
    try:
        return _CHARGES.validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from None
