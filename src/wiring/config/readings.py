"""When the results of a search are read: all of a scale file that the tables depend on."""

from __future__ import annotations

from pydantic import PositiveFloat

from wiring.config.model import Level, Model


class ReadingsConfig(Model):
    """When what became of a wiring is read, and when nothing can be said of it.

    It is read twice: where alpha's displacement (the sum of its rates over its steps, see
    :class:`wiring.search.Search`) has reached the published one, and at the end, where the wiring
    must have settled.

    Attributes:
        single: the published displacement of single-level searches: 150 epochs of 520 steps of
            3e-4 (DSNAS, SNAS).
        bi: that of bi-level searches: 50 epochs of 260 steps of 3e-4 (DARTS).
        change: a wiring has settled where no P, and no weight of an edge, changed by as much over
            the last fifth of the steps.
    """

    single: PositiveFloat = 23.4
    bi: PositiveFloat = 3.9
    change: PositiveFloat = 0.01

    def displacement(self, level: Level) -> float:
        """The published displacement of the searches of a level."""
        return self.single if level == "single" else self.bi
