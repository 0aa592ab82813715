"""Checkpoints: written whole or not at all, two of them kept, the newest sound one loaded."""

from __future__ import annotations

import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from wiring.files import atomic_file

KEPT = 2


def save(folder: Path, epoch: int, state: dict[str, Any]) -> None:
    """Save the state reached after `epoch` epochs and drop all but the newest two."""
    content = io.BytesIO()
    torch.save(state, content)
    with atomic_file(folder / f"{epoch:06d}.pt") as path:
        path.write_bytes(content.getbuffer())
    for old in _all(folder)[:-KEPT]:
        old.unlink()


def newest(folder: Path) -> Path | None:
    """The newest checkpoint, sound or not, if there is one."""
    return next(reversed(_all(folder)), None)


def load(folder: Path, digest: str, device: torch.device) -> dict[str, Any] | None:
    """The newest sound checkpoint of the search with this config digest, if there is one."""
    log = logging.getLogger(__name__)
    for path in reversed(_all(folder)):
        try:
            state: dict[str, Any] = torch.load(path, device, weights_only=True)
            found = state["digest"]
        except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
            log.warning("%s: damaged (%s), trying the one before", path, type(error).__name__)
            continue
        if found == digest:
            return state
        log.warning("%s: of another config, not used", path)
    return None


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.pt"))
