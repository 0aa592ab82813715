"""The one error a user sees when an input is at fault."""

from __future__ import annotations

from pydantic import ValidationError


class ConfigError(ValueError):
    """Bad input: the message is one clear sentence a line, naming the file and the field."""

    @classmethod
    def from_validation(
        cls, source: str, error: ValidationError, prefix: tuple[str, ...] = ()
    ) -> ConfigError:
        """Turn pydantic's report into one sentence a fault: file, field, what was wrong.

        Args:
            source: the file (or command line) that the values came from.
            error: what pydantic found.
            prefix: where in the file the validated part begins.
        """
        lines = []
        faults = error.errors()
        parents = {fault["loc"][:-1] for fault in faults}
        for fault in faults:
            # A tuple whose faulty items fall away is then too short: not a fault of its own.
            if fault["type"] == "too_short" and fault["loc"] in parents:
                continue
            field = ".".join(str(part) for part in (*prefix, *fault["loc"])) or "(top level)"
            if not field.isprintable():  # a foreign key: it must not break the line
                field = ascii(field)
            got = (
                ""
                if fault["type"] in {"missing", "extra_forbidden", "json_invalid"}
                or isinstance(fault["input"], dict | list | tuple)
                else f", got {fault['input']!r}"
            )
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                message = "unknown key"
            lines.append(f"{source}: {field}: {message}{got}")
        return cls("\n".join(lines))
