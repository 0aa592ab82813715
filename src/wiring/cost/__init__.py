"""Local costs, credit, loss and entropy, and how exactly the conservation laws hold."""

from wiring.cost.probe import CostProbe
from wiring.cost.samples import SampleStatistics, sample_statistics
from wiring.cost.window import StepRecord, Window, scalar_row

__all__ = [
    "CostProbe",
    "SampleStatistics",
    "StepRecord",
    "Window",
    "sample_statistics",
    "scalar_row",
]
