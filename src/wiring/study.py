"""A scale file wholly checked: what can be known before the first job is known here.

Snakemake, `wiring validate` and every command that takes a scale file ask this module.
"""

from __future__ import annotations

from pathlib import Path

from wiring.claims.thresholds import check_thresholds
from wiring.config import ScaleConfig, load_scale
from wiring.data.split import check_dataset
from wiring.errors import InputError


def read_study(path: Path) -> ScaleConfig:
    """Read a scale file and check all that its models alone cannot know.

    Args:
        path: a YAML file as `config/README.md` describes it.

    Raises:
        InputError: one sentence a fault, naming the file and the field.
    """
    scale = load_scale(path)
    check_thresholds(scale.claims, f"{path}: claims")
    smallest = {
        name: check_dataset(dataset, f"{path}: datasets.{name}")
        for name, dataset in scale.datasets.items()
    }
    for search in scale.searches(str(path)).values():
        samples, batch = smallest[search.dataset][search.level], search.train.batch_size
        if batch > samples:
            raise InputError(
                f"{path}: experiments.{search.experiment}.search.train.batch_size: {batch} does "
                f"not fit the {samples} samples of a split of {search.dataset} "
                f"({search.level}-level)"
            )
    return scale
