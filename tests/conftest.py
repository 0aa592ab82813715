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

import pytest

from tests.looks import Look, looking
from tests.shared import once
from wiring.config import RunConfig

# Before torch is imported: tests run side by side, and each has one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As `wiring search` sets them.
os.environ.update(RunConfig().environment)


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long is started first, lest one worker end alone with it.

    What the workflow's tests share takes one worker a minute, in which the other would wait if it
    asked for the same: one test of each is ahead, and the next are some that need none.
    """

    def needs(item: pytest.Item) -> str:
        names = getattr(item, "fixturenames", ()) if item.path.stem == "test_workflow" else ()
        return next((name for name in ("published", "made") if name in names), "")

    ahead: dict[str, pytest.Item] = {}
    for item in items:
        ahead.setdefault(needs(item), item)

    def turn(item: pytest.Item) -> int:
        need = needs(item)
        if need and item is ahead[need]:
            return 0 if need == "made" else 2
        if need == "published":
            return 4
        return {"test_survival": 1, "test_workflow": 3}.get(item.path.stem, 5)

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """Set apart what is there by now: else each search for garbage looks through all of it."""
    gc.collect()
    gc.freeze()
