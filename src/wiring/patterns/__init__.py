"""The paper's patterns, a file each: a module of this package that has a `PATTERN` is one.

A file says all there is to say about its pattern: the statistics and what they mean, how they are
measured, what is claimed, up to which threshold and where, and what the report tells. The searches
table, the claims, the thresholds of `config/README.md` and the report's sections are made from
what is collected here.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from wiring.patterns.pattern import Claim, Pattern, Statistic, Threshold, Value

if TYPE_CHECKING:
    from wiring.trajectory import Trajectory


def _collected() -> tuple[Pattern, ...]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    found = [module.PATTERN for module in modules if hasattr(module, "PATTERN")]
    return tuple(sorted(found, key=lambda pattern: (pattern.order, pattern.id)))


PATTERNS: tuple[Pattern, ...] = _collected()
"""Every pattern, in the paper's order."""
STATISTICS: dict[str, Statistic] = {
    statistic.name: statistic for pattern in PATTERNS for statistic in pattern.statistics
}
"""Every statistic by name, pattern by pattern."""
CLAIMS: dict[str, Claim] = {claim.id: claim for pattern in PATTERNS for claim in pattern.claims}
"""Every claim by id, pattern by pattern."""
THRESHOLDS: dict[str, Threshold] = {
    claim.threshold.name: claim.threshold for claim in CLAIMS.values()
}
"""Every threshold by name; claims may share one."""


def measured(trajectory: "Trajectory") -> dict[str, Value]:
    """Every statistic of a search, pattern by pattern."""
    return {name: value for each in PATTERNS for name, value in each.row(trajectory).items()}


__all__ = [
    "CLAIMS",
    "PATTERNS",
    "STATISTICS",
    "THRESHOLDS",
    "Claim",
    "Pattern",
    "Statistic",
    "Threshold",
    "measured",
]
