"""Log a whole trajectory, as if its search had been followed live."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from wiring.errors import InputError
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
        InputError: `path` holds no valid trajectory, or one that MLflow cannot show.
        TrackingError: the store cannot be used.
    """
    trajectory, figures = Trajectory.read(path), tuple(figures)
    told = _Told.of(trajectory)
    try:
        return store.persistently()(_replay, trajectory, told, figures)
    except Exception as error:  # whatever the store or its driver raises
        raise store.TrackingError(error) from error


def _utc(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("expected a time with its offset from UTC")
    return text


class _Dataset(BaseModel):
    files: dict[str, str]


class _Manifest(BaseModel):
    """What MLflow is told of a manifest and a reader of the trajectory does without."""

    scale: str
    started: Annotated[str, AfterValidator(_utc)]
    seconds: Annotated[float, Field(ge=0, le=1e9)]
    dataset: _Dataset


@dataclass(frozen=True)
class _Told:
    """What the store is told, all of it read off the trajectory before the store is asked.

    A fault in the trajectory is none of the store's, and trying again would not mend it.
    """

    scale: str
    started: int
    ended: int
    samples: tuple[view.Sample, ...]

    @classmethod
    def of(cls, trajectory: Trajectory) -> _Told:
        source = trajectory.path / "manifest.json"
        try:
            manifest = _Manifest.model_validate(trajectory.manifest)
        except ValidationError as error:
            raise InputError.from_validation(str(source), error) from None
        started = round(datetime.fromisoformat(manifest.started).timestamp() * 1000)
        rows = trajectory.windows.num_rows, trajectory.epochs.num_rows
        try:
            samples = tuple(view.samples(trajectory, *rows))
            view.genotype(trajectory)
        except (LookupError, ArithmeticError, ValueError, RecursionError) as error:
            raise InputError(
                f"{trajectory.path}: epochs.parquet does not fit windows.parquet "
                f"({store.reason(error)}), expected those of one search"
            ) from None
        return cls(manifest.scale, started, started + round(manifest.seconds * 1000), samples)


def _replay(trajectory: Trajectory, told: _Told, figures: tuple[Path, ...]) -> str:
    client = store.connect()
    run_id = store.find(client, trajectory, told.scale) or _log(client, trajectory, told)
    store.attach(client, run_id, figures)
    return run_id


def _log(client: MlflowClient, trajectory: Trajectory, told: _Told) -> str:
    """A new run that holds the whole trajectory."""
    dataset = trajectory.manifest["dataset"]
    run_id = store.begin(client, trajectory.config, dataset, told.scale, told.started)
    store.log_samples(client, run_id, told.samples)
    store.complete(client, run_id, trajectory, told.ended)
    return run_id
