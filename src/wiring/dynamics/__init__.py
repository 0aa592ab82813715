"""From trajectories to tidy tables, each trajectory once, and the tables as frames."""

from wiring.dynamics.frames import Dynamics
from wiring.dynamics.metrics import write_metrics
from wiring.dynamics.schema import MEANINGS, TABLES
from wiring.dynamics.series import write_series
from wiring.dynamics.stream import build
from wiring.dynamics.tables import (
    edge_table,
    op_table,
    phase_table,
    sample_table,
    statistics_table,
)

__all__ = [
    "MEANINGS",
    "TABLES",
    "Dynamics",
    "build",
    "edge_table",
    "op_table",
    "phase_table",
    "sample_table",
    "statistics_table",
    "write_metrics",
    "write_series",
]
