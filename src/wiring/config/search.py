"""The model of one search.

A :class:`SearchConfig` describes one search wholly: the same value, machine and thread count give
the same trajectory bit for bit. An intervention (a deleted edge, a fixed or a forbidden op) is
data in :class:`SpaceConfig`. What results of a search do not depend on stands in `scale.py`.
"""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

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
LONGEST_ID = 200
"""Characters of a search's id: a file name has 255, and a temporary file's gets a prefix."""
X86_64 = {"x86_64", "amd64"}


class Model(BaseModel):
    """Base of every model: unknown keys are faults, values do not change, no silent casts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileModel(Model):
    """A model that holds a path: YAML and JSON have no path type, so a string is taken."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class DatasetConfig(FileModel):
    """A dataset and everything that decides its bytes.

    Attributes:
        source: UCI digits (8x8, ships with scikit-learn), part of Fashion-MNIST (shrunk to 7x7,
            ships with this package), or CIFAR-10 (a pinned archive).
        archive: CIFAR-10 only: a local archive to read in place of the download.
        test_fraction: not for CIFAR-10, which has its own test set: share held out for testing.
        train_samples: keep only this many training samples (stratified); all when absent.
        label_noise: share of training labels replaced by another class, drawn uniformly.
        search_fraction: share of the training set that a bi-level search gives to alpha.
        split_seed: seed of the test, subsample and search splits.
        noise_seed: seed of the label noise.
    """

    source: Literal["digits", "fashion", "cifar10"]
    archive: Path | None = None
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    train_samples: PositiveInt | None = None
    label_noise: Annotated[float, Field(ge=0, lt=1)] = 0.0
    search_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.5
    split_seed: NonNegativeInt = 0
    noise_seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _source_fits(self) -> DatasetConfig:
        if self.source == "cifar10":
            if self.test_fraction is not None:
                raise ValueError("test_fraction: cifar10 has its own test set")
        elif self.archive is not None:
            raise ValueError(f"archive is for cifar10 only: {self.source} needs no download")
        elif self.test_fraction is None:
            raise ValueError(f"{self.source} has no test set of its own: give test_fraction")
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


class TemperatureConfig(Model):
    """Temperature of a relaxed draw (SNAS): falls linearly from epoch to epoch.

    Attributes:
        start: in the first epoch.
        end: what it would reach in the epoch after the last.
    """

    start: PositiveFloat = 1.0
    end: PositiveFloat = 0.03

    def at(self, progress: float) -> float:
        """The temperature when this share (0 to 1) of the epochs is done."""
        return self.start + (self.end - self.start) * progress


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
        temperature: of SNAS's relaxed draws; the other methods have none.
    """

    lr: NonNegativeFloat = 3e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: NonNegativeFloat = 1e-3
    init_std: NonNegativeFloat = 1e-3
    grad_clip: PositiveFloat | None = None
    cost_clamp: PositiveFloat | None = None
    temperature: TemperatureConfig = TemperatureConfig()


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
        frozen_epochs: epochs before and again after training in which weights and alpha rest and
            only costs are measured: at initialisation, and near convergence.
        followed_samples: samples of each split whose loss, entropy and cost are recorded after
            every epoch (the `samples` table).
    """

    epochs: PositiveInt = 150
    batch_size: Annotated[int, Field(ge=2)] = 96
    augment: AugmentConfig = AugmentConfig()
    windows_per_epoch: PositiveInt = 1
    frozen_epochs: NonNegativeInt = 0
    followed_samples: NonNegativeInt = 0

    @property
    def all_epochs(self) -> int:
        """Epochs of the search, frozen ones included."""
        return self.epochs + 2 * self.frozen_epochs

    def trains(self, epoch: int) -> bool:
        """Whether weights and alpha learn in this epoch (from 0, frozen ones counted)."""
        return self.frozen_epochs <= epoch < self.frozen_epochs + self.epochs

    @model_validator(mode="after")
    def _followed_fit(self) -> TrainConfig:
        if self.followed_samples > self.batch_size:
            raise ValueError(f"followed_samples must not exceed batch_size ({self.batch_size})")
        return self


class RunConfig(Model):
    """Where and how a search computes.

    Attributes:
        device: `auto` takes a GPU when one is there.
        threads: CPU threads of one search; results are bit-identical for equal thread counts.
        memory_mb: memory that the scheduler reserves for one search.
        minutes: time limit that the scheduler is given for one search.
        gpus: GPUs that the scheduler reserves for one search.
        vectors: the CPU's vector instructions, on x86-64. `avx2` computes the same sums, bit for
            bit, whether a CPU has AVX-512 or not; `native` takes the widest there are.
        amp: automatic mixed precision, bfloat16; sums and statistics stay in full precision.
        compile: fuse what runs inside an op by torch.compile (needs a C++ compiler, or a GPU).
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: PositiveInt = 1
    memory_mb: PositiveInt = 1500
    minutes: PositiveInt = 60
    gpus: NonNegativeInt = 0
    vectors: Literal["avx2", "native"] = "avx2"
    amp: bool = False
    compile: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of the process; they count only before torch is imported."""
        if self.vectors == "native" or platform.machine().lower() not in X86_64:
            return {}
        return {
            "ATEN_CPU_CAPABILITY": "avx2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
        }


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

    @model_validator(mode="after")
    def _uniform_does_not_learn(self) -> SearchConfig:
        if self.method == "uniform" and self.alpha.lr:
            raise ValueError("uniform samples without alpha: alpha.lr must be 0")
        return self

    @model_validator(mode="after")
    def _id_is_a_file_name(self) -> SearchConfig:
        if len(self.id) > LONGEST_ID:
            raise ValueError(
                f"the id {self.id} has {len(self.id)} characters, expected {LONGEST_ID} at most: "
                "shorten the names of experiment, dataset or variant"
            )
        return self

    @property
    def condition(self) -> str:
        """The id without the seed: searches that differ in nothing else share it."""
        parts = [self.experiment, self.method, self.level, self.dataset]
        return "_".join([*parts, *([self.variant] if self.variant else [])])

    @property
    def id(self) -> str:
        """A readable name, unique within a scale and safe as a file name."""
        return f"{self.condition}_s{self.seed}"

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
