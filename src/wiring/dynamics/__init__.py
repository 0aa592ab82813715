"""Pure functions from trajectories to tidy tables."""

from wiring.dynamics.genotype import CellShape, cell_shape, uniform_shape
from wiring.dynamics.store import TABLES, Dynamics, build, write_metrics
from wiring.dynamics.summary import MEANINGS, summarise
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
    "CellShape",
    "Dynamics",
    "build",
    "cell_shape",
    "edge_table",
    "op_table",
    "phase_table",
    "sample_table",
    "statistics_table",
    "summarise",
    "uniform_shape",
    "write_metrics",
]
