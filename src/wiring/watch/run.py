"""Watch a study, and run it behind the view."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from wiring.job.stops import SIGNALS
from wiring.watch.left import seconds_left
from wiring.watch.state import State, Study
from wiring.watch.view import Size, ended, frame, headline

EVERY = 2.0
"""Seconds between two looks."""
TAIL = 40
"""Lines of a failed command's output that are shown."""
STEPS = re.compile(rb"^(\d+ of \d+ steps) \(\d+%\) done$", re.MULTILINE)
"""What Snakemake says after each job."""
RECENT = 1 << 16
"""Bytes of output in which it is looked for."""


class Watch:
    """Looks at a study again and again.

    Args:
        study: what is looked at.
        console: where it is shown.
    """

    def __init__(self, study: Study, console: Console) -> None:
        self.study, self.console = study, console
        self._lanes = 1

    def alone(self) -> None:
        """Follow a study that somebody else runs, until all of it is done or failed."""
        if not live(self.console):
            self._lines()
            return
        with self._live() as show:
            while True:
                show("Ctrl-C ends this view; the study goes on")
                if self.study.over:
                    break
                time.sleep(EVERY)
            show("")

    def before(self, command: Sequence[str], path: Path) -> int:
        """Run a command with its output in a file and the study in front.

        A Ctrl-C of the terminal reaches the command as if it ran alone, and is waited for; a
        SIGTERM is handed on to it.

        Args:
            command: the program and its words.
            path: file of its output; replaced.

        Returns:
            Its exit code; 128 + the signal if it was killed by one.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as output, _handed_on() as stops:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            stops.process = process
            try:
                with self._live() as show:
                    while True:
                        show(self._note(stops.asked, path))
                        try:
                            process.wait(EVERY)
                            break
                        except subprocess.TimeoutExpired:
                            continue
                    show("")
            except BaseException:
                self._say(f"the view has ended, {command[0]} has not; what it says: {path}")
                raise
            finally:
                # A fault of the view leaves nothing behind that nobody waits for.
                process.wait()
        if process.returncode:
            self._say(_tail(path))
            self._say(f"{command[0]} ended with {process.returncode}; all that it said: {path}")
        code = process.returncode
        return 128 - code if code < 0 else code

    def _note(self, asked: str, path: Path) -> str:
        if asked:
            return f"{asked}: searches finish their epoch, then stop"
        if self.study.over:
            return f"searches are done: tables, figures and pages{_steps(path)} ({path})"
        return f"Ctrl-C stops all; the same command goes on from there ({path})"

    def _say(self, words: str) -> None:
        self.console.print(words, markup=False, highlight=False, soft_wrap=True)

    def _left(self, now: float) -> float | None:
        # The most so far: between two searches there are fewer for a moment.
        self._lanes = max(self._lanes, self.study.count(State.RUNNING))
        return seconds_left(self.study, self._lanes, now)

    @contextmanager
    def _live(self) -> Iterator[Callable[[str], None]]:
        """What looks at the study, and draws the next frame with a note under it."""
        view = Live(
            console=self.console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )

        def show(note: str) -> None:
            now = time.time()
            self.study.look(now)
            size = Size(*self.console.size)
            view.update(frame(self.study, self._left(now), now, size, note), refresh=True)

        with view:
            yield show

    def _lines(self) -> None:
        """Say where the study stands, then each end of a search."""
        now = time.time()
        self.study.look(now)
        print(headline(self.study, self._left(now)), flush=True)
        while not self.study.over:
            time.sleep(EVERY)
            now = time.time()
            for one in self.study.look(now):
                print(ended(self.study, one, self._left(now)), flush=True)


def live(console: Console) -> bool:
    """Whether a frame can be drawn over another one there."""
    return console.file.isatty() and not console.is_dumb_terminal


class _Stops:
    """Which signal asked to stop, and who is to hear of it."""

    def __init__(self) -> None:
        self.asked = ""
        self.process: subprocess.Popen[bytes] | None = None

    def hear(self, number: int, _: object) -> None:
        self.asked = signal.Signals(number).name
        if number == signal.SIGTERM and self.process is not None:
            self.process.terminate()


@contextmanager
def _handed_on() -> Iterator[_Stops]:
    """Outlive both signals that ask to stop; a program that is started does not inherit that."""
    stops = _Stops()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, old in before.items():
        # What is ignored already stays so, here and in the program.
        if old is not signal.SIG_IGN:
            signal.signal(number, stops.hear)
    try:
        yield stops
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _steps(path: Path) -> str:
    """How far Snakemake says that it is, with a comma before it; empty as long as it does not."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - RECENT))
        said = STEPS.findall(file.read())
    return f", {said[-1].decode()}" if said else ""


def _tail(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return "".join(deque(file, TAIL)).rstrip()


def become(command: Sequence[str]) -> None:
    """Be another program from now on: its output, exit code and signals are this process's.

    Raises:
        OSError: there is none such.
    """
    os.execvp(command[0], list(command))
