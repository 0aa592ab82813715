"""The MLflow store: where it is, and the few things done to it, each safe to do again."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from tenacity import Retrying, stop_after_delay, wait_random_exponential

from wiring.config import SearchConfig
from wiring.config.model import Name
from wiring.errors import InputError
from wiring.tracking import view
from wiring.trajectory import Trajectory

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 1000
"""Metrics a request: the most that MLflow takes."""
PATIENCE, BEFOREHAND = 30.0, 5.0
"""Seconds for which `replay` tries again; and `init`, for which all jobs wait."""
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""MLflow 3 else opens an experiment in its layout for GenAI: traces, judges, an assistant."""

log = logging.getLogger("wiring.tracking")

# MLflow reads its settings from the environment. What a user has set stands.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # We retry ourselves and say in one line what failed: no tracebacks, no retries of retries.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)


class TrackingError(RuntimeError):
    """The tracking store cannot be used: one sentence says why."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"tracking: {uri()} cannot be used ({reason(error)})")


def uri() -> str:
    """Where runs go: `MLFLOW_TRACKING_URI`, or an SQLite file in the working directory."""
    # Absolute: MLflow keeps one store per URI, wherever the process has gone since.
    default = f"sqlite:///{Path('mlflow.db').absolute().as_posix()}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def connect() -> MlflowClient:
    """A client of the store."""
    from mlflow import MlflowClient  # seconds to import: whoever does not track does without

    return MlflowClient(uri())


def reason(error: BaseException) -> str:
    """The first line of an error, for a one-line message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def persistently(seconds: float | None = None) -> Retrying:
    """Try again for so many seconds (:data:`PATIENCE`), then raise what went wrong last."""
    patience = PATIENCE if seconds is None else seconds
    return Retrying(
        stop=stop_after_delay(patience), wait=wait_random_exponential(0.2, max=4), reraise=True
    )


def init(experiments: Iterable[str], scale: str) -> None:
    """Create the store, its experiments and their parent runs; what is there stays.

    To be done once before searches run side by side: they would all create the same database. A
    store that cannot be reached is not an error, for searches run without one too.

    Args:
        experiments: ids of the scale's experiments.
        scale: the scale's name; `E1` becomes MLflow's experiment `embedded/E1`.

    Raises:
        InputError: one of them is not a name.
    """
    for name in experiments:
        title(scale, name)
    with _optional("searches run untracked; once it can, `wiring track replay TRAJECTORY_DIR...`"):
        for name in experiments:
            persistently(BEFOREHAND)(lambda name=name: ensure(connect(), scale, name))


def show(folders: Mapping[Path, str], scale: str) -> None:
    """Add drawn figures to the parent runs of their experiments, replacing those of the same name.

    Args:
        folders: each experiment's folder of figures, with its id; absent ones are passed over.
        scale: the scale's name.
    """
    with _optional("figures are in the results folder only; once it can, `wiring track figures`"):
        client = connect()
        for folder, name in folders.items():
            if folder.is_dir():
                _, run_id = ensure(client, scale, name)
                client.log_artifacts(run_id, str(folder), "figures")


@contextmanager
def _optional(otherwise: str) -> Iterator[None]:
    """Turn a store that cannot be used into a warning: nothing depends on it."""
    try:
        yield
    except Exception as error:  # whatever the store or its driver raises
        log.warning(
            "tracking: %s cannot be used (%s): %s logs them", uri(), reason(error), otherwise
        )


def title(scale: str, name: str) -> str:
    """What MLflow calls an experiment, and where below `mlartifacts/` its artifacts lie.

    Raises:
        InputError: a part is not a name, and could lead out of that folder.
    """
    for part in (scale, name):
        try:
            TypeAdapter(Name).validate_python(part)
        except ValidationError:
            raise InputError(
                f"{part!r} cannot name a scale or an experiment, expected letters, digits, _ . -"
            ) from None
    return f"{scale}/{name}"


def ensure(client: MlflowClient, scale: str, name: str) -> tuple[str, str]:
    """Find or create an experiment and its parent run.

    Returns:
        Ids of the MLflow experiment and of the parent run.

    Raises:
        InputError: `scale` or `name` is not a name.
    """
    from mlflow.exceptions import MlflowException

    called = title(scale, name)
    found = client.get_experiment_by_name(called)
    if found is None:
        # Beside the database; a server has a place of its own.
        local = uri().startswith("sqlite:")
        place = Path("mlartifacts", called).absolute().as_uri() if local else None
        try:
            client.create_experiment(called, artifact_location=place, tags=KIND)
        except MlflowException:  # another process was faster, or the next line fails
            if client.get_experiment_by_name(called) is None:
                raise
        found = client.get_experiment_by_name(called)
        assert found is not None
    experiment: str = found.experiment_id
    parents = client.search_runs(
        [experiment], "tags.kind = 'experiment'", order_by=["attributes.start_time ASC"]
    )
    if parents:
        return experiment, parents[0].info.run_id
    tags = {"kind": "experiment", "scale": scale, "experiment": name}
    parent = client.create_run(experiment, tags=tags, run_name=name).info.run_id
    client.set_terminated(parent)
    return experiment, parent


def begin(
    client: MlflowClient,
    config: SearchConfig,
    dataset: Mapping[str, Any],
    scale: str,
    started: int | None = None,
) -> str:
    """Create a search's run, in place of incomplete ones of the same search.

    Args:
        client: of the store.
        config: the search.
        dataset: the dataset's manifest.
        scale: name of the scale.
        started: milliseconds since 1970; now when absent.

    Returns:
        The run's id.
    """
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import Dataset, DatasetInput, InputTag, Param

    experiment, parent = ensure(client, scale, config.experiment)
    for run in _runs(client, experiment, config):
        if not _complete(run):
            client.delete_run(run.info.run_id)
    tags = {**view.tags(config, scale), "mlflow.parentRunId": parent}
    run_id: str = client.create_run(
        experiment, start_time=started, tags=tags, run_name=config.id
    ).info.run_id
    client.log_batch(run_id, params=[Param(*pair) for pair in view.params(config).items()])
    meta = MetaDataset(  # type: ignore[abstract]  # only by its annotations
        CodeDatasetSource({"mlflow.source.name": "wiring data"}),
        name=config.dataset,
        digest=view.dataset_digest(dataset),
    )
    entity = Dataset(**meta.to_dict(), profile=json.dumps(dataset, sort_keys=True))
    context = InputTag("mlflow.data.context", "search")
    client.log_inputs(run_id, [DatasetInput(entity, [context])])
    return run_id


def log_samples(client: MlflowClient, run_id: str, samples: Iterable[view.Sample]) -> None:
    """Log metrics, :data:`BATCH` a request."""
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, sample.timestamp, sample.step)
        for sample in samples
        for name, value in sample.metrics.items()
    ]
    for start in range(0, len(metrics), BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + BATCH])


def attach(client: MlflowClient, run_id: str, figures: Iterable[Path]) -> None:
    """Add figures to a run; ones of the same name are replaced."""
    for figure in figures:
        client.log_artifact(run_id, str(figure), "figures")


def complete(
    client: MlflowClient,
    run_id: str,
    trajectory: Trajectory,
    ended: int | None = None,
) -> None:
    """Give a run its artifacts, mark it complete, and remove what it replaces.

    Args:
        client: of the store.
        run_id: a run that holds all metrics of the trajectory.
        trajectory: the search's trajectory.
        ended: milliseconds since 1970; now when absent.
    """
    if genotype := view.genotype(trajectory):
        client.log_text(run_id, genotype, "genotype.json")
    for name in ("manifest.json", *trajectory.manifest["files"]):
        client.log_artifact(run_id, str(trajectory.path / name), "trajectory")
    if commit := trajectory.manifest.get("git_commit"):
        client.set_tag(run_id, "mlflow.source.git.commit", commit)
    if recorded := trajectory.manifest.get("mlflow_run_id"):
        # Of a replayed run: the id under which the report knows it.
        client.set_tag(run_id, "recorded_run_id", recorded)
    client.set_tag(run_id, "trajectory_sha256", _digest(trajectory))
    client.set_terminated(run_id, end_time=ended)
    experiment = client.get_run(run_id).info.experiment_id
    for run in _runs(client, experiment, trajectory.config):
        same = run.data.tags.get("trajectory_sha256") == _digest(trajectory)
        if run.info.run_id != run_id and (same or not _complete(run)):
            client.delete_run(run.info.run_id)


def find(client: MlflowClient, trajectory: Trajectory, scale: str) -> str | None:
    """The complete run of a trajectory, if there is one."""
    experiment, _ = ensure(client, scale, trajectory.config.experiment)
    for run in _runs(client, experiment, trajectory.config):
        if _complete(run) and run.data.tags["trajectory_sha256"] == _digest(trajectory):
            return str(run.info.run_id)
    return None


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _digest(trajectory: Trajectory) -> str:
    return str(trajectory.manifest["files"]["windows.parquet"])


def _complete(run: Run) -> bool:
    return run.info.status == "FINISHED" and "trajectory_sha256" in run.data.tags


def _runs(client: MlflowClient, experiment: str, config: SearchConfig) -> list[Run]:
    """All runs of a search, deleted ones aside."""
    which = f"tags.search = '{config.id}' and tags.config_sha256 = '{config.digest}'"
    return list(client.search_runs([experiment], which))
