"""Show Sphinx's roles in docstrings as code: an extension of griffe, for mkdocstrings."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):(?=`)")


class Roles(griffe.Extension):
    """Drops the role before a name in backquotes."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Mend an object's docstring before it is parsed."""
        if obj.docstring:
            obj.docstring.value = ROLE.sub("", obj.docstring.value)
