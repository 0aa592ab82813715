"""The one kind of error that is the user's to mend."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError


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
        faults = error.errors(include_url=False, include_context=False)
        parents = {fault["loc"][:-1] for fault in faults}
        lines = []
        for fault in faults:
            # A tuple whose faulty items fall away is then too short: not a fault of its own.
            if fault["type"] == "too_short" and fault["loc"] in parents:
                continue
            field = ".".join(str(part) for part in (*prefix, *fault["loc"])) or "(top level)"
            got = (
                ""
                if fault["type"] in {"missing", "extra_forbidden"}
                or isinstance(fault["input"], dict | list | tuple)
                else f", got {fault['input']!r}"
            )
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                message = "unknown key"
            lines.append(f"{source}: {field}: {message}{got}")
        return cls("\n".join(lines))
