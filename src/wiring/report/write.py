"""Fill the templates with the numbers, verdicts and figures of a study.

The study's page lies at the top of its results, and each experiment's in the experiment's folder.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import yaml

from wiring import __version__
from wiring.claims.dose import fits
from wiring.claims.judge import VERDICTS
from wiring.claims.judgement import read
from wiring.config import ScaleConfig, TrainConfig
from wiring.dynamics import MEANINGS, Dynamics
from wiring.figures.catalogue import entry, paths_of
from wiring.files import atomic_file
from wiring.patterns import PATTERNS
from wiring.report.embed import source
from wiring.report.story import FIRST, RULE, findings, number
from wiring.templates import templates

REGIME = "regime.svg"
"""The figure over an experiment that tells of its settings; any other compares its variants."""


def write(scale: ScaleConfig, results: Path, out: Path, *, standalone: bool = False) -> None:
    """Write the story of a study, from what its experiments' folders hold.

    Args:
        scale: the scale that was run.
        results: its results: the figures over the whole study, and of each experiment
            `experiments/{name}/tables/searches.parquet`, `experiments/{name}/claims.json` and
            `experiments/{name}/figures`.
        out: the HTML file to write: `index.html` in `results`, if its links are to work.
        standalone: whether figures stand in the page, which then needs no other file to be read.

    Raises:
        OSError: a figure or a `claims.json` is missing.
        InputError: a table or a `claims.json` is not what the commands write.
    """
    homes = [results / "experiments" / name for name in scale.experiments]
    dynamics = Dynamics.read(*(home / "tables" for home in homes), tables=("searches",))
    found = read(*(home / "claims.json" for home in homes))
    told = findings(found)
    # Names in a claims.json may come from elsewhere: they choose among the figures that are ours.
    figures = {
        (name, path): results / "experiments" / name / "figures" / path
        for name in scale.experiments
        for path in paths_of(scale, name)
    }

    def shows(picture: str | None = None) -> dict[str, str]:
        """Pattern -> a figure of the condition that shows it most."""
        return {
            each.pattern: source(figures[place], out, standalone)
            for each in told
            if each.strongest
            for file in [picture or each.picture]
            for place in [(each.strongest.experiment, f"{each.strongest.condition}/{file}")]
            if place in figures
        }

    shared = [
        {"experiment": name, "file": path, "source": source(place, out, standalone), **_said(path)}
        for (name, path), place in figures.items()
        if "/" not in path
    ]
    render(
        "index.html.j2",
        out,
        page_of=lambda experiment: f"experiments/{quote(experiment)}/index.html",
        explorer_of=lambda experiment: f"experiments/{quote(experiment)}/explorer.html",
        scale=scale,
        designs=[_design(scale, name) for name in scale.experiments],
        settings=yaml.safe_dump(scale.model_dump(mode="json"), sort_keys=False),
        patterns=PATTERNS,
        told={each.pattern: each for each in told},
        drawn=shows(),
        first=shows(FIRST),
        rule=RULE,
        measured=[each for each in shared if each["file"] == REGIME],
        compared=[each for each in shared if each["file"] != REGIME],
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
        overview=source(results / "overview.svg", out, standalone),
        dose=source(results / "dose.svg", out, standalone),
        fits=fits(dynamics.searches, scale.claims.confidence),
        count=len(dynamics.searches),
        machines=Counter(dynamics.searches["machine"]),
    )


def write_page(
    scale: ScaleConfig,
    experiment: str,
    dynamics: Dynamics,
    claims: Path,
    figures: Path,
    out: Path,
    *,
    standalone: bool = False,
) -> None:
    """Write the page of an experiment.

    Args:
        scale: the scale that was run.
        experiment: one of its experiments.
        dynamics: the experiment's tables; only `searches` is read.
        claims: the `claims.json` of the same searches.
        figures: folder of the experiment's figures: its own, and a folder a condition.
        out: the HTML file to write: `index.html` in the experiment's folder, if its links are to
            work.
        standalone: see :func:`write`.

    Raises:
        OSError: a file is missing.
        InputError: `claims` is not what `wiring claims` writes.
    """
    drawn: dict[str, list[dict[str, Any]]] = {}
    for path in paths_of(scale, experiment):
        folder, _, file = path.rpartition("/")
        figure = {
            **_said(file),
            "source": source(figures / path, out, standalone),
            "moves": file.endswith(".gif"),
        }
        drawn.setdefault(folder, []).append(figure)
    conditions = _conditions(dynamics)
    for condition in conditions:
        condition["figures"] = [
            {**figure, "alt": f"{figure['title']}: {condition['words']}. {condition['end']}"}
            for figure in drawn.get(condition["id"], [])
        ]
    shared = [
        {**figure, "alt": f"{figure['title']}. The numbers are in the table below."}
        for figure in drawn.get("", [])
    ]
    found = read(claims)
    render(
        "experiment.html.j2",
        out,
        page_of=lambda name: "" if name == experiment else f"../{quote(name)}/index.html",
        scale=scale,
        design=_design(scale, experiment),
        claims=found.claims,
        verdicts=found.verdicts,
        contrasts=found.contrasts,
        conditions=conditions,
        shared=shared,
    )


def render(template: str, out: Path, **values: Any) -> None:
    """Fill a template of this package and write the page.

    Args:
        template: its file.
        out: the HTML file to write.
        values: what it asks for.
    """
    environment = templates("wiring.report")
    environment.filters["number"] = number
    page = environment.get_template(template).render(version=__version__, **values)
    with atomic_file(out) as file:
        file.write_text(page, encoding="utf-8")


def _said(file: str) -> dict[str, str]:
    """Title and caption of a figure."""
    return {"title": entry(file).title, "caption": entry(file).caption.replace("*", "")}


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
        # Unbroken, since the next size follows after a comma.
        "cells": spread([f"{each.space.cells}\xa0×\xa0{each.space.nodes}" for each in searches]),
        "epochs": spread([_epochs(each.train) for each in searches]),
        "seeds": spread([each.seed for each in searches]),
        "count": len(searches),
    }


def _epochs(train: TrainConfig) -> str:
    fewest = train.epochs + 2 * train.frozen_epochs
    return str(fewest) if train.until is None else f"{fewest} to {train.all_epochs}"
