"""`claims.json`: the thresholds, every claim's definition, every verdict and every contrast."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from wiring.claims.claims import CLAIMS
from wiring.claims.contrasts import contrast
from wiring.claims.judge import Verdict, judge
from wiring.config import ClaimsConfig
from wiring.dynamics import MEANINGS, Dynamics
from wiring.files import atomic_file


def write(config: ClaimsConfig, dynamics: Dynamics, path: Path) -> None:
    """Judge the tables and write what was found."""
    definitions = {
        claim.id: {
            "title": claim.title,
            "statistic": claim.statistic,
            "definition": MEANINGS[claim.statistic],
            "scope": claim.scope,
            "threshold": getattr(config, claim.threshold),
            "side": claim.side,
            "law": claim.law,
        }
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


def read(path: Path) -> list[Verdict]:
    """Read the verdicts of a `claims.json`."""
    rows = json.loads(path.read_text())["verdicts"]
    return [
        Verdict(**{**row, "seeds": tuple(row["seeds"]), "values": tuple(row["values"])})
        for row in rows
    ]
