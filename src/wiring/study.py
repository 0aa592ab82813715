"""A scale file wholly checked: what can be known before the first job is known here.

Snakemake, `wiring validate` and every command that takes a scale file ask this module.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PositiveInt, ValidationError

from wiring.claims.thresholds import check_thresholds
from wiring.config import (
    DatasetConfig,
    Level,
    ReadingsConfig,
    ScaleConfig,
    SearchConfig,
    UntilConfig,
    load_scale,
)
from wiring.config.expand import Fault, Group, groups, idle_places
from wiring.config.model import Model
from wiring.config.plugins import METHODS, fault
from wiring.config.regime import regime_faults
from wiring.config.search import reached
from wiring.data.split import check_dataset
from wiring.errors import UNKNOWN, InputError, Place, dotted
from wiring.patterns import CLAIMS

CONFIDENCE = 0.999
"""The most that 9,999 resamples of the seeds can tell (see :mod:`wiring.claims.interval`)."""

OF_ALPHAS_STEP = {
    "beta-darts": "weight",
    "darts-second": "epsilon",
    "drnas": "anchor",
    "dsnas": "one_log",
    "fairdarts": "zero_one",
    "proxylessnas": "rescale",
}
"""Built-in methods' settings that count only where alpha learns."""

SHUFFLED = ("cifar10", "cifar100", "digit-pairs", "fashion-mnist")
"""Built-in sources with a test set of their own whose samples do not stand class by class."""

NAMED = 3
"""The most conditions that a sentence about some names."""


class WorkflowConfig(Model):
    """What Snakemake is told by `--config`, or by whoever uses the workflow as a module.

    Attributes:
        scale: a scale's name in config/, or the path of a scale file.
        seeds_per_job: the most seeds of a condition that one job runs; a command line is not
            endless, and a large machine wants jobs.
    """

    scale: Annotated[str, Field(strict=False, coerce_numbers_to_str=True)] = "embedded"
    seeds_per_job: PositiveInt = 20

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> WorkflowConfig:
        """Check what was told.

        Raises:
            InputError: one sentence a fault, naming the word.
        """
        try:
            return cls.model_validate(dict(told))
        except ValidationError as error:
            known = ", ".join(cls.model_fields)
            said = str(InputError.from_validation("--config", error))
            raise InputError(said.replace(UNKNOWN, f"{UNKNOWN}, expected {known}")) from None


def read_study(path: Path, *, absent: bool = False, results: Path | None = None) -> ScaleConfig:
    """Read a scale file and check all that its models alone cannot know.

    Args:
        path: a YAML file as `config/README.md` describes it.
        absent: whether what a dataset's `path` names may be missing, as on another machine; what
            depends on it is then not checked.
        results: folder of all results: what was prepared in it may be missing all the same, as
            where results were pulled that others made.

    Raises:
        InputError: one sentence a fault, naming the file and the field.
    """
    scale = load_scale(path)
    sizes, told = {}, []
    for name, dataset in scale.datasets.items():
        known = absent or (results is not None and is_prepared(scale, name, results))
        try:
            if not (known and missing(dataset)):
                sizes[name] = check_dataset(dataset, f"datasets.{name}")
        except InputError as error:
            told += str(error).splitlines()
        except OSError as error:  # a name too long, a folder that may not be read
            told.append(f"datasets.{name}.path: {dataset.path}: {error.strerror}")
    try:
        check_thresholds(scale.claims, "claims")
    except InputError as error:
        told += str(error).splitlines()
    found = (
        *_methods(scale),
        *_momentum(scale),
        *_lengths(scale, sizes),
        *regime_faults(scale),
        *_judging(scale),
    )
    told += [f"{dotted(place)}: {said}" for place, said in dict.fromkeys(found)]
    if not told:
        told = [f"{dotted(place)}: {said}" for place, said in (*_idle(scale), *_idle_beside(scale))]
    if told:
        raise InputError("\n".join(f"{path}: {fault}" for fault in told))
    return scale


def is_prepared(scale: ScaleConfig, dataset: str, results: Path) -> bool:
    """Whether the manifest of a prepared dataset stands in the folder of all results."""
    return (results / scale.scale / "datasets" / dataset / "manifest.json").is_file()


def shortfalls(scale: ScaleConfig) -> Iterator[str]:
    """Of each experiment and level the conditions whose alpha will not get as far as published.

    A sentence each. What they come to will have no verdict: see :mod:`wiring.dynamics.readings`.
    Data that are not there are not asked for; that a method may let alpha rest for a while is not
    known here.

    Args:
        scale: as :func:`read_study` gives it.
    """
    # Once a set: of a folder it lists all pictures.
    sizes = {
        name: check_dataset(dataset, f"datasets.{name}")
        for name, dataset in scale.datasets.items()
        if not missing(dataset)
    }
    far: dict[tuple[str, Level], dict[str, float]] = defaultdict(dict)
    for group, search in _conditions(scale):
        if not search.alpha.lr or search.dataset not in sizes:
            continue
        train, *_ = sizes[search.dataset][search.level]
        moved = search.alpha.lr * search.train.steps(train) * search.train.longest
        if not reached(moved, scale.readings.displacement(search.level)):
            far[search.experiment, search.level][str(group.condition)] = moved
    for (_, level), short in far.items():
        named = ", ".join(list(short)[:NAMED])
        more = f" and {len(short) - NAMED} more" if len(short) > NAMED else ""
        ends = min(short.values()), max(short.values())
        span = " to ".join(dict.fromkeys(f"{each:.3g}" for each in ends))
        yield (
            f"{named}{more}: alpha's displacement will be {span} of "
            f"{scale.readings.displacement(level):g}: "
            "of what becomes of the wiring nothing will be concluded"
        )


def _conditions(scale: ScaleConfig) -> Iterator[tuple[Group, SearchConfig]]:
    """The groups of a scale, each with the search of its first seed: the others are alike."""
    searches = scale.searches()
    for group in groups(scale):
        yield group, searches[f"{group.condition}_s{group.seeds[0]}"]


def missing(dataset: DatasetConfig) -> bool:
    """Whether what a dataset's `path` names is not there."""
    return dataset.path is not None and not dataset.path.exists()


def _methods(scale: ScaleConfig) -> Iterator[Fault]:
    """Methods that are installed but cannot be imported, or have no name for a file."""
    for name, experiment in scale.experiments.items():
        for number, method in enumerate(experiment.methods):
            said = fault(METHODS, method)
            if said is not None:
                yield ("experiments", name, "methods", number), said


def _momentum(scale: ScaleConfig) -> Iterator[Fault]:
    """A momentum of which the weights' steps know nothing: they keep a buffer."""
    for group, search in _conditions(scale):
        if not search.weights.momentum:
            yield group.stands(
                ("weights", "momentum"), "0 is not supported, expected above 0: 1e-9 does the same"
            )


def _judging(scale: ScaleConfig) -> Iterator[Fault]:
    """Intervals that so few resamples cannot give."""
    if scale.claims.confidence > CONFIDENCE:
        yield ("claims", "confidence"), f"{scale.claims.confidence} exceeds {CONFIDENCE}"


def _idle(scale: ScaleConfig) -> Iterator[Fault]:
    """What stands beside the searches and changes nothing, each with why.

    Of the searches' own settings :mod:`wiring.config.expand` says it.
    """
    yield from ((place, f"changes nothing: {why}") for place, why in _idle_sections(scale))


def _idle_beside(scale: ScaleConfig) -> Iterator[Fault]:
    """Settings of searches that change nothing there, where the searches' model does not say so."""
    searches = scale.searches()

    def idle(group: Group) -> dict[Place, str]:
        search = searches[f"{group.condition}_s{group.seeds[0]}"]
        found: dict[Place, str] = {}
        if search.weights.schedule == "constant":
            found["weights", "lr_min"] = "a constant rate has no end to fall to"
        if all(len(search.space.choices(edge)) == 1 for edge in search.space.edges):
            found["weights", "unsampled"] = "no edge has a choice: each op is in every step"
        if not search.alpha.lr and search.method in OF_ALPHAS_STEP:
            found["settings", OF_ALPHAS_STEP[search.method]] = "alpha.lr is 0"
        if search.method in ("darts-pt", "sgas") and search.settings["warm_up"] == 1:
            found["settings", "every"] = "settings.warm_up leaves time for one decision"
        return found

    yield from idle_places(scale, idle)


def _idle_sections(scale: ScaleConfig) -> Iterator[Fault]:
    """Sections and lists of which nothing, or not all, is used."""
    if "readings" in scale.model_fields_set and not scale.readings.model_fields_set:
        yield ("readings",), "it is empty"
    for method, settings in scale.methods.items():
        if not settings:
            yield ("methods", method), "it is empty"
    halved = {
        name for one in scale.experiments.values() if "bi" in one.levels for name in one.datasets
    }
    for name, dataset in scale.datasets.items():
        if "validation_fraction" in dataset.model_fields_set and name not in halved:
            yield ("datasets", name, "validation_fraction"), "no bi-level search uses it"
        drawn = (dataset.test_fraction, dataset.train_samples, dataset.test_samples)
        whole = dataset.source in SHUFFLED and not any(drawn) and name not in halved
        if "split_seed" in dataset.model_fields_set and whole:
            yield ("datasets", name, "split_seed"), "no split is drawn: all samples have their part"
    lists: list[tuple[tuple[str, ...], tuple[float | str, ...]]] = [
        (("report", "snapshots"), scale.report.snapshots)
    ]
    if scale.regime is not None:
        lists.append((("regime", "experiments"), scale.regime.experiments))
        for name, variants in scale.regime.chosen.items():
            lists.append((("regime", "chosen", name), variants))
            if not variants:
                yield ("regime", "chosen", name), "it is empty"
    for place, values in lists:
        seen = set()
        for number, value in enumerate(values):
            if value in seen:
                yield (*place, number), f"{value} stands twice"
            seen.add(value)
    yield from _idle_thresholds(scale)


def _idle_thresholds(scale: ScaleConfig) -> Iterator[Fault]:
    """Thresholds of claims that apply to no search."""
    if not scale.claims.thresholds:
        return
    # What hardly any file needs should not be waited for.
    import pandas as pd

    from wiring.dynamics.identity import designed

    searches = pd.DataFrame(map(designed, scale.searches().values()))
    for name in scale.claims.thresholds:
        judged = [claim for claim in CLAIMS.values() if claim.threshold.name == name]
        if not any(claim.applies(searches).any() for claim in judged):
            scope = " or ".join(dict.fromkeys(claim.scope for claim in judged))
            yield ("claims", "thresholds", name), f"it judges {scope}, and there are none"


def _lengths(scale: ScaleConfig, sizes: dict[str, dict[Level, tuple[int, ...]]]) -> Iterator[Fault]:
    """Batches that are not filled or of one sample, windows without a step, ends out of reach."""
    for group, search in _conditions(scale):
        if search.dataset not in sizes:
            continue  # itself at fault, or not there
        train = search.train
        splits = sizes[search.dataset][search.level]
        if train.batch_size > min(splits):
            yield group.stands(
                ("train", "batch_size"),
                f"{train.batch_size} does not fit the {min(splits)} samples of a split of "
                f"{search.dataset} ({search.level}-level)",
            )
            continue
        steps = train.steps(splits[0])  # the weights' split makes the epoch, alpha's goes round
        if train.windows_per_epoch > steps:
            yield group.stands(
                ("train", "windows_per_epoch"),
                f"{train.windows_per_epoch} does not fit the {steps} steps of an epoch of "
                f"{search.dataset} ({search.level}-level)",
            )
        if train.until is not None:
            for field, said in _unreachable(search, train.until, steps, scale.readings):
                yield group.stands(("train", "until", field), said)
        lonely = [split for split in splits if split % train.batch_size == 1]
        if lonely and train.last_batch == "keep":
            yield group.stands(
                ("train", "last_batch"),
                f"keep leaves one of the {lonely[0]} samples of a split of {search.dataset} "
                f"({search.level}-level) for the last batch, expected 2 at least: another "
                f"batch_size than {train.batch_size}, or drop",
            )


def _unreachable(
    search: SearchConfig, until: UntilConfig, steps: int, readings: ReadingsConfig
) -> Iterator[tuple[str, str]]:
    """What keeps a search that goes on until its wiring has settled from being read then."""
    published = readings.displacement(search.level)
    if until.displacement < published:
        yield (
            "displacement",
            f"{until.displacement:g} is less than the displacement at which {search.level}-level "
            f"searches are read (readings.{search.level}), expected {published:g} or more",
        )
    if until.change > readings.change:
        yield (
            "change",
            f"{until.change:g} exceeds readings.change, expected {readings.change:g} or less",
        )
    farthest = until.bound * steps * search.alpha.lr
    if not reached(farthest, until.displacement):
        yield (
            "bound",
            f"{until.bound} epochs of {steps} steps at a rate of {search.alpha.lr:g} are a "
            f"displacement of {farthest:.3g}, expected {until.displacement:g} or more",
        )
