"""The models of a scale file: the design of a study, and what judges and shows it."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    model_validator,
)

from wiring.config.dataset import DatasetConfig
from wiring.config.expand import expand
from wiring.config.model import Level, Model, Name, Seed
from wiring.config.readings import ReadingsConfig
from wiring.config.regime import RegimeConfig
from wiring.config.search import MethodName, SearchConfig, Settings
from wiring.errors import InputError

SEARCHES = 10_000
"""The most searches that a scale may have."""


def _distinct(names: dict[str, Any]) -> dict[str, Any]:
    """Refuse names that a file system may take for one: macOS and Windows ignore case."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            raise ValueError(f"{other} and {name} differ only by case, expected distinct names")
    return names


class Override(Model):
    """Settings for some of an experiment's searches: those that match every named field.

    Tables, figures and jobs are of conditions, so the seeds of one may differ in what is taken on
    an edge, and in nothing else.
    """

    method: MethodName | None = None
    level: Level | None = None
    dataset: Name | None = None
    variant: Name | None = None
    seed: Seed | None = None
    set: Settings

    @model_validator(mode="after")
    def _of_a_seed(self) -> Override:
        space = self.set.get("space")
        own = {"fix_edges", "forbid_ops"}
        fits = set(self.set) == {"space"} and isinstance(space, dict) and set(space) <= own
        if self.seed is not None and not fits:
            raise ValueError(
                "set: for one seed expected space.fix_edges or space.forbid_ops and nothing else: "
                "the seeds of a condition are alike in the rest"
            )
        return self

    @property
    def meant(self) -> tuple[str | int | None, ...]:
        """Method, level, dataset, variant and seed of the searches that are meant; None: any."""
        return self.method, self.level, self.dataset, self.variant, self.seed


class Experiment(Model):
    """A crossed design: methods x levels x datasets x variants x seeds.

    Attributes:
        title: what the report calls it.
        variants: named settings over the method's; one unnamed when empty.
        overrides: settings over the variant's, applied in order to the searches they match.
    """

    title: str
    methods: tuple[MethodName, ...] = Field(min_length=1, strict=False)
    levels: tuple[Level, ...] = Field(min_length=1, strict=False)
    datasets: tuple[Name, ...] = Field(min_length=1, strict=False)
    seeds: tuple[Seed, ...] = Field(min_length=1, strict=False)
    variants: dict[Name, Settings] = Field(default_factory=dict)
    overrides: tuple[Override, ...] = Field((), strict=False)

    @property
    def size(self) -> int:
        """How many searches it has."""
        crossed = (self.methods, self.levels, self.datasets, self.variants or (None,), self.seeds)
        return prod(map(len, crossed))


class ReportConfig(Model):
    """What the figures show.

    Attributes:
        snapshots: shares of a search (0 to 1) at which the cell is drawn, all in one figure.
    """

    snapshots: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.33, 0.66, 1.0), min_length=1, max_length=24, strict=False
    )


class ClaimsConfig(Model):
    """What judges the results, fixed before the runs.

    Attributes:
        confidence: coverage of the intervals over seeds.
        thresholds: threshold of a claim by name, over its default; :mod:`wiring.claims.thresholds`
            checks names and values.
        baseline: the variant that the others of its experiment are compared with (E7).
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    thresholds: dict[str, float] = Field(default_factory=dict)
    baseline: Name = "free"


class AuditConfig(Model):
    """What the audit's page is about; `wiring audit` writes such a file.

    Attributes:
        methods: the methods whose wiring is explained.
        against: the methods that they are held against.
    """

    methods: tuple[MethodName, ...] = Field(min_length=1, strict=False)
    against: tuple[MethodName, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _each_once(self) -> AuditConfig:
        for method in {*self.methods, *self.against}:
            if (*self.methods, *self.against).count(method) > 1:
                raise ValueError(f"{method} stands twice, expected each method once")
        return self


class ScaleConfig(Model):
    """A scale file: datasets, what searches share, and the experiments.

    Attributes:
        scale: its name.
        datasets: by name.
        defaults: settings of every search.
        methods: settings of every search of a method, over the defaults.
        experiments: by id.
        report: what the figures show.
        readings: when the results are read.
        claims: what judges the results.
        regime: where settings are measured before searches are chosen; none when absent.
        audit: the methods that a page of its own is about; none when absent.
    """

    scale: Name
    datasets: Annotated[dict[Name, DatasetConfig], AfterValidator(_distinct)]
    defaults: Settings = Field(default_factory=dict)
    methods: dict[MethodName, Settings] = Field(default_factory=dict)
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1), AfterValidator(_distinct)]
    report: ReportConfig = ReportConfig()
    readings: ReadingsConfig = ReadingsConfig()
    claims: ClaimsConfig = ClaimsConfig()
    regime: RegimeConfig | None = None
    audit: AuditConfig | None = None
    _searches: dict[str, SearchConfig] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _bounded(self) -> ScaleConfig:
        size = sum(experiment.size for experiment in self.experiments.values())
        if size > SEARCHES:
            raise ValueError(f"experiments: {size} searches, expected at most {SEARCHES}")
        return self

    def searches(self, source: str = "config") -> dict[str, SearchConfig]:
        """Expand every experiment into its searches, by id.

        Args:
            source: the file's name, for messages.

        Raises:
            InputError: a search is invalid, two share an id (in upper or lower case), or
                something in the file changes nothing; one sentence a fault, with its place.
        """
        if not self._searches:  # a study of thousands is asked often
            found, faults = expand(self)
            if faults:
                raise InputError("\n".join(f"{source}: {fault}" for fault in faults))
            self._searches.update(found)
        return dict(self._searches)
