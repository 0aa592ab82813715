"""The model of one search.

A :class:`SearchConfig` describes one search wholly: the same value, machine and thread count give
the same trajectory bit for bit. An intervention (a deleted edge, a fixed or a forbidden op) is
data in :class:`SpaceConfig`. What results of a search do not depend on stands in `scale.py`.
"""

from __future__ import annotations

import hashlib
import json
import platform
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, cast

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from wiring.config import plugins
from wiring.config.model import Level, Model, Name, Seed
from wiring.config.space import SpaceConfig
from wiring.errors import Place

POINT = ("experiment", "variant", "dataset", "method", "level", "seed")
"""The fields of a search that its experiment fills in; the others are settings."""
LONGEST_ID = 200
"""Characters of a search's id: a file name has 255, and a temporary file's gets a prefix."""
X86_64 = {"x86_64", "amd64"}


def _known_method(name: str) -> str:
    known = plugins.names(plugins.METHODS)
    if name not in known:
        raise ValueError(f"unknown method, expected one of {', '.join(known)}")
    return name


MethodName = Annotated[str, AfterValidator(_known_method), plugins.Completed(plugins.METHODS)]


class MethodSettings(Model):
    """The settings of a method that has none of its own, and the base of those that do.

    Attributes:
        follows_progress: whether the method's draws depend on the share of the search that is done,
            so that a longer search is another one from its first epoch on.
        takes_all: whether every op that is still a candidate takes part in every step.
    """

    follows_progress: ClassVar[bool] = False
    takes_all: ClassVar[bool] = False

    def misfit(self, search: SearchConfig) -> str | None:  # noqa: ARG002
        """Why the method cannot run this search, in words that name a field; None if it can."""
        return None

    def idle(self, search: SearchConfig) -> dict[Place, str]:  # noqa: ARG002
        """Fields of this search that the method leaves without effect, each with why.

        A scale file is refused where it sets one of them and it is so for every search.
        """
        return {}


def settings_model(method: str) -> type[MethodSettings]:
    """The model of a method's own settings.

    Args:
        method: a known method.

    Raises:
        InputError: there is one and it cannot be imported.
    """
    if method not in plugins.names(plugins.SETTINGS):
        return MethodSettings
    return cast("type[MethodSettings]", plugins.load(plugins.SETTINGS, method))


class WeightsConfig(Model):
    """SGD on the supernet's weights (defaults: the published protocol).

    Attributes:
        lr: learning rate, at the start.
        schedule: `cosine`: the rate falls to `lr_min`, epoch by epoch; `constant`: it stays, so
            that a search may be made longer later (see :meth:`SearchConfig.grown_from`).
        lr_min: learning rate at the end of the cosine.
        momentum: of SGD.
        weight_decay: L2 penalty added to the gradient.
        grad_clip: bound on the norm of the weights' gradient.
        unsampled: weights that take no part in a step: `rest`: they stay as they are; `decay`:
            momentum and weight decay move them all the same (as public code has it).
    """

    lr: PositiveFloat = 0.025
    schedule: Literal["cosine", "constant"] = "cosine"
    lr_min: NonNegativeFloat = 0.001
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 3e-4
    grad_clip: PositiveFloat | None = 5.0
    unsampled: Literal["rest", "decay"] = "rest"

    @model_validator(mode="after")
    def _ordered(self) -> WeightsConfig:
        if self.schedule == "constant":
            if self.lr_min != WeightsConfig.model_fields["lr_min"].default:
                raise ValueError("lr_min: a constant rate has no end to fall to")
        elif self.lr_min > self.lr:
            raise ValueError(f"lr_min must not exceed lr ({self.lr})")
        return self


class AlphaConfig(Model):
    """Adam on alpha (defaults: the published protocol).

    Attributes:
        lr: learning rate; 0 freezes alpha.
        beta1: first Adam decay.
        beta2: second Adam decay.
        weight_decay: L2 penalty added to alpha's gradient.
        init_mean: mean of alpha's normal initialisation (the authors' DSNAS: 1). A softmax does
            not see it; weight decay does.
        init_std: standard deviation of alpha's normal initialisation; 0 starts uniform.
        grad_clip: bound on the norm of alpha's gradient (the paper: 10 in DSNAS).
        cost_clamp: bound on the size of each op's cost, summed over the cells (the paper: 5 in
            DSNAS).
    """

    lr: NonNegativeFloat = 3e-4
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: NonNegativeFloat = 1e-3
    init_mean: float = 0.0
    init_std: NonNegativeFloat = 1e-3
    grad_clip: PositiveFloat | None = None
    cost_clamp: PositiveFloat | None = None


class AugmentConfig(Model):
    """Training augmentation: random crop after zero padding, horizontal flip."""

    crop_padding: Annotated[int, Field(ge=0, le=256)] = 0
    flip: bool = False


def reached(displacement: float, wanted: float) -> bool:
    """Whether alpha has gone so far, but for rounding: 78,000 steps of 3e-4 are 23.4."""
    return displacement >= wanted * (1 - 1e-9)


class UntilConfig(Model):
    """A length that follows from what alpha did: the search goes on until its wiring has settled.

    Attributes:
        displacement: of alpha (the sum of its rates over its steps), before which no wiring counts
            as settled: the published one, 23.4 single-level and 3.9 bi-level, or more.
        change: the wiring has settled where no P, and no weight of an edge, changed by as much
            over the last fifth of the steps (see :func:`wiring.trajectory.settling.change`).
        bound: epochs after which the search ends all the same.
    """

    displacement: PositiveFloat
    change: PositiveFloat = 0.01
    bound: Annotated[int, Field(ge=2, le=1_000_000)]


def steps_of(samples: int, batch_size: int, last_batch: Literal["drop", "keep"]) -> int:
    """Batches of one pass over so many samples; the arguments are those of :class:`TrainConfig`."""
    full, left = divmod(samples, batch_size)
    return full + (left > 0 and last_batch == "keep")


class TrainConfig(Model):
    """Length and batches of a search.

    Attributes:
        epochs: passes over the weight split. What falls from epoch to epoch (the weights' rate, a
            method's temperature) falls over these.
        until: go on after them, with what fell at its end, until the wiring has settled.
        batch_size: samples a step, of each split.
        last_batch: the samples that an epoch has left for a last batch that is not full: `drop`:
            the epoch does without them; `keep`: they are a batch.
        augment: training augmentation.
        windows_per_epoch: rows of the `windows` table per epoch and split.
        frozen_epochs: epochs before and again after training in which weights and alpha rest and
            only costs are measured: at initialisation, and near convergence.
        followed_samples: samples of each split whose loss, entropy and cost are recorded after
            every epoch (the `samples` table).
        curvature_every: epochs between two measurements of the largest eigenvalue of the Hessian
            in alpha of the loss that alpha learns from; 0: never.
    """

    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 150
    until: UntilConfig | None = None
    batch_size: Annotated[int, Field(ge=2)] = 96
    last_batch: Literal["drop", "keep"] = "drop"
    augment: AugmentConfig = AugmentConfig()
    windows_per_epoch: PositiveInt = 1
    frozen_epochs: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    followed_samples: NonNegativeInt = 0
    curvature_every: NonNegativeInt = 0

    @property
    def longest(self) -> int:
        """The most epochs in which weights and alpha learn."""
        return self.epochs if self.until is None else self.until.bound

    @property
    def all_epochs(self) -> int:
        """Epochs of the search, frozen ones included; with `until`, the most."""
        return self.longest + 2 * self.frozen_epochs

    def steps(self, samples: int) -> int:
        """Batches of one pass over so many samples."""
        return steps_of(samples, self.batch_size, self.last_batch)

    def trains(self, epoch: int) -> bool:
        """Whether weights and alpha learn in this epoch (from 0, frozen ones counted)."""
        return self.frozen_epochs <= epoch < self.frozen_epochs + self.longest

    @model_validator(mode="after")
    def _until_fits(self) -> TrainConfig:
        if self.until is not None:
            if self.until.bound <= self.epochs:
                raise ValueError(f"until.bound must exceed epochs ({self.epochs})")
            if self.frozen_epochs:
                raise ValueError(
                    "until: does not go with frozen_epochs, which stand around a training of known "
                    "length"
                )
        return self

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
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
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


class Condition(NamedTuple):
    """One cell of a design: searches of one condition differ in their seed only."""

    experiment: str
    method: str
    level: str
    dataset: str
    variant: str

    def __str__(self) -> str:
        return "_".join(part for part in self if part)


class SearchConfig(Model):
    """One search, wholly described.

    Attributes:
        experiment: experiment that it belongs to.
        variant: variant of the experiment, if it has any.
        dataset: dataset of the scale file.
        method: search method.
        settings: the method's own settings, checked by its own model, defaults filled in.
        level: `single`: weights and alpha learn on the same batches; `bi`: on separate splits.
        seed: of the initial weights and alpha, the order of samples, and all draws.
        space: search space.
        weights: how the supernet's weights learn.
        alpha: how alpha learns.
        train: length and batches.
        run: where and how it computes.
    """

    experiment: Name
    variant: Name | None = None
    dataset: Name
    method: MethodName
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    level: Level
    seed: Seed
    space: SpaceConfig = SpaceConfig()
    weights: WeightsConfig = WeightsConfig()
    alpha: AlphaConfig = AlphaConfig()
    train: TrainConfig = TrainConfig()
    run: RunConfig = RunConfig()

    @field_validator("settings")
    @classmethod
    def _the_methods_own(cls, settings: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        method = info.data.get("method")
        if method is None:  # itself at fault
            return settings
        # A fault of theirs keeps its place: pydantic takes it over from the inner report.
        return settings_model(method).model_validate(settings).model_dump(mode="json")

    @model_validator(mode="after")
    def _suits_the_method(self) -> SearchConfig:
        settings = self.method_settings
        fault = settings.misfit(self)
        if fault is None and settings.takes_all and self.weights.unsampled == "decay":
            fault = "every op takes part in every step: weights.unsampled must be rest"
        if fault is not None:
            raise ValueError(f"{self.method}: {fault}")
        return self

    @model_validator(mode="after")
    def _alpha_can_settle(self) -> SearchConfig:
        if self.train.until is not None and not self.alpha.lr:
            raise ValueError("train.until: alpha.lr is 0, and an alpha that rests goes nowhere")
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
    def method_settings(self) -> MethodSettings:
        """:attr:`settings` as the method's own model."""
        return settings_model(self.method).model_validate(self.settings)

    @property
    def idle(self) -> dict[Place, str]:
        """Fields, or sections, whose values change nothing in this search, each with why."""
        found: dict[Place, str] = {}
        if not self.alpha.lr:
            steps = ("beta1", "beta2", "weight_decay", "grad_clip", "cost_clamp")
            found |= {("alpha", name): "alpha.lr is 0" for name in steps}
        if self.train.curvature_every > self.train.all_epochs:
            found["train", "curvature_every"] = f"a search has {self.train.all_epochs} epochs"
        if self.run.gpus and self.run.device == "cpu":
            found["run", "gpus"] = "run.device is cpu"
        return found | self.method_settings.idle(self)

    @property
    def condition(self) -> Condition:
        """All that the searches of other seeds share with this one."""
        return Condition(self.experiment, self.method, self.level, self.dataset, self.variant or "")

    def grown_from(self, other: SearchConfig) -> bool:
        """Whether this search is another one made longer, so that it may go on from its state.

        `train.until` may have come, or its bound have grown: up to there all is the same.
        `train.epochs` may have grown where no epoch depends on how many there are to be: a cosine
        does, and so do settings of a method that follow its progress.
        """
        own, old = self.train, other.train
        if own.frozen_epochs or own.longest <= old.longest or own.epochs < old.epochs:
            return False
        follows = self.weights.schedule != "constant" or self.method_settings.follows_progress
        if own.epochs > old.epochs and follows:
            return False
        if old.until is not None and (
            own.until is None
            or own.until.model_copy(update={"bound": old.until.bound}) != old.until
        ):
            return False
        train = own.model_copy(update={"epochs": old.epochs, "until": old.until})
        return self.model_copy(update={"train": train}).canonical == other.canonical

    @property
    def learning_split(self) -> Literal["train", "validation"]:
        """The split that alpha learns from."""
        return "validation" if self.level == "bi" else "train"

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


class LayerSchema:
    """Marks raw settings: in JSON schema they are a search without what its experiment says."""

    def __get_pydantic_json_schema__(
        self,
        schema: CoreSchema,
        handler: GetJsonSchemaHandler,
    ) -> dict[str, Any]:
        """Of :class:`SearchConfig`, what stands in a layer."""
        whole = handler.resolve_ref_schema(handler(SearchConfig.__pydantic_core_schema__))
        fields = {name: field for name, field in whole["properties"].items() if name not in POINT}
        return {"type": "object", "properties": fields, "additionalProperties": False}


Settings = Annotated[dict[str, Any], LayerSchema()]
"""Settings of some searches, as they stand in a scale file; checked where they meet the others."""
