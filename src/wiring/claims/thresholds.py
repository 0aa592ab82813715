"""The thresholds of the claims: the patterns' defaults, and what a scale file says over them."""

from __future__ import annotations

import sys
from pathlib import Path

from wiring.config import ClaimsConfig
from wiring.errors import InputError
from wiring.patterns import THRESHOLDS, Claim

BEGIN, END = "<!-- thresholds -->\n", "<!-- /thresholds -->\n"
"""What :func:`thresholds_table` stands between in `config/README.md`."""


def check_thresholds(config: ClaimsConfig, source: str = "claims") -> None:
    """Check what only the patterns know: the thresholds' names and ranges.

    Args:
        config: `claims` of a scale file.
        source: where it stands, for messages.

    Raises:
        InputError: one sentence a fault, naming the threshold.
    """
    faults = []
    for name, value in config.thresholds.items():
        where = f"{source}.thresholds.{name}"
        if name not in THRESHOLDS:
            faults.append(f"{where}: unknown threshold, expected one of {', '.join(THRESHOLDS)}")
        elif not THRESHOLDS[name].allows(value):
            faults.append(f"{where}: expected {THRESHOLDS[name].range}, got {value!r}")
    if faults:
        raise InputError("\n".join(faults))


def threshold_of(config: ClaimsConfig, claim: Claim) -> float:
    """The bound that a claim is held against."""
    return float(config.thresholds.get(claim.threshold.name, claim.threshold.default))


def filled(config: ClaimsConfig) -> ClaimsConfig:
    """The same with every threshold said."""
    defaults = {name: threshold.default for name, threshold in THRESHOLDS.items()}
    return config.model_copy(update={"thresholds": {**defaults, **config.thresholds}})


def thresholds_table() -> str:
    """Every threshold as a table in Markdown, for `config/README.md`.

    `python -m wiring.claims.thresholds config/README.md` puts it there.
    """
    rows = [
        f"| `{name}` | {threshold.default:g} | {threshold.range} | {threshold.meaning} |\n"
        for name, threshold in THRESHOLDS.items()
    ]
    return "".join(
        ["| field | default | range | meaning |\n", "| --- | --- | --- | --- |\n", *rows]
    )


def _main(page: Path) -> None:
    """Rewrite what stands between the page's markers."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}{thresholds_table()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
