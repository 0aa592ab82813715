"""Which code makes which results: what was made by code of another meaning is made again.

`stages.py` says where a stage begins and what is left out; `imports.py` finds what is behind it;
`meaning.py` writes what that means. Nothing here is imported to be digested, nor is torch: a
Snakefile asks at each parse.
"""

from wiring.provenance.digest import (
    code_digest,
    escapes,
    excluded,
    files_behind,
    method_digest,
    plugin_digest,
    search_digest,
    source_digest,
)
from wiring.provenance.stages import EXCLUDED, STAGES

__all__ = [
    "EXCLUDED",
    "STAGES",
    "code_digest",
    "escapes",
    "excluded",
    "files_behind",
    "method_digest",
    "plugin_digest",
    "search_digest",
    "source_digest",
]
