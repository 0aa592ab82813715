"""Settings of every test process."""

import gc
import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import chdir, suppress
from functools import wraps
from pathlib import Path
from sqlite3 import dbapi2
from typing import Any

import hypothesis
import pytest

from tests.looks import Look, looking
from tests.shared import once
from wiring.config import RunConfig

# Before torch is imported: tests run side by side, and each has one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As `wiring search` sets them.
os.environ.update(RunConfig().environment)
# No test is timed: by default an example fails that takes 200 ms, as one may on a machine at work.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def _without_the_disk(connect: Any) -> Any:
    """`connect` of SQLite, whose commits wait for no disk: tests outlive no loss of power.

    MLflow commits row by row, and a disk takes milliseconds each time: to make an empty store four
    seconds. What is killed loses nothing by it, only what loses its machine does.
    """

    @wraps(connect)
    def connected(*words: Any, **more: Any) -> Any:
        connection = connect(*words, **more)
        patience = more.get("timeout", words[1] if len(words) > 1 else 5.0)
        # It looks into the file. One that is locked or damaged is for the test to meet, as ever.
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}")
        return connection

    return connected


# What SQLAlchemy asks, and so MLflow; forked processes inherit it, see `tests.warm`.
dbapi2.connect = _without_the_disk(dbapi2.connect)


@pytest.fixture(autouse=True)
def _messages() -> Iterator[None]:
    """The command line sends messages to a stderr that is gone after its test."""
    log = logging.getLogger("wiring")
    handlers, level = log.handlers, log.level
    yield
    log.handlers, log.level = handlers, level


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow without runs, to copy: MLflow makes one in seconds."""

    def make(place: Path) -> None:
        from mlflow import MlflowClient

        place.mkdir()
        with chdir(place):  # it makes folders too
            MlflowClient(f"sqlite:///{place}/mlflow.db").search_experiments()

    return once(tmp_path_factory, "store", make) / "mlflow.db"


@pytest.fixture(scope="session")
def looked_at() -> Iterator[Look]:
    """What a browser finds wrong with a page."""
    with looking() as look:
        yield look


FIRST, LAST = ("test_workflow", "test_survival"), "published"
"""What is long: started first, lest one worker end alone with it; last what others' work is for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        name = item.path.stem
        if LAST in getattr(item, "fixturenames", ()):
            return len(FIRST)
        return FIRST.index(name) if name in FIRST else len(FIRST) + 1

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Set apart what is there by now: else each search for garbage looks through all of it."""
    gc.collect()
    gc.freeze()
