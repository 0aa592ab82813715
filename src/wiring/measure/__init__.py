"""Local costs, credit, loss and entropy, and how exactly the conservation laws hold."""

from wiring.measure.measurement import Measurement, measure, measure_each
from wiring.measure.samples import SampleStatistics, SampleSums, sample_statistics
from wiring.measure.window import Window

__all__ = [
    "Measurement",
    "SampleStatistics",
    "SampleSums",
    "Window",
    "measure",
    "measure_each",
    "sample_statistics",
]
