"""Pure functions from trajectories to tidy tables."""

from wiring.dynamics.store import Dynamics, build
from wiring.dynamics.summary import MEANINGS, summarise
from wiring.dynamics.tables import (
    edge_table,
    learning_split,
    op_table,
    statistics_table,
)

__all__ = [
    "MEANINGS",
    "Dynamics",
    "build",
    "edge_table",
    "learning_split",
    "op_table",
    "statistics_table",
    "summarise",
]
