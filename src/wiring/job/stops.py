"""SIGINT, SIGTERM and SIGHUP: heard, not obeyed at once."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The last comes where a terminal is closed."""
log = logging.getLogger("wiring")


class Stops:
    """Collects the signals that ask a process to stop, from the first to the process's end.

    One stop of a cluster's job arrives several times, from Slurm, srun and Snakemake, and some of
    it late: a handler that were put back would let the last one kill the process in the middle of
    its farewell. So a further SIGTERM or SIGHUP never has an effect. A second SIGINT comes from
    somebody who will not wait: it raises KeyboardInterrupt, once.

    Attributes:
        asked: the first signal that came; None as long as none has.
        patient: whether the first signal waits for somebody to look at :attr:`asked`; else it
            raises KeyboardInterrupt at once, for there is nothing yet to bring to an end.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.asked: int | None = None
        self.patient = patient
        self._interrupted = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stops:
        """Hear these signals from now on; one that is ignored already stays so."""
        # Only the main thread may say what a signal does.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # `nohup command &` starts it with SIGINT ignored: somebody meant that.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        """Once asked to stop, be deaf for what is left of the process; else leave all as it was.

        Python itself puts handlers back when it ends, but not over a signal that is ignored: a
        late one would else decide on the exit code.
        """
        for number, before in self._before.items():
            signal.signal(number, before if self.asked is None else signal.SIG_IGN)

    @property
    def name(self) -> str:
        """The name of the signal that asked."""
        return "" if self.asked is None else signal.Signals(self.asked).name

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.asked is None:
            self.asked = number
            if not self.patient:
                raise KeyboardInterrupt
            log.info("%s: stopping after this epoch", self.name)
        if number == signal.SIGINT:
            self._interrupted += 1
            if self._interrupted == 2:
                raise KeyboardInterrupt
