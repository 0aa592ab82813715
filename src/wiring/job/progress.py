"""How far a search is: what it says of itself, and how that is read back from its log."""

from __future__ import annotations

import logging
import re
import time
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # who only reads what was said waits for no torch
    from wiring.search import Row, Search

SPOKEN_EVERY = 5.0
"""Seconds between two messages of a search."""
FORMAT = "%(asctime)s %(levelname)s %(message)s"
"""Of a line in a log file; :meth:`Said.read` reads it."""
_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ([A-Z]+) (.*)")
_NUMBER = r"([-+]?(?:\d+\.\d+|inf|nan))"
_STANDING = re.compile(
    rf"(\S+)  epoch (\d+)/(\d+)  loss {_NUMBER}  gap {_NUMBER}  accuracy {_NUMBER}  test {_NUMBER}"
    r"  edges kept (\d+)/(\d+)  (at most )?(\d+(?::\d\d){1,2}) left"
)
log = logging.getLogger("wiring")


class Said(NamedTuple):
    """A line of a log file.

    Attributes:
        at: when it was said, in seconds of Unix time.
        level: `INFO`, `WARNING`, `ERROR` or `CRITICAL`.
        message: what was said.
    """

    at: float
    level: str
    message: str

    @classmethod
    def read(cls, line: str) -> Said | None:
        """What a line says; None if it is not one that :data:`FORMAT` made."""
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        try:
            at = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").timestamp()
        except ValueError:
            return None
        return cls(at, found[2], found[3])


class Standing(NamedTuple):
    """Where a search stands.

    Attributes:
        search: its id.
        epoch: epochs done.
        epochs: that there are to be; the most, under `train.until`.
        loss: of the weights' samples in the last epoch, nats.
        gap: loss less entropy of the samples that alpha learns from, nats: above 0 `none` gains.
        accuracy: of the weights' samples.
        test: accuracy on the test set.
        kept: edges whose selected op is not `none`.
        edges: of the cell.
        left: seconds to its end.
        at_most: whether it may end earlier.
    """

    search: str
    epoch: int
    epochs: int
    loss: float
    gap: float
    accuracy: float
    test: float
    kept: int
    edges: int
    left: int
    at_most: bool

    @property
    def line(self) -> str:
        """In words, with numbers to three decimals; :meth:`read` reads it."""
        return (
            f"{self.search}  epoch {self.epoch}/{self.epochs}  loss {self.loss:.3f}  "
            f"gap {self.gap:+.3f}  accuracy {self.accuracy:.3f}  test {self.test:.3f}  "
            f"edges kept {self.kept}/{self.edges}  "
            f"{'at most ' if self.at_most else ''}{clock(self.left)} left"
        )

    @classmethod
    def read(cls, message: str) -> Standing | None:
        """What a message says; None if it says something else."""
        found = _STANDING.fullmatch(message)
        if found is None:
            return None
        search, epoch, epochs, loss, gap, accuracy, test, kept, edges, most, left = found.groups()
        return cls(
            search,
            int(epoch),
            int(epochs),
            float(loss),
            float(gap),
            float(accuracy),
            float(test),
            int(kept),
            int(edges),
            reduce(lambda sum_, part: 60 * sum_ + int(part), left.split(":"), 0),
            most is not None,
        )


def clock(seconds: float) -> str:
    """A time as people read it: `0:07`, `12:30`, `1:05:00`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Progress:
    """Says when a search begins, every few seconds, and at the end, where it stands."""

    def __init__(self, search: Search) -> None:
        self._first = search.epoch
        self._begun = self._spoken = time.monotonic()
        self._rows: dict[str, dict[str, float]] = {}
        train = search.config.train
        if not search.epoch:  # what is resumed has been told of
            most = "at most " if train.until else ""
            log.info("%s  begins, %s%d epochs", search.config.id, most, train.all_epochs)

    def row(self, row: Row) -> None:
        """Remember the last epoch's rows."""
        if row.table == "epochs":
            self._rows[row.values["split"]] = row.values

    def epoch_done(self, search: Search) -> None:
        """Say where the search stands, if it is time."""
        now = time.monotonic()
        if now - self._spoken < SPOKEN_EVERY and not search.finished:
            return
        self._spoken = now
        config = search.config
        epochs = config.train.all_epochs
        pace = (now - self._begun) / (search.epoch - self._first)
        train, learns = self._rows["train"], self._rows[config.learning_split]
        standing = Standing(
            search=config.id,
            epoch=search.epoch,
            epochs=epochs,
            loss=train["loss"],
            gap=learns["loss"] - learns["entropy"],
            accuracy=train["accuracy"],
            test=self._rows["test"]["accuracy"],
            kept=sum(op != "none" for op in search.genotype().values()),
            edges=len(search.space.edges),
            left=0 if search.finished else round(pace * (epochs - search.epoch)),
            at_most=config.train.until is not None,
        )
        log.info("%s", standing.line)
