"""The record of a search: its schema, its writer and its reader."""

from wiring.trajectory.reader import Trajectory
from wiring.trajectory.schema import EPOCH_FIELDS, SAMPLE_FIELDS, STEP_FIELDS, VERSION, Shape
from wiring.trajectory.writer import TrajectoryWriter

__all__ = [
    "EPOCH_FIELDS",
    "SAMPLE_FIELDS",
    "STEP_FIELDS",
    "VERSION",
    "Shape",
    "Trajectory",
    "TrajectoryWriter",
]
