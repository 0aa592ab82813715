"""Typed, validated configuration: the first thing any command reads."""

from wiring.config.dataset import DatasetConfig
from wiring.config.load import load_scale, scale_text
from wiring.config.model import Level
from wiring.config.readings import ReadingsConfig
from wiring.config.regime import RegimeConfig, twins
from wiring.config.scale import AuditConfig, ClaimsConfig, Experiment, ReportConfig, ScaleConfig
from wiring.config.search import (
    AlphaConfig,
    AugmentConfig,
    Condition,
    MethodSettings,
    RunConfig,
    SearchConfig,
    TrainConfig,
    UntilConfig,
    WeightsConfig,
)
from wiring.config.space import INPUTS, OPS, Edge, SpaceConfig

__all__ = [
    "INPUTS",
    "OPS",
    "AlphaConfig",
    "AuditConfig",
    "AugmentConfig",
    "ClaimsConfig",
    "Condition",
    "DatasetConfig",
    "Edge",
    "Experiment",
    "Level",
    "MethodSettings",
    "ReadingsConfig",
    "RegimeConfig",
    "ReportConfig",
    "RunConfig",
    "ScaleConfig",
    "SearchConfig",
    "SpaceConfig",
    "TrainConfig",
    "UntilConfig",
    "WeightsConfig",
    "load_scale",
    "scale_text",
    "twins",
]
