"""Which code makes which results: what was made by other code is made again.

Snakemake holds a digest of these modules against the one it recorded, so that neither a touched
file nor an old file time counts. `dvc.yaml` names the same modules; a test compares them.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parent
SOURCES = {".py", ".npz", ".j2", ".css"}

_SEARCH = ("files.py", "errors.py", "config/search.py", "config/space.py", "config/model.py")
CODE: dict[str, tuple[str, ...]] = {
    "data": (*_SEARCH, "config/dataset.py", "data"),
    "trajectories": (
        *_SEARCH,
        "data/batches.py",
        "data/dataset.py",
        "space",
        "methods",
        "measure",
        "search",
        "trajectory/schema.py",
        "trajectory/writer.py",
    ),
    "dynamics": (*_SEARCH, "trajectory", "dynamics"),
    "claims": ("files.py", "config", "dynamics", "claims"),
    "figures": ("files.py", "config", "dynamics/store.py", "figures"),
    "report": ("files.py", "config", "dynamics", "claims", "report"),
}
"""Stage -> modules and packages of `wiring` that its results depend on.

cli.py and tracking/ are left out: they hand over and show, they compute nothing.
"""


@cache
def code_digest(stage: str) -> str:
    """SHA-256 of the code of a stage of :data:`CODE`: names and contents."""
    return _digest([PACKAGE / part for part in CODE[stage]], PACKAGE)


@cache
def method_digest(method: str) -> str:
    """SHA-256 of the package that a method comes from; empty for those of this package.

    The package is found, not imported: Snakemake reads its file often.
    """
    (point,) = entry_points(group="wiring.methods", name=method)
    top = point.module.split(".")[0]
    if top == PACKAGE.name:
        return ""
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    return _digest([origin.parent if origin.name == "__init__.py" else origin], origin.parent)


def _digest(parts: list[Path], root: Path) -> str:
    files = {path for part in parts for path in (part, *part.rglob("*")) if path.suffix in SOURCES}
    digest = hashlib.sha256()
    for path in sorted(files):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()
