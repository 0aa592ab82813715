"""How far a search is, in words."""

from __future__ import annotations

import logging
import time

from wiring.search import Row, Search

SPOKEN_EVERY = 5.0
"""Seconds between two messages of a search."""
log = logging.getLogger("wiring")


class Progress:
    """Says every few seconds, and at the end, where a search stands."""

    def __init__(self, search: Search) -> None:
        self._first = search.epoch
        self._begun = self._spoken = time.monotonic()
        self._rows: dict[str, dict[str, float]] = {}

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
        epochs = search.config.train.all_epochs
        pace = (now - self._begun) / (search.epoch - self._first)
        left = 0 if search.finished else epochs - search.epoch
        minutes, seconds = divmod(round(pace * left), 60)
        train, test = self._rows["train"], self._rows["test"]
        kept = sum(op != "none" for op in search.genotype().values())
        log.info(
            "%s  epoch %d/%d  loss %.3f  accuracy %.3f  test %.3f  edges kept %d/%d  "
            "%s%d:%02d left",
            search.config.id,
            search.epoch,
            epochs,
            train["loss"],
            train["accuracy"],
            test["accuracy"],
            kept,
            len(search.space.edges),
            "at most " if search.config.train.until else "",
            minutes,
            seconds,
        )
