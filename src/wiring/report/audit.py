"""The page about a method: what its wiring does and why, beside others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd

from wiring.claims.answers import Answer, Law, answers, sign_law
from wiring.claims.judgement import read
from wiring.claims.paired import differences
from wiring.config import AuditConfig, ScaleConfig
from wiring.dynamics import MEANINGS, Dynamics
from wiring.errors import InputError
from wiring.methods import charge
from wiring.methods.charge import Charge
from wiring.patterns import CLAIMS
from wiring.report.embed import source
from wiring.report.field import field
from wiring.report.write import render

LAWS = tuple(claim.id for claim in CLAIMS.values() if claim.law)
CAUSES = ("P2-cause", "P3-cause", "M-correct", "M-wrong", "M-follows")


class _Made(NamedTuple):
    """What an audit's searches made, read once."""

    searches: pd.DataFrame
    readings: pd.DataFrame
    charges: dict[str, Charge]
    sign_laws: dict[str, Law]
    answers: dict[str, tuple[Answer, ...]]


def audit_lines(scale: ScaleConfig, results: Path) -> list[str]:
    """The audited methods' answers in a line each, for a terminal; see :func:`write_audit`."""
    made = _made(scale, results)
    return [
        f"{method}: {answer.question} {answer.word}"
        for method in _audit(scale).methods
        for answer in made.answers[method]
    ]


def write_audit(scale: ScaleConfig, results: Path, out: Path, *, standalone: bool = False) -> None:
    """Write the page of the methods that a scale's `audit` names.

    Args:
        scale: the scale that was run.
        results: its results: `charges.json`, `courses.svg`, and of each experiment its tables and
            its `claims.json`.
        out: the HTML file to write: `audit.html` in `results`, if its links are to work.
        standalone: see :func:`wiring.report.write`.

    Raises:
        OSError: a file is missing.
        InputError: the scale has no `audit`, or a file is not what the commands write.
    """
    audit, made = _audit(scale), _made(scale, results)
    found = read(*(home / "claims.json" for home in _homes(scale, results)))
    methods = (*audit.methods, *audit.against)
    own = made.searches[made.searches["method"].isin(methods)]
    render(
        "audit.html.j2",
        out,
        page_of=lambda experiment: f"experiments/{quote(experiment)}/index.html",
        explorer_of=lambda experiment: f"experiments/{quote(experiment)}/explorer.html",
        scale=scale,
        methods=methods,
        charges=made.charges,
        sign_laws=made.sign_laws,
        partial=_partial(scale, methods),
        answers=made.answers,
        table=field(found.verdicts, methods),
        claims=found.claims,
        meanings=MEANINGS,
        laws=[row for row in found.verdicts if row.claim in LAWS and row.method in methods],
        causes=[row for row in found.verdicts if row.claim in CAUSES],
        differences=differences(audit, scale.claims.confidence, own, made.readings),
        courses=source(results / "courses.svg", out, standalone),
        facts=_facts(own),
    )


def _audit(scale: ScaleConfig) -> AuditConfig:
    if scale.audit is None:
        raise InputError(f"{scale.scale}: has no section audit, expected audit.methods")
    return scale.audit


def _homes(scale: ScaleConfig, results: Path) -> list[Path]:
    return [results / "experiments" / name for name in scale.experiments]


def _made(scale: ScaleConfig, results: Path) -> _Made:
    audit = _audit(scale)
    tables = [home / "tables" for home in _homes(scale, results)]
    dynamics = Dynamics.read(*tables, tables=("searches", "readings"))
    searches, readings = dynamics.searches, dynamics.readings
    charges = charge.read(results / "charges.json")
    methods = (*audit.methods, *audit.against)
    if missing := [method for method in methods if method not in charges]:
        raise InputError(f"{results / 'charges.json'}: lacks {', '.join(missing)}")
    beside = _partial(scale, methods)
    return _Made(
        searches,
        readings,
        charges,
        {method: sign_law(charges[method], partial=method in beside) for method in methods},
        {
            method: answers(
                charges[method],
                searches[searches["method"] == method],
                readings,
                scale.claims.confidence,
                partial=method in beside,
            )
            for method in methods
        },
    )


def _partial(scale: ScaleConfig, methods: Sequence[str]) -> list[str]:
    """The methods in whose searches some channels pass an edge by."""
    found = {one.method for one in scale.searches().values() if one.space.partial > 1}
    return [method for method in methods if method in found]


def _facts(searches: pd.DataFrame) -> list[dict[str, object]]:
    """What a condition's searches were."""
    return [
        {
            "condition": condition,
            "experiment": seeds["experiment"].iloc[0],
            "seeds": len(seeds),
            "accuracy": seeds["test_accuracy"].mean(),
            "positive": seeds["positive_share"].mean(),
            "alignment": seeds["alignment"].mean(),
            "displacement": seeds["displacement"].median(),
            "seconds": seeds["seconds"].sum(),
        }
        for condition, seeds in searches.groupby("condition")
    ]
