"""Programs in terminals of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, cwd: Path, *words: str, columns: int = 80, term: str = "xterm") -> None:
        self.said = b""
        environment = {
            **os.environ,
            "TERM": term,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT / "src"),
        }
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.chdir(cwd)
            # What a test runner in the background ignores, a terminal's program does not.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.execve(words[0], words, environment)
        shape = struct.pack("HHHH", 24, columns, 0, 0)
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, shape)

    def read(self, word: bytes = b"", seconds: float = 120.0) -> bytes:
        """All that it has said when a word comes, or at its end."""
        until = time.monotonic() + seconds
        while not word or word not in self.said:
            assert time.monotonic() < until, self.said[-2000:]
            if not select.select([self.file], [], [], 1.0)[0]:
                continue
            try:
                got = os.read(self.file, 4096)
            except OSError:  # Linux says so that the other side is closed
                got = b""
            if not got:
                break
            self.said += got
        return self.said

    def end(self) -> int:
        self.read()
        os.close(self.file)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-c", "from wiring.cli import app; app()", *words)
