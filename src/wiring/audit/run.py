"""From a method's name to the page about it."""

from __future__ import annotations

import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wiring.audit.budget import Pair, Plan, Timing, plan
from wiring.audit.design import BATCH, FOLDER, LEVELS, Data, design, written
from wiring.audit.timing import timed
from wiring.config import Level, SearchConfig
from wiring.config.scale import ScaleConfig
from wiring.data.prepare import prepare
from wiring.data.split import check_dataset
from wiring.errors import InputError
from wiring.files import atomic_file
from wiring.study import read_study

log = logging.getLogger("wiring")


class Budget(NamedTuple):
    """What an audit may take.

    Attributes:
        minutes: of wall time, all in all.
        cores: that search side by side.
        seeds: of each condition; as many as fit when None.
    """

    minutes: float
    cores: int
    seeds: int | None


def planned(
    name: str,
    methods: Sequence[str],
    against: Sequence[str],
    data: Data,
    budget: Budget,
    cache: Path,
    asked: str,
) -> Path:
    """Time the searches, choose their length, and write the scale file.

    Args:
        name: of the file and of the scale.
        methods: that are audited.
        against: that they are held against.
        data: what they train on.
        budget: what all may take.
        cache: folder that keeps downloads.
        asked: the command that asks for it.

    Returns:
        The scale file.

    Raises:
        InputError: the data cannot be had, or the budget is too small.
    """
    sizes = check_dataset(data.config, f"datasets.{data.name}")
    batch = min(BATCH, *(min(splits) for splits in sizes.values()))
    steps: dict[Level, int] = {level: sizes[level][0] // batch for level in LEVELS}
    trial = design(name, methods, against, data, batch, Plan(dict.fromkeys(LEVELS, 1), 1, 0.0))
    searches = ScaleConfig.model_validate(trial).searches()
    timings = _timed(list(searches.values()), data, cache)
    chosen = plan(timings, steps, budget.minutes, budget.cores, budget.seeds)
    epochs = ", ".join(
        f"{_many(count, 'epoch')} {level}-level" for level, count in chosen.epochs.items()
    )
    said = (
        f"{epochs}, {_many(chosen.seeds, 'seed')}: about {chosen.seconds / 60:.0f} of "
        f"{budget.minutes:g} minutes on {_many(budget.cores, 'core')}"
    )
    log.info("%s: %s", name, said)
    short = [
        f"{level}-level searches end before alpha's published displacement, so nothing will be "
        "concluded from their outcomes: more minutes, fewer methods or smaller data may do"
        for level in chosen.missing
    ]
    for each in short:
        log.warning("%s: %s", name, each)
    path = FOLDER / f"{name}.yaml"
    text = written(
        design(name, methods, against, data, batch, chosen),
        (
            "yaml-language-server: $schema=../config/schema.json",
            f"Asked for by `{asked}`.",
            f"Planned: {said}.",
            *(f"{each[0].upper()}{each[1:]}." for each in short),
            f"Yours to edit; then `snakemake --config scale={path.as_posix()}`.",
        ),
    )
    with atomic_file(path) as file:
        file.write_text(text, encoding="utf-8")
    read_study(path)
    return path


def command(path: Path, cores: int) -> tuple[str, ...]:
    """What runs the scale file by the project's own workflow, in the working directory.

    Args:
        path: the scale file.
        cores: that Snakemake may use.

    Raises:
        InputError: there is no Snakefile.
    """
    return (
        *(sys.executable, "-m", "snakemake", "--snakefile", str(_snakefile())),
        *("--cores", str(cores), "--config", f"scale={path.as_posix()}"),
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _snakefile() -> Path:
    for folder in (Path.cwd(), Path(__file__).parents[3]):
        if (folder / "workflow/Snakefile").is_file():
            return folder / "Snakefile"
    raise InputError(
        "workflow/Snakefile: not found here: an audit needs a clone of the repository (git clone)"
    )


def _timed(searches: Sequence[SearchConfig], data: Data, cache: Path) -> dict[Pair, Timing]:
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / data.name
        prepare(data.config, prepared, cache)
        found: dict[Pair, Timing] = {}
        for one in searches:
            found[one.method, one.level] = timing = timed(one, prepared)
            log.info("%s, %s-level: %.3g s a step", one.method, one.level, timing.step)
    return found
