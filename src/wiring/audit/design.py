"""The scale file of an audit."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from wiring.audit.budget import Plan
from wiring.config import DatasetConfig, Level, ScaleConfig, load_scale, scale_text
from wiring.config.plugins import A_NAME, SOURCES, is_name, names
from wiring.errors import InputError

FOLDER = Path("audits")
"""Where the scale files of audits lie."""
LEVELS: tuple[Level, ...] = ("single", "bi")
CELLS, CHANNELS, BATCH, RATE = 4, 8, 48, 0.02
AGAINST = ("dsnas", "darts")
METHODS: dict[str, dict[str, Any]] = {
    "dsnas": {"alpha": {"grad_clip": 10.0, "cost_clamp": 5.0}},
    "proxylessnas": {"alpha": {"grad_clip": 10.0, "cost_clamp": 5.0}},
    "snas": {"alpha": {"grad_clip": 10.0}},
    "gaea": {"alpha": {"lr": 0.1}},
    "pc-darts": {"alpha": {"lr": 0.029}, "space": {"partial": 4}},  # rests for 0.3 of its steps
    "uniform": {"alpha": {"lr": 0.0, "init_std": 0.0}},
}
"""Settings of some methods: the published protocol's, where alpha's rate means another thing, and
the partial channels that one is named after."""
NOISY = {"source": "digits", "test_fraction": 0.2, "label_noise": 0.4}
"""Digits of which some labels are wrong: on held-out samples loss stays above entropy."""


class Data(NamedTuple):
    """A dataset and the name that a scale file gives it."""

    name: str
    config: DatasetConfig


def data_of(text: str | None) -> Data:
    """The dataset that the command line means.

    Args:
        text: a source, `FILE:NAME` for a dataset of a scale file, or a dataset as JSON; the noisy
            digits when absent.

    Raises:
        InputError: there is none such.
    """
    if text is None:
        return Data("digits-noisy", DatasetConfig.model_validate(NOISY))
    file, _, name = text.rpartition(":")
    if text.lstrip().startswith("{"):
        try:
            return Data("data", DatasetConfig.model_validate(json.loads(text)))
        except ValueError as error:
            said = error if isinstance(error, ValidationError) else None
            if said is not None:
                raise InputError.from_validation("--data", said) from None
            raise InputError(f"--data: not valid JSON: {error}") from None
    if file:
        datasets = load_scale(Path(file)).datasets
        if name not in datasets:
            known = ", ".join(datasets)
            raise InputError(f"--data: {file} has no dataset {name!r}, expected one of {known}")
        return Data(name, datasets[name])
    if text not in names(SOURCES):
        known = ", ".join(names(SOURCES))
        raise InputError(
            f"--data: unknown source {text!r}, expected one of {known}, FILE:NAME for a dataset of "
            "a scale file, or a dataset as JSON"
        )
    for fraction in ({}, {"test_fraction": 0.2}):
        try:
            return Data(text, DatasetConfig.model_validate({"source": text, **fraction}))
        except ValidationError as error:
            last = error
    raise InputError.from_validation("--data", last)


def asked(methods: Sequence[str], options: Mapping[str, str | float | None]) -> str:
    """The command that asks for an audit, as its scale file names it.

    Args:
        methods: that are audited.
        options: that decide what is planned, None if absent.
    """
    words = ["wiring", "audit", *methods]
    for name, value in options.items():
        if value is not None:
            said = " ".join(value.split()) if isinstance(value, str) else f"{value:g}"
            words += [f"--{name}", said]
    return shlex.join(words)


def named(name: str) -> str:
    """A name that becomes a file's and a folder's.

    Raises:
        InputError: it cannot.
    """
    if not is_name(name):
        raise InputError(f"--name: {name!r}, expected {A_NAME}")
    return name


def design(
    name: str, methods: Sequence[str], against: Sequence[str], data: Data, batch: int, plan: Plan
) -> dict[str, Any]:
    """A scale of the searches that explain the methods, as its file has it.

    Args:
        name: of the scale.
        methods: that are audited.
        against: that they are held against.
        data: what they train on.
        batch: samples a step.
        plan: length and seeds.
    """
    everyone = [*methods, *against]
    single, bi = plan.epochs["single"], plan.epochs["bi"]
    seeds = range(plan.seeds)
    wiring: dict[str, Any] = {
        "title": "How the wiring evolves",
        "methods": everyone,
        "levels": list(LEVELS),
        "datasets": [data.name],
        "seeds": list(seeds),
    }
    if bi != single:
        wiring["overrides"] = [{"level": "bi", "set": {"train": {"epochs": bi}}}]
    settings = {method: METHODS[method] for method in (*everyone, "uniform") if method in METHODS}
    return {
        "scale": name,
        "datasets": {data.name: data.config.model_dump(mode="json", exclude_defaults=True)},
        "defaults": {
            "space": {"cells": CELLS, "nodes": 2, "channels": CHANNELS},
            "alpha": {"lr": RATE},
            "train": {"epochs": single, "batch_size": batch},
            "run": {"threads": 1, "memory_mb": 2000},
        },
        "methods": settings,
        "experiments": {
            "A1": wiring,
            "A2": {
                "title": "What an op costs where alpha rests",
                "methods": ["uniform"],
                "levels": ["single"],
                "datasets": [data.name],
                "seeds": list(seeds),
            },
        },
        "audit": {"methods": list(methods), "against": list(against)},
    }


def written(raw: dict[str, Any], remarks: Sequence[str]) -> str:
    """The file's text.

    Args:
        raw: what :func:`design` gives.
        remarks: lines that stand at its top.
    """
    ScaleConfig.model_validate(raw)
    head = "".join(f"# {remark}\n" for remark in remarks)
    return head + scale_text(raw, width=100)
