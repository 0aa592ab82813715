"""Log a whole trajectory, as if its search had been followed live."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wiring.tracking import store, view
from wiring.trajectory import Trajectory

if TYPE_CHECKING:
    from mlflow import MlflowClient


def replay(path: Path, figures: Iterable[Path] = ()) -> str:
    """Make sure that MLflow shows a trajectory, once.

    A complete run of the same search, config and bytes is kept as it is (figures are added); an
    incomplete one is replaced.

    Args:
        path: the trajectory's folder.
        figures: files to show with the run.

    Returns:
        The run's id.

    Raises:
        ValueError: `path` holds no valid trajectory.
        TrackingError: the store cannot be used.
    """
    trajectory, figures = Trajectory.read(path), tuple(figures)
    for name in ("scale", "started", "seconds"):
        if name not in trajectory.manifest:
            raise ValueError(f"{path / 'manifest.json'}: {name} is missing, expected for MLflow")
    try:
        return store.persistently()(_replay, trajectory, figures)
    except Exception as error:  # whatever the store or its driver raises
        raise store.TrackingError(error) from error


def _replay(trajectory: Trajectory, figures: tuple[Path, ...]) -> str:
    client = store.connect()
    run_id = store.find(client, trajectory, trajectory.manifest["scale"]) or _log(
        client, trajectory
    )
    store.attach(client, run_id, figures)
    return run_id


def _log(client: MlflowClient, trajectory: Trajectory) -> str:
    """A new run that holds the whole trajectory."""
    manifest = trajectory.manifest
    started = round(datetime.fromisoformat(manifest["started"]).timestamp() * 1000)
    ended = started + round(manifest["seconds"] * 1000)
    run_id = store.begin(client, trajectory.config, manifest["dataset"], manifest["scale"], started)
    rows = trajectory.steps.num_rows, trajectory.epochs.num_rows
    store.log_samples(client, run_id, view.samples(trajectory, *rows))
    store.complete(client, run_id, trajectory, ended)
    return run_id
