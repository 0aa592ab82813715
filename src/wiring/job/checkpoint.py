"""Checkpoints: written whole or not at all, two of them kept, the newest sound one loaded.

A checkpoint's name holds the SHA-256 of its bytes: torch.load does not notice most flipped bits.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from wiring.files import atomic_file

KEPT = 2
ASIDE = "aside"
"""Folder of checkpoints that the search cannot go on from."""
DIGITS = 6
"""Of the epoch in a name, so that names sort as epochs do."""
_FAULTS = (OSError, RuntimeError, EOFError, LookupError, TypeError, ValueError, UnpicklingError)
"""What reading bytes that are no checkpoint can raise."""
log = logging.getLogger("wiring")


def save(folder: Path, epoch: int, identity: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Save the state reached after `epoch` epochs and drop all but the newest two.

    Args:
        folder: of this search's checkpoints.
        epoch: epochs done.
        identity: what must be the same for a search to go on from here; see :func:`load`.
        state: tensors and plain values only.
    """
    buffer = io.BytesIO()
    torch.save({"identity": dict(identity), "state": dict(state)}, buffer)
    content = buffer.getbuffer()
    name = f"{epoch:0{DIGITS}d}-{hashlib.sha256(content).hexdigest()}.pt"
    with atomic_file(folder / name) as path:
        path.write_bytes(content)
    for old in _all(folder)[:-KEPT]:
        old.unlink()


def newest(folder: Path) -> Path | None:
    """The newest checkpoint, sound or not, if there is one."""
    return next(reversed(_all(folder)), None)


def load(
    folder: Path,
    identity: Mapping[str, str],
    alike: Callable[[str, str], bool] = lambda name, value: False,  # noqa: ARG005
) -> dict[str, Any] | None:
    """The state of the newest checkpoint that is sound and of this very search, if there is one.

    A damaged one is removed, one of another search is kept aside, and a message names each: one
    that stayed would count as newer than those that the search is going to write. One that was
    kept aside is taken up where the search is again what it was. All tensors come to the CPU,
    wherever they were: who takes one up puts it where it computes.

    Args:
        folder: of this search's checkpoints; nobody else may be writing there.
        identity: name to value; a checkpoint that differs in one is of another search.
        alike: whether a value that differs, given its name, will do all the same.
    """
    for left in folder.glob(".*.pt"):  # what a killed writer left
        left.unlink()
    aside = folder / ASIDE
    for path in sorted((*_all(folder), *_all(aside)), key=lambda one: one.name, reverse=True):
        try:
            theirs, state = _read(path)
        except _FAULTS as error:
            said = str(error).splitlines() or [type(error).__name__]
            log.warning("%s: damaged (%s): removed, trying the one before", path, said[0])
            path.unlink()
            continue
        other = [
            name
            for name, value in identity.items()
            if theirs.get(name) != value and not alike(name, str(theirs.get(name)))
        ]
        if not other:
            if path.parent == aside:
                log.info("%s: taken up again", path)
                for older in _all(folder):
                    _keep_aside(older)
                path.replace(folder / path.name)
            return state
        if path.parent == folder:
            log.warning(
                "%s: made with another %s: kept aside in %s/", path, ", ".join(other), ASIDE
            )
            _keep_aside(path)
    return None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Identity and state of a checkpoint."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != path.stem[DIGITS + 1 :]:
        raise ValueError("its SHA-256 is not that of its name")
    # weights_only: a checkpoint from elsewhere runs no code.
    found = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    return dict(found["identity"]), dict(found["state"])


def _keep_aside(path: Path) -> None:
    """For whoever goes back to the settings that a checkpoint was made with."""
    (path.parent / ASIDE).mkdir(exist_ok=True)
    path.replace(path.parent / ASIDE / path.name)


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.pt"))
