"""Settings of every test process."""

import logging
import os
from collections.abc import Iterator

import pytest

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
