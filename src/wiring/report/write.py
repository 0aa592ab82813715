"""Fill the template with the numbers, verdicts and figures of a scale."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from wiring import __version__
from wiring.claims import read
from wiring.config import ScaleConfig
from wiring.dynamics import MEANINGS, Dynamics
from wiring.files import atomic_file
from wiring.report.embed import data_uri
from wiring.report.sections import FIGURES, SECTIONS, VERDICTS


def write(scale: ScaleConfig, dynamics: Dynamics, claims: Path, overview: Path, out: Path) -> None:
    """Write the story of a scale: `index.html`, beside which its experiments' pages lie.

    Args:
        scale: the scale that was run.
        dynamics: its tables; only `searches` is read.
        claims: the `claims.json` of the same searches.
        overview: the figure over all conditions.
        out: the HTML file to write.

    Raises:
        OSError: a file is missing.
        ValueError: `claims` is not what `wiring claims` writes.
    """
    found = read(claims)
    _render(
        "index.html.j2",
        out,
        scale=scale,
        designs=[_design(scale, name) for name in scale.experiments],
        settings=yaml.safe_dump(scale.model_dump(mode="json"), sort_keys=False),
        sections=SECTIONS,
        claims=found.claims,
        verdicts=found.verdicts,
        contrasts=found.contrasts,
        counts={
            claim: Counter(row.verdict for row in found.verdicts if row.claim == claim)
            for claim in found.claims
        },
        kinds=VERDICTS,
        meanings=MEANINGS,
        conditions=_conditions(dynamics),
        overview=data_uri(overview),
        count=len(dynamics.searches),
        machines=Counter(dynamics.searches["machine"]),
    )


def write_page(
    scale: ScaleConfig, experiment: str, dynamics: Dynamics, claims: Path, figures: Path, out: Path
) -> None:
    """Write the page of an experiment.

    Args:
        scale: the scale that was run.
        experiment: one of its experiments.
        dynamics: the experiment's tables; only `searches` is read.
        claims: the `claims.json` of the same searches.
        figures: folder that holds `scale.figures(experiment)`.
        out: the HTML file to write.

    Raises:
        OSError: a file is missing.
        ValueError: `claims` is not what `wiring claims` writes.
    """
    drawn: dict[str, list[dict[str, Any]]] = {}
    for path in scale.figures(experiment):
        folder, _, file = path.partition("/")
        figure = {"file": file, "title": FIGURES[file], "uri": data_uri(figures / path)}
        drawn.setdefault(folder, []).append(figure)
    conditions = _conditions(dynamics)
    for condition in conditions:
        own = drawn.get(condition["id"], [])
        condition["figures"] = [
            {
                **figure,
                "moves": figure["file"].endswith(".gif"),
                "alt": f"{figure['title']}: {condition['words']}. {condition['end']}",
            }
            for figure in own
        ]
    shared = [
        {**figure, "alt": f"{figure['title']}. The numbers are in the table below."}
        for figure in drawn.get(experiment, [])
    ]
    found = read(claims)
    _render(
        "experiment.html.j2",
        out,
        scale=scale,
        design=_design(scale, experiment),
        claims=found.claims,
        verdicts=found.verdicts,
        contrasts=found.contrasts,
        conditions=conditions,
        shared=shared,
    )


def _render(template: str, out: Path, **values: Any) -> None:
    environment = Environment(
        loader=PackageLoader("wiring.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    page = environment.get_template(template).render(version=__version__, **values)
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


def _conditions(dynamics: Dynamics) -> list[dict[str, Any]]:
    """Every condition in words and numbers."""
    return [
        _condition(str(name), seeds)
        for name, seeds in dynamics.searches.groupby("condition", sort=True)
    ]


def _condition(name: str, seeds: pd.DataFrame) -> dict[str, Any]:
    first = seeds.iloc[0]
    numbers = seeds.select_dtypes("number")
    means = numbers.mean()
    cells = f"{first['cells']} cell{'s' if first['cells'] > 1 else ''}, {first['nodes']} nodes"
    count = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    level, variant = f"{first['level']}-level", first["variant"]
    words = [first["method"], level, first["dataset"], *([variant] if variant else []), cells]
    end = f"test accuracy is {number(means['test_accuracy'])}; means over {count}."
    if first["alpha_learns"]:
        end = (
            f"P(none) is {number(means['none_input_final'])} on input edges and "
            f"{number(means['none_intermediate_final'])} on intermediate edges, {end}"
        )
    return {
        "id": name,
        **{key: first[key] for key in ("experiment", "method", "level", "dataset", "variant")},
        "words": ", ".join(words),
        "seeds": count,
        "end": f"At the end {end}",
        "means": means,
        "low": numbers.min(),
        "high": numbers.max(),
        "searches": seeds.to_dict("records"),
    }


def _design(scale: ScaleConfig, name: str) -> dict[str, Any]:
    """What an experiment crosses, read off its searches."""
    searches = [each for each in scale.searches().values() if each.experiment == name]

    def spread(values: list[Any]) -> str:
        return ", ".join(dict.fromkeys(str(value) for value in values))

    return {
        "id": name,
        "title": scale.experiments[name].title,
        "methods": spread([each.method for each in searches]),
        "levels": spread([each.level for each in searches]),
        "datasets": spread([each.dataset for each in searches]),
        "variants": spread([each.variant for each in searches if each.variant]) or "–",
        "cells": spread([f"{each.space.cells} × {each.space.nodes}" for each in searches]),
        "epochs": spread([each.train.all_epochs for each in searches]),
        "seeds": spread([each.seed for each in searches]),
        "count": len(searches),
    }
