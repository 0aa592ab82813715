"""The one kind of error that is the user's to mend."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

UNKNOWN = "unknown key"
LONGEST = 200
"""Characters of a wrong value that a message repeats."""
Place = tuple[str | int, ...]
"""Where in a file something stands: keys and positions from the top."""


class InputError(ValueError):
    """Bad input: the message is one clear sentence a line, naming the file and the field.

    The command line ends with it and exit code 2. Every other exception is a fault of ours, or of
    the machine, and is never dressed up as one of these.
    """

    @classmethod
    def from_validation(
        cls, source: str, error: ValidationError, prefix: Sequence[str] = ()
    ) -> InputError:
        """Turn pydantic's report into one sentence a fault: file, field, what was wrong.

        Args:
            source: the file (or command line) that the values came from.
            error: what pydantic found.
            prefix: where in the file the validated part begins.
        """
        lines = (f"{source}: {dotted((*prefix, *p))}: {said}" for p, said in faults(error))
        return cls("\n".join(lines))


def dotted(place: Place) -> str:
    """A place as people write it: `experiments.E1.seeds.0`."""
    return ".".join(map(str, place)) or "(top level)"


def faults(error: ValidationError) -> list[tuple[Place, str]]:
    """Pydantic's report as pairs of a place and what is wrong there, each in one line."""
    found = error.errors(include_url=False, include_context=False)
    parents = {fault["loc"][:-1] for fault in found}
    told = []
    for fault in found:
        # A tuple whose faulty items fall away is then too short: not a fault of its own.
        if fault["type"] == "too_short" and fault["loc"] in parents:
            continue
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = UNKNOWN
        elif fault["type"] != "missing" and not isinstance(fault["input"], dict | list | tuple):
            got = repr(fault["input"])
            message += f", got {got if len(got) <= LONGEST else got[:LONGEST] + '...'}"
        told.append((fault["loc"], message))
    return told
