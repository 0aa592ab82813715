"""Fill the template with the numbers, verdicts and figures of a scale."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from wiring import __version__
from wiring.config import ScaleConfig
from wiring.dynamics import MEANINGS, Dynamics
from wiring.files import atomic_file
from wiring.report.embed import data_uri
from wiring.report.sections import FIGURES, SECTIONS, VERDICTS


def write(scale: ScaleConfig, dynamics: Dynamics, claims: Path, figures: Path, out: Path) -> None:
    """Write the report.

    Args:
        scale: the scale that was run.
        dynamics: its tables; only `searches` is read.
        claims: the `claims.json` of the same searches.
        figures: folder with `overview.svg` and a folder of figures for each condition.
        out: the HTML file to write.

    Raises:
        OSError: a file is missing.
        ValueError: `claims` is not what `wiring claims` writes.
    """
    environment = Environment(
        loader=PackageLoader("wiring.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    definitions, verdicts = _claims(claims)
    conditions = [
        _condition(name, seeds, figures / str(name))
        for name, seeds in dynamics.searches.groupby("condition")
    ]
    page = environment.get_template("index.html.j2").render(
        version=__version__,
        scale=scale,
        designs=_designs(scale),
        settings=yaml.safe_dump(scale.model_dump(mode="json"), sort_keys=False),
        sections=SECTIONS,
        claims=definitions,
        verdicts=verdicts,
        counts={
            claim: Counter(row["verdict"] for row in verdicts if row["claim"] == claim)
            for claim in definitions
        },
        kinds=VERDICTS,
        meanings=MEANINGS,
        conditions=conditions,
        overview=data_uri(figures / "overview.svg"),
        searches=dynamics.searches.to_dict("records"),
    )
    with atomic_file(out) as file:
        file.write_text(page, encoding="utf-8")


def number(value: float | None) -> str:
    """Three significant digits, without an exponent where that is readable; a dash for none."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        text = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", "−")


def _claims(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["claims"], content["verdicts"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path}: is not valid, expected a file of `wiring claims`") from None


def _condition(name: Any, seeds: pd.DataFrame, folder: Path) -> dict[str, Any]:
    """A condition in words and numbers, its figures embedded."""
    first = seeds.iloc[0]
    means = seeds.select_dtypes("number").mean()
    cells = f"{first['cells']} cell{'s' if first['cells'] > 1 else ''}, {first['nodes']} nodes"
    count = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    level, variant = f"{first['level']}-level", first["variant"]
    words = [first["method"], level, first["dataset"], *([variant] if variant else []), cells]
    end = (
        f"At the end P(none) is {number(means['none_input_final'])} on input edges and "
        f"{number(means['none_intermediate_final'])} on intermediate edges, test accuracy is "
        f"{number(means['test_accuracy'])}; means over {count}."
    )
    return {
        "id": name,
        "experiment": first["experiment"],
        "words": ", ".join(words),
        "seeds": count,
        "end": end,
        "means": means,
        "low": seeds.select_dtypes("number").min(),
        "high": seeds.select_dtypes("number").max(),
        "figures": [
            {
                "title": title,
                "moves": file.endswith(".gif"),
                "uri": data_uri(folder / file),
                "alt": f"{title}: {', '.join(words)}. {end}",
            }
            for file, title in FIGURES.items()
        ],
    }


def _designs(scale: ScaleConfig) -> list[dict[str, Any]]:
    """What each experiment crosses, read off its searches."""
    designs = []
    for name, experiment in scale.experiments.items():
        searches = [each for each in scale.searches().values() if each.experiment == name]

        def spread(values: list[Any]) -> str:
            return ", ".join(dict.fromkeys(str(value) for value in values))

        designs.append(
            {
                "id": name,
                "title": experiment.title,
                "methods": spread([each.method for each in searches]),
                "levels": spread([each.level for each in searches]),
                "datasets": spread([each.dataset for each in searches]),
                "variants": spread([each.variant for each in searches if each.variant]) or "–",
                "cells": spread([f"{each.space.cells} × {each.space.nodes}" for each in searches]),
                "epochs": spread([each.train.epochs for each in searches]),
                "seeds": spread([each.seed for each in searches]),
                "count": len(searches),
            }
        )
    return designs
