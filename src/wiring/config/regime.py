"""Which searches have their regime measured: where alpha rests, the gap is the setting's own.

What decides on growth and on failure is for how long loss exceeds entropy (docs/science.md). An
experiment in which alpha rests measures that for a setting before any wiring moves; searches whose
alpha learns are chosen by it. Here is which search is measured by which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from wiring.config.model import Model, Name
from wiring.config.search import Condition, MethodName, SearchConfig

if TYPE_CHECKING:
    from wiring.config.scale import ScaleConfig
    from wiring.errors import Place


class RegimeConfig(Model):
    """Where settings are measured, and which searches were chosen by that.

    The thresholds of the rule are those of its claims, `claims.thresholds.growth_cause` and
    `failure_held_out`.

    Attributes:
        experiments: the experiments in which alpha rests.
        measured_by: method -> the method of these experiments whose gates are of its kind.
        chosen: experiment -> its variants whose settings the rule chose: each of their searches
            must have been measured, with its dataset, level, space, weights and training.
    """

    experiments: tuple[Name, ...] = Field(min_length=1, strict=False)
    measured_by: dict[MethodName, MethodName] = Field(min_length=1)
    chosen: dict[Name, Annotated[tuple[Name, ...], Field(strict=False)]] = Field(
        default_factory=dict
    )


def twins(scale: ScaleConfig, experiment: str) -> dict[Condition, Condition]:
    """Condition whose alpha learns -> the condition in which its setting was measured.

    A condition that nothing measures is left out.

    Args:
        scale: the scale.
        experiment: where to look for measurements; there are none but in those of `regime`.
    """
    regime = scale.regime
    if regime is None or experiment not in regime.experiments:
        return {}
    measured = {
        _setting(search, search.method): search.condition
        for search in scale.searches().values()
        if search.experiment == experiment
    }
    found = {}
    for search in scale.searches().values():
        method = regime.measured_by.get(search.method)
        if method is not None and search.alpha.lr > 0:
            twin = measured.get(_setting(search, method))
            if twin is not None:
                found[search.condition] = twin
    return found


def regime_faults(scale: ScaleConfig) -> Iterator[tuple[Place, str]]:
    """What in the section `regime` cannot be, or changes nothing: its place, and what is wrong."""
    regime = scale.regime
    if regime is None:
        return
    searches = list(scale.searches().values())
    paired: dict[Condition, Condition] = {}
    for number, name in enumerate(regime.experiments):
        place: Place = ("regime", "experiments", number)
        if name not in scale.experiments:
            yield (
                place,
                f"unknown experiment {name!r}, expected one of {', '.join(scale.experiments)}",
            )
            continue
        learning = [one for one in searches if one.experiment == name and one.alpha.lr]
        if learning:
            yield (
                place,
                f"alpha learns in {learning[0].condition}, expected an experiment in which it "
                "rests (alpha.lr: 0)",
            )
        paired |= twins(scale, name)
    if not paired:
        yield ("regime", "experiments"), "no search has a setting that is measured there"
    yield from _method_faults(scale, regime)
    for name, variants in regime.chosen.items():
        place = ("regime", "chosen", name)
        if name not in scale.experiments or name in regime.experiments:
            yield place, "unknown experiment, expected one whose alpha learns"
            continue
        for number, variant in enumerate(variants):
            if variant not in scale.experiments[name].variants:
                known = ", ".join(scale.experiments[name].variants) or "variants in it"
                yield (*place, number), f"unknown variant {variant!r}, expected one of {known}"
        chosen = [one for one in searches if one.experiment == name and one.variant in variants]
        for condition in dict.fromkeys(one.condition for one in chosen):
            if condition not in paired:
                yield (
                    place,
                    f"{' and '.join(regime.experiments)} measured other settings than that of "
                    f"{condition}, expected its dataset, level, space, weights and train, with the "
                    "method that measured_by names",
                )


def _method_faults(scale: ScaleConfig, regime: RegimeConfig) -> Iterator[tuple[Place, str]]:
    """Methods that measure nothing, or of which nothing is searched."""
    measuring, others = (
        {
            method: None  # in order, and each once
            for name, experiment in scale.experiments.items()
            if (name in regime.experiments) == measures
            for method in experiment.methods
        }
        for measures in (True, False)
    )
    for method, by in regime.measured_by.items():
        place = ("regime", "measured_by", method)
        if method not in others:
            yield place, "no experiment whose alpha learns has it"
        if by not in measuring:
            known = ", ".join(measuring)
            yield place, f"no experiment in which alpha rests has {by!r}, expected one of {known}"


def _setting(search: SearchConfig, method: str) -> str:
    """All that the gap depends on while alpha rests.

    How often it is recorded is not of it, nor how long a search may go on after its epochs.
    """
    recorded: dict[str, Any] = {
        "windows_per_epoch": 1,
        "followed_samples": 0,
        "curvature_every": 0,
        "until": None,
    }
    train = search.train.model_copy(update=recorded)
    kept = search.model_copy(update={"train": train})
    text = kept.model_dump_json(include={"dataset", "level", "space", "weights", "train"})
    return f"{method} {text}"
