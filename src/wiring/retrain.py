"""Does the bias cost accuracy (E8)? A study that trains the cells of finished searches alone.

A space whose edges are all fixed is one network, so to train a cell alone is a search of it, and
the study is a scale file like any other: it can be read, edited and run again. Each condition of
the searches becomes an experiment; the seed of a search is the seed of all that its cell is
compared with, so that differences are paired by search.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiring.config import Edge, ScaleConfig, SpaceConfig, scale_text
from wiring.config.space import OPS
from wiring.errors import InputError
from wiring.files import atomic_file
from wiring.study import read_study
from wiring.trajectory import Trajectory
from wiring.trajectory.export import selected

SELECTED, RESTORED = "selected", "restored"
OF_A_SEARCH = {"frozen_epochs", "followed_samples", "until", "curvature_every"}
"""Settings of training that ask for an alpha, or for what a search records."""
Wiring = dict[Edge, str]
"""Every edge's op; `none`: there is no edge."""


def study(
    scale: ScaleConfig,
    trajectories: Sequence[Trajectory],
    name: str,
    randoms: int = 3,
    epochs: int | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """The scale file, as plain values, in which the cells of these searches are trained.

    Of each search: `selected`, the cell that it found, from its last genotype; `restored`, the
    same with each dropped edge back, by its likeliest op other than `none`; and `random-1` and so
    on, cells of as many edges, drawn uniformly with their ops from what the space allows.
    Everything else is as in the search, but that weights learn from the whole training set.

    Args:
        scale: the scale that was run.
        trajectories: finished searches of one of its experiments.
        name: what the study is called.
        randoms: random cells a search.
        epochs: of each training; None: those that the search was planned for.

    Returns:
        The scale file, and a sentence for what is left out: a search whose cell is no network,
        since no kept edge leads from an input to the output, and a variant whose cells are all
        those of another, as `restored` where no edge was dropped.

    Raises:
        InputError: no search has a cell to train, or one has no edge that was searched.
    """
    experiments: dict[str, Any] = {}
    left_out = []
    for trajectory in sorted(trajectories, key=lambda t: (str(t.config.condition), t.config.seed)):
        config = trajectory.config
        cells = cells_of(trajectory, randoms)
        if cells is None:
            left_out.append(
                f"{config.id}: keeps no edge that leads to the output: nothing to train"
            )
            continue
        own = "-".join(part for part in config.condition if part)
        experiment = experiments.setdefault(own, _experiment(trajectory, list(cells), epochs))
        experiment["seeds"].append(config.seed)
        experiment["overrides"] += [
            {
                "variant": variant,
                "seed": config.seed,
                "set": {"space": {"fix_edges": {str(edge): op for edge, op in wiring.items()}}},
            }
            for variant, wiring in cells.items()
        ]
    if not experiments:
        raise InputError("\n".join(left_out) or "no search is given, expected finished ones")
    for name, experiment in experiments.items():
        for variant, other in _repeated(experiment["overrides"]).items():
            del experiment["variants"][variant]
            experiment["overrides"] = [
                one for one in experiment["overrides"] if one.get("variant") != variant
            ]
            left_out.append(f"{name}: {variant}: its cells are those of {other}")
    used = {dataset for each in experiments.values() for dataset in each["datasets"]}
    datasets = {
        # No search of these is bi-level.
        dataset: config.model_dump(
            mode="json", exclude_defaults=True, exclude={"validation_fraction"}
        )
        for dataset, config in scale.datasets.items()
        if dataset in used
    }
    content = {
        "scale": name,
        "datasets": datasets,
        "methods": {"uniform": {"alpha": {"lr": 0.0, "init_std": 0.0}}},
        "experiments": experiments,
        "claims": {"baseline": SELECTED},
    }
    return content, left_out


def _repeated(overrides: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Variants that have the same cells as one before them, which is named."""
    cells: dict[str, list[Any]] = {}
    for one in overrides:
        if "variant" in one:
            cells.setdefault(one["variant"], []).append(one["set"]["space"]["fix_edges"])
    first: dict[str, str] = {}
    same = {variant: first.setdefault(repr(own), variant) for variant, own in cells.items()}
    return {variant: other for variant, other in same.items() if variant != other}


def write(content: dict[str, Any], out: Path) -> None:
    """Write a scale file, checked as any other is.

    Raises:
        InputError: its name is none, or so long that ids are no file names.
    """
    with atomic_file(out) as path:
        path.write_text(
            "# Written by `wiring retrain`: cells of finished searches, each trained alone.\n"
            + scale_text(content)
        )
        try:
            read_study(path)
        except InputError as error:  # of the file that stands in for it until it is whole
            raise InputError(str(error).replace(str(path), str(out))) from None


def cells_of(trajectory: Trajectory, randoms: int) -> dict[str, Wiring] | None:
    """The cells that a search's is compared with, by variant, its own first.

    Args:
        trajectory: a finished search.
        randoms: random cells that are drawn, from the search's seed.

    Returns:
        None if the selected cell is no network.

    Raises:
        InputError: the search had no edge to decide on.
    """
    config = trajectory.config
    space = config.space
    own = selected(trajectory)
    free = [edge for edge in space.edges if space.free(edge)]
    if not free:
        raise InputError(f"{config.id}: no edge was searched, expected one that may take none")
    if not _is_network(space, own):
        return None
    split = config.learning_split
    last = trajectory.array("probability", split)[-1]
    likeliest = {
        edge: max(
            (op for op in space.choices(edge) if op != "none"),
            key=lambda op, row=row: last[row, space.ops.index(op)],  # type: ignore[misc]
        )
        for row, edge in enumerate(space.edges)
        if edge in free
    }
    restored = {
        edge: likeliest[edge] if op == "none" and edge in free else op for edge, op in own.items()
    }
    count = sum(own[edge] != "none" for edge in free)
    rng = np.random.default_rng([config.seed, *config.id.encode()])
    drawn = (_random(space, own, free, count, rng) for _ in range(randoms))
    return {
        SELECTED: own,
        RESTORED: restored,
        **{f"random-{number}": wiring for number, wiring in enumerate(drawn, start=1)},
    }


def _random(
    space: SpaceConfig, selected: Wiring, free: list[Edge], count: int, rng: np.random.Generator
) -> Wiring:
    """A network with so many of the free edges; what was never free is as in the selected cell.

    The selected cell is such a network, so that one is found.
    """
    while True:
        kept = {free[int(place)] for place in rng.choice(len(free), count, replace=False)}
        wiring = dict(selected)
        for edge in free:
            ops = [op for op in space.choices(edge) if op != "none"]
            wiring[edge] = ops[int(rng.integers(len(ops)))] if edge in kept else "none"
        if _is_network(space, wiring):
            return wiring


def _is_network(space: SpaceConfig, wiring: Wiring) -> bool:
    return not _fixed(space, wiring).constant


def _fixed(space: SpaceConfig, wiring: Wiring) -> SpaceConfig:
    fixed = {str(edge): op for edge, op in wiring.items()}
    return SpaceConfig.model_validate(
        {**_plain(space), "ops": _with_none(space.ops), "fix_edges": fixed}
    )


def _with_none(ops: Sequence[str]) -> list[str]:
    """The same ops and `none`: a method's own rule may drop an edge that may not take it."""
    return [op for op in OPS if op == "none" or op in ops]


def _plain(space: SpaceConfig) -> dict[str, Any]:
    """What a space is without its interventions on ops."""
    return space.model_dump(mode="json", exclude={"fix_edges", "forbid_ops"}, exclude_defaults=True)


def _experiment(trajectory: Trajectory, variants: list[str], epochs: int | None) -> dict[str, Any]:
    config = trajectory.config
    train = config.train.model_dump(mode="json", exclude_defaults=True, exclude=OF_A_SEARCH)
    train["epochs"] = epochs or config.train.epochs
    common = {
        "space": {**_plain(config.space), "ops": _with_none(config.space.ops)},
        "train": train,
        "run": config.run.model_dump(mode="json", exclude_defaults=True),
        "weights": config.weights.model_dump(
            mode="json", exclude_defaults=True, exclude={"unsampled"}
        ),
    }
    return {
        "title": f"Cells of {config.condition}, trained alone",
        "methods": ["uniform"],
        "levels": ["single"],
        "datasets": [config.dataset],
        "seeds": [],
        "variants": {variant: {} for variant in variants},
        "overrides": [{"set": {name: section for name, section in common.items() if section}}],
    }
