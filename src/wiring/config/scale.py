"""The models of a scale file: the design of a study, and what judges and shows it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    ValidationError,
    model_validator,
)

from wiring.config.dataset import DatasetConfig
from wiring.config.model import Level, Model, Name
from wiring.config.search import MethodName, SearchConfig
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
    """Settings for some of an experiment's searches: those that match every named field."""

    method: MethodName | None = None
    level: Level | None = None
    dataset: Name | None = None
    set: dict[str, Any]

    def matches(self, point: dict[str, Any]) -> bool:
        """Whether a point of the design is meant."""
        wanted = self.model_dump(exclude={"set"}, exclude_none=True)
        return all(point[field] == value for field, value in wanted.items())


class Experiment(Model):
    """A crossed design: methods x levels x datasets x variants x seeds.

    Attributes:
        title: what the report calls it.
        variants: named settings over the method's; one unnamed when empty.
        overrides: settings over the variant's, applied in order to the points they match.
    """

    title: str
    methods: tuple[MethodName, ...] = Field(min_length=1, strict=False)
    levels: tuple[Level, ...] = Field(min_length=1, strict=False)
    datasets: tuple[Name, ...] = Field(min_length=1, strict=False)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1, strict=False)
    variants: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    overrides: tuple[Override, ...] = Field((), strict=False)

    @property
    def size(self) -> int:
        """How many searches it has."""
        crossed = (self.methods, self.levels, self.datasets, self.variants or (None,), self.seeds)
        return prod(map(len, crossed))

    def points(
        self, defaults: dict[str, Any], methods: dict[str, dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """The raw settings of each search of the design, the experiment's id still missing.

        What is more particular wins: defaults, the method's, the variant's, the overrides'.
        """
        variants: list[tuple[str | None, dict[str, Any]]] = [*self.variants.items()] or [(None, {})]
        for method, level, dataset, (variant, settings), seed in product(
            self.methods, self.levels, self.datasets, variants, self.seeds
        ):
            point = {"method": method, "level": level, "dataset": dataset, "seed": seed}
            merged = _merge(_merge(defaults, methods.get(method, {})), settings)
            for override in self.overrides:
                if override.matches(point):
                    merged = _merge(merged, override.set)
            yield {**merged, **point, "variant": variant}


class ReportConfig(Model):
    """What the figures show.

    Attributes:
        moments: shares of a search (0 to 1) at which the cell is drawn.
    """

    moments: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.33, 0.66, 1.0), min_length=1, strict=False
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


class ScaleConfig(Model):
    """A scale file: datasets, what searches share, and the experiments.

    Attributes:
        scale: its name.
        datasets: by name.
        defaults: settings of every search.
        methods: settings of every search of a method, over the defaults.
        experiments: by id.
        report: what the figures show.
        claims: what judges the results.
    """

    scale: Name
    datasets: Annotated[dict[Name, DatasetConfig], AfterValidator(_distinct)]
    defaults: dict[str, Any] = Field(default_factory=dict)
    methods: dict[MethodName, dict[str, Any]] = Field(default_factory=dict)
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1), AfterValidator(_distinct)]
    report: ReportConfig = ReportConfig()
    claims: ClaimsConfig = ClaimsConfig()

    @model_validator(mode="after")
    def _bounded(self) -> ScaleConfig:
        size = sum(experiment.size for experiment in self.experiments.values())
        if size > SEARCHES:
            raise ValueError(f"experiments: {size} searches, expected at most {SEARCHES}")
        return self

    def figures(self, experiment: str) -> tuple[str, ...]:
        """The figures of an experiment, as paths `condition/file` or `experiment/file`."""
        conditions = {
            str(search.condition): search
            for search in self.searches().values()
            if search.experiment == experiment
        }
        paths = [f"{name}/{file}" for name, one in conditions.items() for file in figures_of(one)]
        variants = self.experiments[experiment].variants
        if self.claims.baseline in variants and len(variants) > 1:
            paths.append(f"{experiment}/interventions.svg")
        return tuple(paths)

    def searches(self, source: str = "config") -> dict[str, SearchConfig]:
        """Expand every experiment into its searches, by id.

        Args:
            source: the file's name, for messages.

        Raises:
            InputError: a search is invalid, names an unknown dataset, or two share an id (in
                upper or lower case).
        """
        found: dict[str, SearchConfig] = {}
        ids: dict[str, str] = {}
        for name, experiment in self.experiments.items():
            for dataset in experiment.datasets:
                if dataset not in self.datasets:
                    raise InputError(
                        f"{source}: experiments.{name}.datasets: unknown dataset {dataset!r}, "
                        f"expected one of {', '.join(self.datasets)}"
                    )
            for point in experiment.points(self.defaults, self.methods):
                try:
                    search = SearchConfig.model_validate({**point, "experiment": name})
                except ValidationError as error:
                    raise InputError.from_validation(
                        source, error, prefix=("experiments", name, "search")
                    ) from None
                other = ids.setdefault(search.id.casefold(), search.id)
                if search.id in found or other != search.id:
                    but = "" if search.id in found else f" but for case ({other})"
                    raise InputError(
                        f"{source}: experiments.{name}: two searches share the id {search.id}{but}"
                    )
                found[search.id] = search
        return found


def figures_of(search: SearchConfig) -> tuple[str, ...]:
    """The figures of a search's condition: what was recorded decides."""
    learns = ("probability.svg", "wiring.svg", "wiring.gif") if search.alpha.lr else ()
    follows = ("samples.svg",) if search.train.followed_samples else ()
    freezes = ("phases.svg",) if search.train.frozen_epochs else ()
    return (*learns, "cost.svg", "statistics.svg", *follows, *freezes)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge nested settings; what `over` says wins."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
