"""The HTML report: one file that tells the whole study and needs nothing else."""

from wiring.report.write import write

__all__ = ["write"]
