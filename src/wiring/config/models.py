"""The models of a scale file and of one search.

A :class:`SearchConfig` describes one search wholly: the same value, machine and thread count give
the same trajectory bit for bit. An intervention (a deleted edge, a fixed or a forbidden op) is
data in :class:`SpaceConfig`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import entry_points
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from wiring.config.errors import ConfigError

OPS: tuple[str, ...] = (
    "none",
    "skip_connect",
    "max_pool_3x3",
    "avg_pool_3x3",
    "sep_conv_3x3",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_5x5",
)
"""The eight operations of the search space, in the paper's order."""


def _known_op(op: str) -> str:
    if op not in OPS:
        raise ValueError(f"unknown op, expected one of {', '.join(OPS)}")
    return op


def _known_method(name: str) -> str:
    # Names only: loading the methods would import torch each time Snakemake reads its file.
    known = sorted(entry_points(group="wiring.methods").names)
    if name not in known:
        raise ValueError(f"unknown method, expected one of {', '.join(known)}")
    return name


Op = Annotated[str, AfterValidator(_known_op)]
MethodName = Annotated[str, AfterValidator(_known_method)]
EdgeName = Annotated[str, Field(pattern=r"^\d+-\d+$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A name that becomes part of a file name: no separator, no leading dot."""
Level = Literal["single", "bi"]


class Model(BaseModel):
    """Base of every model: unknown keys are faults, values do not change, no silent casts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileModel(Model):
    """A model that holds a path: YAML and JSON have no path type, so a string is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class DatasetConfig(FileModel):
    """A dataset and everything that decides its bytes.

    Attributes:
        source: UCI digits (ships with scikit-learn) or CIFAR-10 (a pinned archive).
        archive: CIFAR-10 only: a local archive to read in place of the download.
        test_fraction: digits only (CIFAR-10 has its own test set): share held out for testing.
        train_samples: keep only this many training samples (stratified); all when absent.
        label_noise: share of training labels replaced by another class, drawn uniformly.
        search_fraction: share of the training set that a bi-level search gives to alpha.
        split_seed: seed of the test, subsample and search splits.
        noise_seed: seed of the label noise.
    """

    source: Literal["digits", "cifar10"]
    archive: Path | None = None
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    train_samples: PositiveInt | None = None
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    search_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    split_seed: NonNegativeInt = 0
    noise_seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _source_fits(self) -> DatasetConfig:
        if self.source == "digits":
            if self.archive is not None:
                raise ValueError("archive is for cifar10 only: digits ships with scikit-learn")
            if self.test_fraction is None:
                raise ValueError("digits has no test set of its own: test_fraction must be given")
        elif self.test_fraction is not None:
            raise ValueError("test_fraction is for digits only: cifar10 has its own test set")
        return self


class SpaceConfig(Model):
    """The search space of one supernet, interventions included.

    Attributes:
        cells: number of normal cells L.
        nodes: number of intermediate nodes N of a cell (2: minimal cell, 4: full cell).
        channels: width C of a node; the stem has 3 C channels.
        ops: the candidate operations of every edge, in the order of :data:`OPS`.
        delete_edges: edges that do not exist.
        fix_edges: edges whose op is given and never searched.
        forbid_ops: ops that an edge may not take.
        output_nodes: nodes concatenated to the cell's output; all intermediate ones when absent.
    """

    cells: PositiveInt = 8
    nodes: PositiveInt = 2
    channels: PositiveInt = 16
    ops: tuple[Op, ...] = Field(OPS, min_length=1, strict=False)
    delete_edges: tuple[EdgeName, ...] = Field((), strict=False)
    fix_edges: dict[EdgeName, Op] = {}
    forbid_ops: dict[EdgeName, Annotated[tuple[Op, ...], Field(strict=False)]] = {}
    output_nodes: tuple[int, ...] | None = Field(None, strict=False)

    @property
    def all_edges(self) -> tuple[str, ...]:
        """Every edge `i-j` of the cell, deleted ones included, by target, then source."""
        return tuple(f"{i}-{j}" for j in range(2, self.nodes + 2) for i in range(j))

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges that exist, in the order of the rows of alpha."""
        return tuple(edge for edge in self.all_edges if edge not in self.delete_edges)

    def choices(self, edge: str) -> tuple[str, ...]:
        """The ops that an edge may take: one if it is fixed."""
        if edge in self.fix_edges:
            return (self.fix_edges[edge],)
        return tuple(op for op in self.ops if op not in self.forbid_ops.get(edge, ()))

    @model_validator(mode="after")
    def _consistent(self) -> SpaceConfig:
        if list(self.ops) != sorted(set(self.ops), key=OPS.index):
            raise ValueError(f"ops must be distinct and in the order {', '.join(OPS)}")
        for field in ("delete_edges", "fix_edges", "forbid_ops"):
            for edge in getattr(self, field):
                if edge not in self.all_edges:
                    raise ValueError(
                        f"{field}: unknown edge {edge}, expected one of {', '.join(self.all_edges)}"
                    )
                if field != "delete_edges" and edge in self.delete_edges:
                    raise ValueError(f"{field}: edge {edge} is deleted by delete_edges")
        for edge, op in self.fix_edges.items():
            if op not in self.ops:
                raise ValueError(f"fix_edges: {op} on edge {edge} is not among ops")
            if edge in self.forbid_ops:
                raise ValueError(f"edge {edge} stands in both fix_edges and forbid_ops")
        for edge in self.edges:
            if not self.choices(edge):
                raise ValueError(f"forbid_ops: edge {edge} has no op left")
        if not self.edges:
            raise ValueError("delete_edges: no edge is left")
        intermediate = range(2, self.nodes + 2)
        if self.output_nodes is not None and (
            not self.output_nodes
            or list(self.output_nodes) != sorted(set(self.output_nodes))
            or any(node not in intermediate for node in self.output_nodes)
        ):
            raise ValueError(
                f"output_nodes must be distinct, ascending and among {list(intermediate)}"
            )
        return self


class WeightsConfig(Model):
    """SGD on the supernet's weights, cosine rate per epoch (defaults: the published protocol)."""

    lr: PositiveFloat = 0.025
    lr_min: NonNegativeFloat = 0.001
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 3e-4
    grad_clip: PositiveFloat | None = 5.0

    @model_validator(mode="after")
    def _ordered(self) -> WeightsConfig:
        if self.lr_min > self.lr:
            raise ValueError(f"lr_min must not exceed lr ({self.lr})")
        return self


class AlphaConfig(Model):
    """Adam on alpha (defaults: the published protocol).

    Attributes:
        lr: learning rate; 0 freezes alpha.
        beta1: first Adam decay.
        beta2: second Adam decay.
        weight_decay: L2 penalty added to alpha's gradient.
        init_std: standard deviation of alpha's normal initialisation; 0 starts uniform.
        grad_clip: bound on the norm of alpha's gradient (the paper: 10 in DSNAS).
        cost_clamp: bound on each edge's sampled cost (the paper: 5 in DSNAS).
    """

    lr: NonNegativeFloat = 3e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: NonNegativeFloat = 1e-3
    init_std: NonNegativeFloat = 1e-3
    grad_clip: PositiveFloat | None = None
    cost_clamp: PositiveFloat | None = None


class AugmentConfig(Model):
    """Training augmentation: random crop after zero padding, horizontal flip."""

    crop_padding: NonNegativeInt = 0
    flip: bool = False


class TrainConfig(Model):
    """Length and batches of a search.

    Attributes:
        epochs: passes over the weight split.
        batch_size: samples a step, of each split.
        augment: training augmentation.
        windows_per_epoch: rows of the `steps` table per epoch and split.
    """

    epochs: PositiveInt = 150
    batch_size: Annotated[int, Field(ge=2)] = 96
    augment: AugmentConfig = AugmentConfig()
    windows_per_epoch: PositiveInt = 1


class RunConfig(Model):
    """Where and how a search computes.

    Attributes:
        device: `auto` takes a GPU when one is there.
        threads: CPU threads of one search; results are bit-identical for equal thread counts.
        memory_mb: memory that the scheduler reserves for one search.
        minutes: time limit that the scheduler is given for one search.
        gpus: GPUs that the scheduler reserves for one search.
        amp: automatic mixed precision, bfloat16; sums and statistics stay in full precision.
        compile: fuse what runs inside an op by torch.compile (needs a C++ compiler, or a GPU).
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1
    memory_mb: PositiveInt = 1500
    minutes: PositiveInt = 60
    gpus: NonNegativeInt = 0
    amp: bool = False
    compile: bool = False


class SearchConfig(Model):
    """One search, wholly described."""

    experiment: Name
    variant: Name | None = None
    dataset: Name
    method: MethodName
    level: Level
    seed: NonNegativeInt
    space: SpaceConfig = SpaceConfig()
    weights: WeightsConfig = WeightsConfig()
    alpha: AlphaConfig = AlphaConfig()
    train: TrainConfig = TrainConfig()
    run: RunConfig = RunConfig()

    @property
    def id(self) -> str:
        """A readable name, unique within a scale and safe as a file name."""
        parts = [self.experiment, self.method, self.level, self.dataset]
        return "_".join([*parts, *([self.variant] if self.variant else []), f"s{self.seed}"])

    @property
    def canonical(self) -> str:
        """One-line JSON with sorted keys of all that results depend on: equal searches, equal text.

        What only the scheduler reads is left out: a raised time limit is not another search.
        """
        content = self.model_dump(mode="json", exclude={"run": {"memory_mb", "minutes", "gpus"}})
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> str:
        """SHA-256 of :attr:`canonical`."""
        return hashlib.sha256(self.canonical.encode()).hexdigest()


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
        variants: named settings over the scale's `search` section; one unnamed when empty.
        overrides: settings over the variant's, applied in order to the points they match.
    """

    title: str
    methods: tuple[MethodName, ...] = Field(min_length=1, strict=False)
    levels: tuple[Level, ...] = Field(min_length=1, strict=False)
    datasets: tuple[Name, ...] = Field(min_length=1, strict=False)
    seeds: tuple[NonNegativeInt, ...] = Field(min_length=1, strict=False)
    variants: dict[Name, dict[str, Any]] = {}
    overrides: tuple[Override, ...] = Field((), strict=False)

    def points(self, base: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The raw settings of each search of the design, the experiment's id still missing."""
        variants: list[tuple[str | None, dict[str, Any]]] = [*self.variants.items()] or [(None, {})]
        for method, level, dataset, (variant, settings), seed in product(
            self.methods, self.levels, self.datasets, variants, self.seeds
        ):
            point = {"method": method, "level": level, "dataset": dataset, "seed": seed}
            merged = _merge(base, settings)
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
    """Thresholds of the paper's claims, fixed before the runs; `wiring.claims` defines the claims.

    Attributes:
        confidence: coverage of the intervals over seeds.
        growth: P1: mean over edges of how far P(none) rose and then fell again.
        width: P2: how much larger P(none) is on intermediate than on input edges.
        failure: P3: share of edges on which none wins at the end.
        failure_cause: P3: share of the search split's windows with loss above entropy.
        sign: share of the windows in which the cost has the sign of the outcome.
        follows: rank correlation of falling cost with rising accuracy.
        direct: fact 1: largest residual in nats; only float32 rounding stands in the way.
        path: fact 2: the same; BN's epsilon (1e-5) leaves a remainder too.
        conservation: fact 3: the same.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    growth: Annotated[float, Field(ge=0, le=1)] = 0.05
    width: Annotated[float, Field(ge=0, le=1)] = 0.05
    failure: Annotated[float, Field(ge=0, le=1)] = 0.9
    failure_cause: Annotated[float, Field(ge=0, le=1)] = 0.5
    sign: Annotated[float, Field(ge=0, le=1)] = 0.9
    follows: Annotated[float, Field(ge=-1, le=1)] = 0.5
    direct: PositiveFloat = 1e-3
    path: PositiveFloat = 0.01
    conservation: PositiveFloat = 0.01


class ScaleConfig(Model):
    """A scale file: datasets, defaults of a search, and the experiments."""

    scale: Name
    datasets: dict[Name, DatasetConfig]
    search: dict[str, Any] = {}
    experiments: dict[Name, Experiment] = Field(min_length=1)
    report: ReportConfig = ReportConfig()
    claims: ClaimsConfig = ClaimsConfig()

    def searches(self, source: str = "config") -> dict[str, SearchConfig]:
        """Expand every experiment into its searches, by id.

        Args:
            source: the file's name, for messages.

        Raises:
            ConfigError: a search is invalid, names an unknown dataset, or two share an id.
        """
        found: dict[str, SearchConfig] = {}
        for name, experiment in self.experiments.items():
            for dataset in experiment.datasets:
                if dataset not in self.datasets:
                    raise ConfigError(
                        f"{source}: experiments.{name}.datasets: unknown dataset {dataset!r}, "
                        f"expected one of {', '.join(self.datasets)}"
                    )
            for point in experiment.points(self.search):
                try:
                    search = SearchConfig.model_validate({**point, "experiment": name})
                except ValidationError as error:
                    raise ConfigError.from_validation(
                        source, error, prefix=("experiments", name, "search")
                    ) from None
                if search.id in found:
                    raise ConfigError(
                        f"{source}: experiments.{name}: two searches share the id {search.id}"
                    )
                found[search.id] = search
        return found


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge nested settings; what `over` says wins."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
