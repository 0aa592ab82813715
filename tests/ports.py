"""Ports of this machine for tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def silent_port() -> Iterator[int]:
    """A port of 127.0.0.1 that is held, so that nobody listens there; free afterwards."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def answers(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    with suppress(OSError), socket.create_connection((address, port), timeout=5):
        return True
    return False


def other_addresses() -> list[str]:
    """Where this machine answers too, if one listens on all its addresses."""
    if shutil.which("hostname") is None:
        return ["127.0.0.2"]
    # Linux knows the option; elsewhere nothing comes out.
    done = subprocess.run(["hostname", "-I"], check=False, capture_output=True, text=True)
    return ["127.0.0.2", *done.stdout.split()]
