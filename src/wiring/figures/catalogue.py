"""Which figures there are: the one list that Snakemake, the pages, MLflow and `draw` read.

A new figure is an entry here and the function that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from wiring.config import ScaleConfig, SearchConfig

Of = TypeVar("Of")
"""What an entry is drawn of, as far as it decides whether the figure is wanted."""


class Design(NamedTuple):
    """What decides on the figures over the conditions of an experiment.

    Attributes:
        variants: their names.
        baseline: the one that the others are compared with.
        measures_regime: whether alpha rests in it, so that others are chosen by it.
        learn: whether alpha learns in some of its searches.
    """

    variants: frozenset[str]
    baseline: str
    measures_regime: bool
    learn: bool

    @property
    def compared(self) -> bool:
        """Whether the baseline and others are there."""
        return self.baseline in self.variants and len(self.variants) > 1


@dataclass(frozen=True)
class Entry(Generic[Of]):
    """A figure.

    Attributes:
        file: its name, unique in the catalogue.
        title: what it shows, in a line.
        caption: how to read it, in one or two sentences.
        scope: whether it is drawn once a condition, an experiment or a study.
        function: what draws it, `module:function`, from the tables of that scope.
        wanted: whether there is anything to draw.
        takes: settings of the scale file that the function takes as keywords.
    """

    file: str
    title: str
    caption: str
    scope: Literal["condition", "experiment", "study"]
    function: str
    wanted: Callable[[Of], bool]
    takes: tuple[str, ...] = ()

    def load(self) -> Callable[..., Any]:
        """The function; only now is matplotlib imported."""
        module, _, name = self.function.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function


def _always(_: object) -> bool:
    return True


def _learns(search: SearchConfig) -> bool:
    return search.alpha.lr > 0


CONDITION: tuple[Entry[SearchConfig], ...] = (
    Entry(
        "probability.svg",
        "Probability of each operation on each edge over the search",
        "Mean over seeds. Growth is P(none), black, that rises first and falls again; width is "
        "P(none) that stays higher on intermediate edges, which have a tinted background.",
        "condition",
        "wiring.figures.curves:draw_probability",
        _learns,
    ),
    Entry(
        "none.svg",
        "Probability of none on all edges over the search",
        "Growth is a line that rises and falls again; width, dashed lines that stay above the "
        "others; failure, all lines at 1.",
        "condition",
        "wiring.figures.curves:draw_none",
        _learns,
    ),
    Entry(
        "wiring.svg",
        "The cell at points of the search",
        "An edge is as wide as it is likely to exist and has the colour of its likeliest "
        "operation; dashed, none is likelier still.",
        "condition",
        "wiring.figures.cell:draw_wiring",
        _learns,
        takes=("snapshots",),
    ),
    Entry(
        "wiring.gif",
        "The cell over the whole search",
        "The same drawing, moving from the first window to the last.",
        "condition",
        "wiring.figures.cell:animate_wiring",
        _learns,
    ),
    Entry(
        "cost.svg",
        "Local cost of each operation on each edge over the search",
        "In nats, mean over seeds. *none* costs 0: an operation with positive cost loses against "
        "it.",
        "condition",
        "wiring.figures.curves:draw_cost",
        _always,
    ),
    Entry(
        "statistics.svg",
        "Loss, entropy, accuracy and credit over the search",
        "Also split into correctly and wrongly classified samples. Where loss exceeds entropy, "
        "cost is positive.",
        "condition",
        "wiring.figures.curves:draw_statistics",
        _always,
    ),
    Entry(
        "samples.svg",
        "Loss, entropy and cost of the same samples over the search",
        "After every epoch, on the training and on the validation split: a line a sample, "
        "coloured by how it is classified at the time.",
        "condition",
        "wiring.figures.samples:draw_samples",
        lambda search: search.train.followed_samples > 0,
    ),
    Entry(
        "phases.svg",
        "Mean and spread of each operation's cost before and after training",
        "On each edge, while weights and alpha rest: at initialisation, and after training.",
        "condition",
        "wiring.figures.phases:draw_phases",
        lambda search: search.train.frozen_epochs > 0,
    ),
)
"""The figures of a condition, in the order of its part of the page."""

EXPERIMENT: tuple[Entry[Design], ...] = (
    Entry(
        "regime.svg",
        "Loss less entropy of each setting over the search, while alpha rests",
        "A panel a setting. Where the gap is above 0 *none* gains, where it is below edges gain: "
        "growth needs the first for long and then the second, failure the first to the end.",
        "experiment",
        "wiring.figures.regime:draw_regime",
        lambda design: design.measures_regime,
    ),
    Entry(
        "interventions.svg",
        "Final probability of none on each edge, by intervention",
        "A dot a search; the first column has no intervention.",
        "experiment",
        "wiring.figures.interventions:draw_interventions",
        lambda design: design.compared and design.learn,
        takes=("baseline",),
    ),
    Entry(
        "accuracy.svg",
        "Test accuracy of each variant, less that of the baseline",
        "A dot two searches of one seed, where no alpha learns; the bar is the mean over seeds.",
        "experiment",
        "wiring.figures.accuracy:draw_accuracy",
        lambda design: design.compared and not design.learn,
        takes=("baseline",),
    ),
)
"""The figures over the conditions of an experiment."""

STUDY: tuple[Entry[ScaleConfig], ...] = (
    Entry(
        "dose.svg",
        "Probability of none over the dose of each search, at its end and at its peak",
        "The dose is alpha's displacement times the standardised gap, loss less entropy, summed "
        "over the steps. One mark a search, a panel a class of edges; the curve is fitted to all.",
        "study",
        "wiring.figures.dose:draw_dose",
        _always,
    ),
    Entry(
        "overview.svg",
        "All conditions at once",
        "P(none) at the end against the share of time in which loss exceeded entropy, the shape of "
        "the final cells, and P(none) over each search.",
        "study",
        "wiring.figures.overview:draw_all",
        _always,
    ),
    Entry(
        "courses.svg",
        "P(taken) over the search, all methods",
        "1 - P(none), mean over seeds and over the input edges (left) and the intermediate edges "
        "(right).",
        "study",
        "wiring.figures.courses:draw_courses",
        lambda scale: scale.audit is not None,
    ),
)
"""The figures over all experiments."""


def entries() -> Iterator[Entry[Any]]:
    """All figures."""
    yield from CONDITION
    yield from EXPERIMENT
    yield from STUDY


def entry(file: str) -> Entry[Any]:
    """The figure of a file name.

    Raises:
        KeyError: there is none.
    """
    return {one.file: one for one in entries()}[file]


def figures_of(search: SearchConfig) -> tuple[Entry[SearchConfig], ...]:
    """The figures of a search's condition: what was recorded decides."""
    return tuple(one for one in CONDITION if one.wanted(search))


def of_study(scale: ScaleConfig) -> tuple[Entry[ScaleConfig], ...]:
    """The figures over all experiments of a scale."""
    return tuple(one for one in STUDY if one.wanted(scale))


def shared_by(scale: ScaleConfig, experiment: str) -> tuple[Entry[Design], ...]:
    """The figures over an experiment's conditions."""
    design = Design(
        frozenset(map(str, scale.experiments[experiment].variants)),
        scale.claims.baseline,
        scale.regime is not None and experiment in scale.regime.experiments,
        any(map(_learns, conditions_of(scale, experiment).values())),
    )
    return tuple(one for one in EXPERIMENT if one.wanted(design))


def conditions_of(scale: ScaleConfig, experiment: str) -> dict[str, SearchConfig]:
    """The conditions of an experiment, each with one of its searches."""
    return {
        str(search.condition): search
        for search in scale.searches().values()
        if search.experiment == experiment
    }


def paths_of(scale: ScaleConfig, experiment: str) -> tuple[str, ...]:
    """The files in an experiment's folder of figures: `condition/file`, and `file` of its own."""
    return (
        *(
            f"{condition}/{one.file}"
            for condition, search in conditions_of(scale, experiment).items()
            for one in figures_of(search)
        ),
        *(one.file for one in shared_by(scale, experiment)),
    )
