"""Small disks, and full ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[str]:
    """A file system of so many bytes at `place`, which is made; mounting one takes root.

    Yields:
        Why there is none; empty if there is.
    """
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        fault = done.stderr.strip() or "mount failed" if done.returncode else ""
    except OSError as error:
        fault = str(error)
    try:
        yield fault
    finally:
        if not fault:
            subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill(ballast: Path) -> None:
    """Write a file until its disk is full."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
