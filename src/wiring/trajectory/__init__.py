"""The record of a search: its schema, its writer and its reader."""

from wiring.trajectory.reader import Trajectory
from wiring.trajectory.schema import EPOCH_FIELDS, SAMPLE_FIELDS, VERSION, WINDOW_FIELDS, Shape
from wiring.trajectory.writer import TrajectoryWriter

__all__ = [
    "EPOCH_FIELDS",
    "SAMPLE_FIELDS",
    "VERSION",
    "WINDOW_FIELDS",
    "Shape",
    "Trajectory",
    "TrajectoryWriter",
]
