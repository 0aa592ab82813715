"""`claims.json`: the thresholds, every claim's definition, every verdict and every contrast."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from wiring.claims.contrasts import Contrast, contrast
from wiring.claims.judge import Verdict, judge
from wiring.claims.regime import of_settings
from wiring.claims.thresholds import check_thresholds, filled, threshold_of
from wiring.config import ClaimsConfig, Condition
from wiring.dynamics import Dynamics
from wiring.errors import InputError
from wiring.files import atomic_file
from wiring.patterns import CLAIMS, STATISTICS


@dataclass(frozen=True)
class Definition:
    """A claim as it was judged.

    Attributes:
        title: the claim in one sentence.
        statistic: column of the searches table.
        definition: what it means.
        scope: where the claim applies, in words.
        threshold: the bound.
        side: the side of the bound on which the claim is right.
        law: whether it must hold in every search.
    """

    title: str
    statistic: str
    definition: str
    scope: str
    threshold: float
    side: Literal["above", "below"]
    law: bool


@dataclass(frozen=True)
class Judgement:
    """A whole `claims.json`, or those of several experiments.

    Attributes:
        config: what it was judged by, every threshold included.
        claims: id of each of :data:`wiring.patterns.CLAIMS` -> its definition.
        verdicts: as :func:`wiring.claims.judge.judge` gives them.
        contrasts: as :func:`wiring.claims.contrasts.contrast` gives them.
    """

    config: ClaimsConfig
    claims: dict[str, Definition]
    verdicts: list[Verdict]
    contrasts: list[Contrast]


def write(
    config: ClaimsConfig,
    dynamics: Dynamics,
    path: Path,
    twins: Mapping[Condition, Condition] | None = None,
) -> None:
    """Judge the tables and write what was found.

    Args:
        config: the thresholds.
        dynamics: the tables; `searches`, `edges` and `readings` are read.
        path: the `claims.json` to write.
        twins: conditions elsewhere whose settings are measured here, see
            :func:`wiring.claims.regime.of_settings`.
    """
    verdicts = judge(config, dynamics)
    verdicts += of_settings(verdicts, twins or {})
    definitions = {
        claim.id: Definition(
            claim.title,
            claim.statistic,
            STATISTICS[claim.statistic].meaning,
            claim.scope,
            threshold_of(config, claim),
            claim.side,
            claim.law,
        )
        for claim in CLAIMS.values()
    }
    content = {
        "config": filled(config).model_dump(mode="json"),
        "claims": {name: asdict(definition) for name, definition in definitions.items()},
        "verdicts": [asdict(verdict) for verdict in verdicts],
        "contrasts": [asdict(found) for found in contrast(config, dynamics)],
    }
    with atomic_file(path) as file:
        file.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read(*paths: Path) -> Judgement:
    """Read the `claims.json` of one or several experiments, which may come from elsewhere.

    Returns:
        All verdicts, by claim and then in the order of the files, and all contrasts.

    Raises:
        OSError: a file cannot be read.
        InputError: one is not what :func:`write` writes (one sentence a fault), or two were
            judged by different thresholds.
    """
    read = [_read(path) for path in paths]
    first = read[0]
    for path, other in zip(paths, read, strict=True):
        if (other.config, other.claims) != (first.config, first.claims):
            raise InputError(f"{path}: config: differs, expected that of {paths[0]}")
    order = list(first.claims)
    verdicts = [verdict for one in read for verdict in one.verdicts]
    return Judgement(
        first.config,
        first.claims,
        sorted(verdicts, key=lambda verdict: order.index(verdict.claim)),
        [found for one in read for found in one.contrasts],
    )


def _read(path: Path) -> Judgement:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    try:
        found = TypeAdapter(Judgement).validate_python(content)
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from None
    check_thresholds(found.config, f"{path}: config")
    known = {claim.id: claim.statistic for claim in CLAIMS.values()}
    if {name: claim.statistic for name, claim in found.claims.items()} != known:
        raise InputError(f"{path}: claims: expected {', '.join(known)}, by their own statistics")
    for number, verdict in enumerate(found.verdicts):
        if verdict.claim not in known:
            raise InputError(
                f"{path}: verdicts.{number}.claim: {verdict.claim!r}, expected one of "
                f"{', '.join(known)}"
            )
    return found


def merge(judgements: Sequence[Judgement]) -> Judgement:
    """The judgement of a study from those of its experiments.

    Args:
        judgements: one or more, by the same thresholds; no condition is in two of them.

    Returns:
        Verdicts by claim in the order of :data:`CLAIMS`, then by condition, as :func:`judge` has
        them; contrasts in the order given.

    Raises:
        InputError: they were judged by different thresholds.
    """
    first = judgements[0]
    if any(other.config != first.config for other in judgements):
        raise InputError("claims: judged by different thresholds, expected those of one scale file")
    order = {name: place for place, name in enumerate(first.claims)}
    verdicts = [verdict for judgement in judgements for verdict in judgement.verdicts]
    verdicts.sort(key=lambda verdict: (order[verdict.claim], verdict.condition))
    contrasts = [found for judgement in judgements for found in judgement.contrasts]
    return Judgement(first.config, first.claims, verdicts, contrasts)
