"""Settings of every test process."""

import logging
import os
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from tests.shared import once
from wiring.config import RunConfig

# Before torch is imported: tests run side by side, and each has one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# As `wiring search` sets them.
os.environ.update(RunConfig().environment)


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


FIRST, LAST = ("test_workflow", "test_survival"), "published"
"""What is long: started first, lest one worker end alone with it; last what others' work is for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        name = item.path.stem
        if LAST in getattr(item, "fixturenames", ()):
            return len(FIRST)
        return FIRST.index(name) if name in FIRST else len(FIRST) + 1

    items.sort(key=turn)
