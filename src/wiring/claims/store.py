"""`claims.json`: the thresholds, every claim's definition, every verdict and every contrast."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from wiring.claims.claims import CLAIMS
from wiring.claims.contrasts import Contrast, contrast
from wiring.claims.judge import Verdict, judge
from wiring.config import ClaimsConfig
from wiring.dynamics import MEANINGS, Dynamics
from wiring.errors import InputError
from wiring.files import atomic_file


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
    """A whole `claims.json`.

    Attributes:
        config: the thresholds.
        claims: id of each of :data:`CLAIMS` -> its definition.
        verdicts: as :func:`judge` gives them.
        contrasts: as :func:`contrast` gives them.
    """

    config: ClaimsConfig
    claims: dict[str, Definition]
    verdicts: list[Verdict]
    contrasts: list[Contrast]


def write(config: ClaimsConfig, dynamics: Dynamics, path: Path) -> None:
    """Judge the tables and write what was found."""
    definitions = {
        claim.id: asdict(
            Definition(
                claim.title,
                claim.statistic,
                MEANINGS[claim.statistic],
                claim.scope,
                getattr(config, claim.threshold),
                claim.side,
                claim.law,
            )
        )
        for claim in CLAIMS
    }
    content = {
        "config": config.model_dump(mode="json"),
        "claims": definitions,
        "verdicts": [asdict(verdict) for verdict in judge(config, dynamics)],
        "contrasts": [asdict(found) for found in contrast(config, dynamics)],
    }
    with atomic_file(path) as file:
        file.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")


def read(path: Path) -> Judgement:
    """Read a `claims.json`, which may come from elsewhere.

    Raises:
        OSError: it cannot be read.
        InputError: it is not what :func:`write` writes: one sentence a fault.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    try:
        found = TypeAdapter(Judgement).validate_python(content)
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from None
    known = {claim.id: claim.statistic for claim in CLAIMS}
    if {name: claim.statistic for name, claim in found.claims.items()} != known:
        raise InputError(f"{path}: claims: expected {', '.join(known)}, by their own statistics")
    for number, verdict in enumerate(found.verdicts):
        if verdict.claim not in known:
            raise InputError(
                f"{path}: verdicts.{number}.claim: {verdict.claim!r}, expected one of "
                f"{', '.join(known)}"
            )
    return found
