"""Local costs, credit, loss and entropy, and how exactly the conservation laws hold."""

from wiring.cost.passes import backward
from wiring.cost.probe import CostProbe, by_outcome, one_by_one, sample_credit
from wiring.cost.samples import SampleStatistics, sample_statistics
from wiring.cost.window import StepRecord, Window, scalar_row

__all__ = [
    "CostProbe",
    "SampleStatistics",
    "StepRecord",
    "Window",
    "backward",
    "by_outcome",
    "one_by_one",
    "sample_credit",
    "sample_statistics",
    "scalar_row",
]
