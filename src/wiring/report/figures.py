"""Which figures a page shows, and what they are called: the one place that knows of them."""

from __future__ import annotations

from typing import NamedTuple

from wiring.config import ScaleConfig

_TITLES: dict[str, str] = {
    "probability.svg": "Probability of each operation on each edge over the search",
    "cost.svg": "Local cost of each operation on each edge over the search",
    "statistics.svg": "Loss, entropy, accuracy and credit over the search",
    "wiring.svg": "The cell at moments of the search",
    "wiring.gif": "The cell over the whole search",
    "samples.svg": "Loss, entropy and cost of the same samples over the search",
    "phases.svg": "Mean and spread of each operation's cost before and after training",
    "interventions.svg": "Final probability of none on each edge, by intervention",
}


class Shown(NamedTuple):
    """A figure of an experiment's page.

    Attributes:
        condition: whose it is; empty: the whole experiment's.
        file: its name.
        title: what it shows.
    """

    condition: str
    file: str
    title: str

    @property
    def path(self) -> str:
        """Where it lies in the experiment's folder of figures."""
        return f"{self.condition}/{self.file}" if self.condition else self.file


def shown(scale: ScaleConfig, experiment: str) -> list[Shown]:
    """The figures of an experiment, in the order of its page."""
    found = []
    for path in scale.figures(experiment):
        folder, _, file = path.rpartition("/")
        found.append(Shown("" if folder == experiment else folder, file, _TITLES[file]))
    return found
