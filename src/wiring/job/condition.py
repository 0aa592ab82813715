"""The seeds of a condition, one after the other in one process."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wiring.config import SearchConfig
from wiring.data.dataset import load
from wiring.errors import InputError
from wiring.files import link_dir
from wiring.job.run import SearchError, StoppedError, identity, run
from wiring.job.stops import Stops
from wiring.trajectory import Trajectory

FINISHED = "finished"
"""Where finished searches wait, beside the checkpoints: no search is called so."""
log = logging.getLogger("wiring")


def run_condition(
    configs: Sequence[SearchConfig],
    scale: str,
    data: Path,
    out: Path,
    checkpoints: Path,
    stops: Stops | None = None,
) -> None:
    """Run searches, each resumed from its last checkpoint, and write all their trajectories.

    A trajectory is first written to `checkpoints/finished`, where no scheduler removes it when the
    job fails, and stays there. What is there already, made by the same settings, data and code, is
    not made again. When all are there, they are linked to `out`: all, or none.

    Args:
        configs: the searches; their seeds differ, and what decides on torch's setup does not.
        scale: name of the scale they belong to, for MLflow.
        data: a prepared dataset.
        out: folder of the trajectories, one a search, named by its id; those are replaced whole.
        checkpoints: folder of the checkpoints, one a search.
        stops: hears when they are asked to stop.

    Raises:
        SearchError: searches failed; those after one that failed were run all the same.
        StoppedError: a stop was asked for.
    """
    finished = checkpoints / FINISHED
    dataset = load(data).manifest
    failed = []
    for config in configs:
        if _is_finished(finished / config.id, config, dataset):
            log.info("%s: finished before", config.id)
            continue
        if stops is not None and stops.asked is not None:
            raise StoppedError(
                f"{config.id}: stopped by {stops.name} before it began: the same command goes on "
                "from there",
                stops.asked,
            )
        try:
            run(config, scale, data, finished / config.id, checkpoints / config.id, stops)
            shutil.rmtree(checkpoints / config.id, ignore_errors=True)
        except StoppedError:
            raise
        except SearchError as error:
            log.error("%s", error)
            failed.append(config.id)
    if failed:
        raise SearchError(
            f"{len(failed)} of {len(configs)} searches failed ({', '.join(failed)}): the others "
            "are kept and not run again"
        )
    for config in configs:
        link_dir(finished / config.id, out / config.id)


def _is_finished(folder: Path, config: SearchConfig, dataset: Mapping[str, Any]) -> bool:
    """Whether a whole trajectory lies there that the search would give again."""
    try:
        manifest = Trajectory.read(folder).manifest
    except InputError:
        return False
    return identity(config, dataset) == {
        "config": manifest["config_sha256"],
        "dataset": json.dumps(manifest["dataset"].get("files"), sort_keys=True),
        "code": manifest.get("code_sha256"),
        "torch": manifest["versions"].get("torch"),
    }
