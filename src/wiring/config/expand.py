"""From a scale file's layers of settings to its searches, and to what is wrong with them.

Whatever stands in a scale file either changes something or is a fault, said once, at the place
where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from wiring.config import plugins
from wiring.config.search import POINT, Condition, SearchConfig
from wiring.errors import UNKNOWN, Place, dotted, faults

if TYPE_CHECKING:
    from wiring.config.scale import ScaleConfig

SETTINGS = tuple(name for name in SearchConfig.model_fields if name not in POINT)

Fault = tuple[Place, str]
"""A place in the file, and what is wrong there."""


class Layer(NamedTuple):
    """Settings, and where in the scale file they stand."""

    place: Place
    settings: dict[str, Any]

    def value(self, path: Place) -> Any:
        """The value at a path, or a plain one above it.

        Raises:
            KeyError: the layer says nothing of it.
        """
        here: Any = self.settings
        for key in path:
            if not isinstance(here, dict):
                break
            here = here[key]
        return here

    def sets(self, path: Place) -> bool:
        """Whether :meth:`value` has one."""
        try:
            self.value(path)
        except KeyError:
            return False
        return True

    def leaves(self) -> Iterator[Place]:
        """The path of each plain value, and of each section without any."""
        todo: list[tuple[Place, Any]] = [((), self.settings)]
        while todo:
            path, value = todo.pop()
            if isinstance(value, dict):
                todo += [((*path, key), item) for key, item in reversed(value.items())]
            if path and (value == {} or not isinstance(value, dict)):
                yield path

    def empty(self, path: Place, before: Iterable[Layer]) -> bool:
        """Whether what stands at a leaf's path says nothing: it takes nothing away either."""
        value = self.value(path)
        forbids = path[:2] == ("space", "forbid_ops") and value == []
        return value == {} or (forbids and not any(layer.sets(path) for layer in before))


class Group(NamedTuple):
    """The searches of a condition before they are checked: they differ in their seed only.

    An override of one seed makes a group of its own.

    Attributes:
        condition: which one.
        layers: what the file says of it; the later wins.
        seeds: of the searches.
    """

    condition: Condition
    layers: tuple[Layer, ...]
    seeds: tuple[int, ...] = ()

    def raw(self, seed: int) -> dict[str, Any]:
        """What the search of a seed is validated from."""
        variant = self.condition.variant or None
        return {
            **_merged(self.layers),
            **self.condition._asdict(),
            "variant": variant,
            "seed": seed,
        }

    def stands(self, path: Place, said: str) -> Fault:
        """A fault of the search as one of the file: there where the last layer sets the value.

        Args:
            path: of the fault, within a search.
            said: what is wrong. Where several fields together are at fault, it names them: the
                first of them that a layer sets is meant.

        Returns:
            The place, and what is wrong, without the name that the place now ends with.
        """
        words = re.findall(r"[a-z]\w*(?:\.[a-z]\w*)*", said)
        named = [tuple(word.split(".")) for word in words if path or "." in word]
        for inner in (*named, ()):
            whole = (*path, *inner)
            for layer in reversed(self.layers) if whole else ():
                # Below a plain value nothing can be named.
                if layer.sets(whole) and not (inner and layer.value(path) == layer.value(whole)):
                    return (*layer.place, *whole), said.removeprefix(f"{dotted(inner)}: ")
        if path[:1] == ("settings",):
            return ("methods", self.condition.method, *path), said
        return ("experiments", self.condition.experiment, *path), said


def groups(scale: ScaleConfig) -> Iterator[Group]:
    """The conditions of a scale, in the order of its file."""
    for name, experiment in scale.experiments.items():
        here: Place = ("experiments", name)
        overrides: dict[tuple[Any, ...], list[int]] = {}
        for number, override in enumerate(experiment.overrides):
            overrides.setdefault(override.meant, []).append(number)
        for method, level, dataset, variant in product(
            experiment.methods, experiment.levels, experiment.datasets, experiment.variants or [""]
        ):
            condition = Condition(name, method, level, dataset, variant)
            layers = [Layer(("defaults",), scale.defaults)]
            if method in scale.methods:
                layers.append(Layer(("methods", method), scale.methods[method]))
            if variant:
                layers.append(Layer((*here, "variants", variant), experiment.variants[variant]))
            together: dict[tuple[int, ...], list[int]] = {}
            for seed in experiment.seeds:
                meant = _meant(overrides, (method, level, dataset, variant, seed))
                together.setdefault(meant, []).append(seed)
            for numbers, seeds in together.items():
                own = (
                    Layer((*here, "overrides", number, "set"), experiment.overrides[number].set)
                    for number in numbers
                )
                yield Group(condition, (*layers, *own), tuple(seeds))


def _meant(
    overrides: Mapping[tuple[Any, ...], Sequence[int]], search: tuple[Any, ...]
) -> tuple[int, ...]:
    """The numbers of the overrides that mean a search, in order.

    Looked up, not gone through: there may be one a seed.

    Args:
        overrides: what they mean, None for any -> their numbers.
        search: its method, level, dataset, variant and seed.
    """
    keys = product(*((value, None) for value in search))
    return tuple(sorted(number for key in keys for number in overrides.get(key, ())))


def expand(scale: ScaleConfig) -> tuple[dict[str, SearchConfig], list[str]]:
    """The searches of a scale by id, and its faults, each with its place.

    The searches are all there are only where there is no fault.
    """
    told = dict.fromkeys((*_unknown(scale), *_misplaced(scale)))  # in order, and each once
    found: dict[str, SearchConfig] = {}
    if not told:  # what follows from these is no news
        told = dict.fromkeys(_checked(scale, found))
    if not told:
        told = dict.fromkeys(_idle(scale, found))
    return found, [f"{dotted(place)}: {said}" for place, said in told]


def _checked(scale: ScaleConfig, found: dict[str, SearchConfig]) -> Iterator[Fault]:
    """What is wrong with the searches; fills in those that there are."""
    ids: dict[str, str] = {}
    for group in groups(scale):
        try:
            # Checked once, with the seed of the longest id; the others differ in nothing else.
            checked = SearchConfig.model_validate(group.raw(max(group.seeds)))
        except ValidationError as error:
            yield from (group.stands(path, said) for path, said in faults(error))
            continue
        if checked.space.constant:
            yield group.stands(
                ("space",),
                "ops: none is all that may be taken on the way from the inputs to an output, "
                "expected a network that sees its input",
            )
        for seed in group.seeds:
            search = checked.model_copy(update={"seed": seed})
            name = search.id
            other = ids.setdefault(name.casefold(), name)
            if name in found or other != name:
                but = "" if name in found else f" but for case ({other})"
                place = ("experiments", search.experiment)
                yield place, f"two searches share the id {name}{but}"
            found[name] = search


def _unknown(scale: ScaleConfig) -> Iterator[Fault]:
    """Names that nothing has; where there are none, what no experiment uses."""
    missing = False
    for name, experiment in scale.experiments.items():
        here: Place = ("experiments", name)
        for dataset in experiment.datasets:
            if dataset not in scale.datasets:
                missing, known = True, ", ".join(scale.datasets)
                yield (
                    (*here, "datasets"),
                    f"unknown dataset {dataset!r}, expected one of {known}",
                )
        has = {
            "method": experiment.methods,
            "level": experiment.levels,
            "dataset": experiment.datasets,
            "variant": tuple(experiment.variants),
            "seed": experiment.seeds,
        }
        for number, override in enumerate(experiment.overrides):
            for field, values in has.items():
                wanted = getattr(override, field)
                if wanted is not None and wanted not in values:
                    yield (
                        (*here, "overrides", number, field),
                        f"matches no search: {name} has no {wanted!r}, expected one of "
                        f"{', '.join(map(str, values)) or 'none: it has no variants'}",
                    )
    for section, names in (("datasets", scale.datasets), ("methods", scale.methods)):
        used = {name for each in scale.experiments.values() for name in getattr(each, section)}
        for name in names:
            if name not in used and not missing:
                yield (section, name), "no experiment uses it"
    if scale.audit is not None:
        run = {name for each in scale.experiments.values() for name in each.methods}
        for part in ("methods", "against"):
            for number, method in enumerate(getattr(scale.audit, part)):
                if method not in run:
                    yield ("audit", part, number), f"no experiment uses {method}"
    variants = {name for each in scale.experiments.values() for name in each.variants}
    levels = {level for each in scale.experiments.values() for level in each.levels}
    for level in ("single", "bi"):
        if level in scale.readings.model_fields_set and level not in levels:
            yield ("readings", level), f"no experiment is {level}-level"
    baseline = scale.claims.baseline
    if "baseline" in scale.claims.model_fields_set and baseline not in variants:
        yield ("claims", "baseline"), f"no experiment has a variant {baseline!r}"


def _layers(scale: ScaleConfig) -> Iterator[tuple[Layer, str | None]]:
    """Every layer of a file by itself, and the method that it is for, if for one."""
    yield Layer(("defaults",), scale.defaults), None
    for method, settings in scale.methods.items():
        yield Layer(("methods", method), settings), method
    for name, experiment in scale.experiments.items():
        for variant, settings in experiment.variants.items():
            yield Layer(("experiments", name, "variants", variant), settings), None
        for number, override in enumerate(experiment.overrides):
            yield Layer(("experiments", name, "overrides", number, "set"), override.set), None


def _misplaced(scale: ScaleConfig) -> Iterator[Fault]:
    """What is wrong with a layer whatever the others say: its keys, and each value by itself."""
    for layer, method in _layers(scale):
        for key in POINT:
            if key in layer.settings:
                yield (
                    (*layer.place, key),
                    f"is said by the experiment, expected any of {', '.join(SETTINGS)}",
                )
        settings = {key: value for key, value in layer.settings.items() if key not in POINT}
        if method is None and isinstance(settings.get("settings"), dict):
            del settings["settings"]  # which method's they are, the others say
        point = Condition("E", method or plugins.names(plugins.METHODS)[0], "single", "d", "")
        try:
            SearchConfig.model_validate({**Group(point, ()).raw(0), **settings})
        except ValidationError as error:
            for path, said in faults(error):
                # A section as a whole, such as one that is incomplete, may be right with the rest.
                if layer.sets(path) and (
                    said == UNKNOWN or not isinstance(layer.value(path), dict)
                ):
                    yield (*layer.place, *path), said


def _idle(scale: ScaleConfig, searches: Mapping[str, SearchConfig]) -> Iterator[Fault]:
    """What stands in the file and changes nothing."""
    for name, dataset in scale.datasets.items():
        if dataset.noise_seed and not dataset.label_noise:
            yield ("datasets", name, "noise_seed"), "changes nothing where label_noise is 0"
    changes = {
        layer.place: False
        for layer, _ in _layers(scale)
        if layer.place[-1] == "set" or (layer.place[0] == "methods" and layer.settings)
    }
    for group in groups(scale):
        for number, layer in enumerate(group.layers):
            if not changes.get(layer.place, True):
                without, beside = (
                    _valid(Group(group.condition, group.layers[:last]))
                    for last in (number, number + 1)
                )
                changes[layer.place] = without is None or without != beside
    same = [place for place, really in changes.items() if not really]
    yield from ((place, "changes nothing: what it sets is so without it") for place in same)
    if same:
        return
    yield from _twice(scale, searches.values())
    yield from idle_places(
        scale, lambda group: searches[f"{group.condition}_s{group.seeds[0]}"].idle
    )


def _twice(scale: ScaleConfig, searches: Iterable[SearchConfig]) -> Iterator[Fault]:
    """Variants whose searches are all those of another variant of their experiment."""
    found: dict[tuple[str, str], list[str]] = {}
    for search in searches:
        if search.variant and len(scale.experiments[search.experiment].variants) > 1:
            alone = search.model_copy(update={"variant": None}).canonical
            found.setdefault((search.experiment, search.variant), []).append(alone)
    first: dict[str, str] = {}
    for (experiment, variant), own in found.items():
        other = first.setdefault("".join(own), variant)
        if other != variant:
            place = ("experiments", experiment, "variants", variant)
            yield place, f"changes nothing: its searches are those of {other}"


def idle_places(
    scale: ScaleConfig, idle_of: Callable[[Group], Mapping[Place, str]]
) -> Iterator[Fault]:
    """Where something stands that changes nothing in any search, each with why.

    Args:
        scale: a scale without other faults.
        idle_of: of the searches of a group the fields that change nothing, each with why.
    """
    said: dict[Place, str | None] = {
        (*layer.place, *path): "something more particular sets it for every search"
        for layer, _ in _layers(scale)
        for path in layer.leaves()
    }
    for group in groups(scale):
        idle = idle_of(group)
        for number, layer in enumerate(group.layers):
            before, after = group.layers[:number], group.layers[number + 1 :]
            for path in layer.leaves():
                place = (*layer.place, *path)
                if said[place] is not None and not any(other.sets(path) for other in after):
                    empty = "it is empty" if layer.empty(path, before) else None
                    why = (why for field, why in idle.items() if path[: len(field)] == field)
                    said[place] = empty or next(why, None)
    for place, reason in said.items():
        if reason is not None:
            yield place, f"changes nothing: {reason}"


def _valid(group: Group) -> SearchConfig | None:
    try:
        return SearchConfig.model_validate(group.raw(0))
    except ValidationError:
        return None


def _merged(layers: tuple[Layer, ...]) -> dict[str, Any]:
    return reduce(_merge, (layer.settings for layer in layers), {})


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Merge nested settings; what `over` says wins."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
