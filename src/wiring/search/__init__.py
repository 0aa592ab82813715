"""Run one search: the supernet's weights, alpha, and the record of both."""

from wiring.search.runner import SearchError, StoppedError, run
from wiring.search.trainer import Trainer

__all__ = ["SearchError", "StoppedError", "Trainer", "run"]
