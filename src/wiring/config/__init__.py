"""Typed, validated configuration: the first thing any command reads."""

from wiring.config.errors import ConfigError
from wiring.config.load import load_scale
from wiring.config.scale import ClaimsConfig, Experiment, ReportConfig, ScaleConfig
from wiring.config.search import (
    OPS,
    AlphaConfig,
    AugmentConfig,
    DatasetConfig,
    RunConfig,
    SearchConfig,
    SpaceConfig,
    TemperatureConfig,
    TrainConfig,
    WeightsConfig,
)
from wiring.config.split import check_share, check_sizes

__all__ = [
    "OPS",
    "AlphaConfig",
    "AugmentConfig",
    "ClaimsConfig",
    "ConfigError",
    "DatasetConfig",
    "Experiment",
    "ReportConfig",
    "RunConfig",
    "ScaleConfig",
    "SearchConfig",
    "SpaceConfig",
    "TemperatureConfig",
    "TrainConfig",
    "WeightsConfig",
    "check_share",
    "check_sizes",
    "load_scale",
]
