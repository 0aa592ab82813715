"""The few numbers of each condition that `dvc metrics show` prints."""

from __future__ import annotations

import json
import math
from pathlib import Path

from wiring.dynamics.frames import Dynamics
from wiring.files import atomic_dir
from wiring.patterns import STATISTICS

HEADLINES = (
    *(name for name, statistic in STATISTICS.items() if statistic.headline),
    "test_accuracy",
)
"""Columns of the searches table that a condition's metrics file shows, averaged over its seeds."""


def metrics(dynamics: Dynamics) -> dict[str, dict[str, float | None]]:
    """Per condition its headline numbers: mean over seeds, to six digits; None: undefined."""
    means = dynamics.searches.groupby("condition")[list(HEADLINES)].mean()
    return {
        str(condition): {
            str(name): None if math.isnan(value) else float(f"{value:.6g}")
            for name, value in row.items()
        }
        for condition, row in means.iterrows()
    }


def write_metrics(dynamics: Dynamics, out: Path) -> None:
    """Write the headline numbers, a file a condition.

    Args:
        dynamics: the tables; only `searches` is read.
        out: the folder to write; replaced whole.
    """
    with atomic_dir(out) as folder:
        for condition, found in metrics(dynamics).items():
            text = json.dumps(found, indent=2, allow_nan=False)
            (folder / f"{condition}.json").write_text(text + "\n")
