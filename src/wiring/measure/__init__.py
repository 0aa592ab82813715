"""Local costs, credit, loss and entropy, and how exactly the conservation laws hold."""

from wiring.measure.passes import backward
from wiring.measure.probe import CostProbe, by_outcome, one_by_one, sample_credit
from wiring.measure.samples import SampleStatistics, sample_statistics
from wiring.measure.window import StepRecord, Window, scalar_row

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
