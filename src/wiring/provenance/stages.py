"""All that is decided by hand: where a stage begins, and what cannot change its results."""

STAGES: dict[str, tuple[str, ...]] = {
    "data": ("wiring.data.prepare",),
    "trajectories": ("wiring.job.run",),
    "dynamics": (
        "wiring.dynamics.stream",
        "wiring.dynamics.metrics",
    ),
    "series": ("wiring.dynamics.series",),
    "claims": ("wiring.claims.judgement",),
    "figures": ("wiring.figures.draw",),
    "charges": ("wiring.methods.ask",),
    "explorer": ("wiring.explorer.page",),
    "report": ("wiring.report.write", "wiring.report.audit"),
}
"""Stage -> the modules that its command calls; what they import is found, not listed."""

EXCLUDED: dict[str, str] = {
    "wiring": "the release's number: a release alone changes no result",
    "wiring.errors": "words for faults of the input: what raises them writes nothing",
    "wiring.files": "writes whole or not at all the bytes that it is given",
    "wiring.provenance": "says what is stale, and computes nothing",
    "wiring.config.plugins": "finds what is plugged in, which is digested by itself",
    "wiring.job.checkpoint": "gives back what it was given, or nothing",
    "wiring.job.progress": "says how far a search is",
    "wiring.job.stops": "hears signals: a search that stops goes on from where it was",
    "wiring.tracking": "shows what the trajectory holds, and hands nothing back but its run's id",
}
"""Module, or package with all below it -> why no result depends on it.

The package `wiring` itself stands for its own `__init__` alone.
"""

PLUGINS: dict[str, str] = {"wiring.methods": "trajectories", "wiring.sources": "data"}
"""Group of entry points -> the stage that loads its members; each is digested by itself."""

COLLECTORS: dict[str, str] = {
    "wiring.patterns": "wiring.patterns",
    "wiring.figures.catalogue": "wiring.figures",
}
"""Module that imports all it finds in a package -> the package, whose modules then count for it."""
