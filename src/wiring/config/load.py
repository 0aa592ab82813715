"""Read a scale file."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from wiring.config.errors import ConfigError
from wiring.config.scale import ScaleConfig
from wiring.config.split import check_dataset


class _Loader(yaml.SafeLoader):
    """YAML without duplicate keys: PyYAML would keep the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def load_scale(path: Path) -> ScaleConfig:
    """Read and validate a scale file, its searches included.

    Args:
        path: a YAML file as `config/README.md` describes it.

    Raises:
        ConfigError: one sentence a fault, naming the file and the field.
    """
    try:
        # _Loader is a SafeLoader: it builds plain values only.
        raw = yaml.load(path.read_text(), _Loader)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    try:
        scale = ScaleConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError.from_validation(str(path), error) from None
    smallest = {
        name: check_dataset(dataset, f"{path}: datasets.{name}")
        for name, dataset in scale.datasets.items()
    }
    for search in scale.searches(str(path)).values():
        samples, batch = smallest[search.dataset][search.level], search.train.batch_size
        if batch > samples:
            raise ConfigError(
                f"{path}: experiments.{search.experiment}.search.train.batch_size: {batch} does "
                f"not fit the {samples} samples of a split of {search.dataset} "
                f"({search.level}-level)"
            )
    return scale
