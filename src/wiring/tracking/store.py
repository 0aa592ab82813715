"""The MLflow store: where it is, and the few things done to it, each safe to do again."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pydantic import TypeAdapter, ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from wiring.config import SearchConfig
from wiring.config.model import Name
from wiring.errors import InputError
from wiring.explorer import write as write_page
from wiring.tracking import view
from wiring.trajectory import Trajectory

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

BATCH = 1000
"""Metrics a request: the most that MLflow takes."""
PATIENCE, BEFOREHAND = 30.0, 5.0
"""Seconds for which `replay` tries again; and `init`, for which all jobs wait."""
VIEW = "wiring"
"""Key under which the UI finds the columns of searches: `?viewStateShareKey=wiring`."""
TRAINING = "workflowType=machine_learning"
"""What an address of the UI ends with: whatever an experiment says, MLflow's UI has a switch of its
own between training and GenAI, and in a new browser it stands on GenAI."""
KIND = {
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{VIEW}": view.shared_view(),
}
"""MLflow 3 else opens an experiment in its layout for GenAI: traces, judges, an assistant."""
REMEDIES = {
    "out-of-date database schema": "it is of another version of MLflow: after a copy of it, "
    "`mlflow db upgrade URI` brings an older one up to this, and a newer one needs that version",
    "can't locate revision": "it is of a newer version of MLflow: use that one, or another store",
    "current state is deleted": "its run was deleted: `mlflow runs restore --run-id RUN` brings it "
    "back, `wiring track replay` makes another",
    "error code 401": "name and password are not right: set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD",
    "password authentication failed": "name and password in MLFLOW_TRACKING_URI are not right",
    "access denied for user": "name and password in MLFLOW_TRACKING_URI are not right",
}
"""What an error that no trying again mends says, and what mends it."""

_SEARCHES = "tags.kind = 'search' and attributes.status = 'FINISHED'"

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
        super().__init__(f"tracking: {shown_uri()} cannot be used ({reason(error)})")


class DeletedError(RuntimeError):
    """An experiment of ours lies in the store's trash."""


def uri() -> str:
    """Where runs go: `MLFLOW_TRACKING_URI`, or an SQLite file in the working directory."""
    # Absolute: MLflow keeps one store per URI, wherever the process has gone since.
    default = f"sqlite:///{Path('mlflow.db').absolute().as_posix()}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def shown_uri() -> str:
    """Where runs go, without a password: what messages may say."""
    return _without_password(uri())


def connect() -> MlflowClient:
    """A client of the store."""
    from mlflow import MlflowClient  # seconds to import: whoever does not track does without

    return MlflowClient(uri())


def reason(error: BaseException) -> str:
    """An error in one line: what mends it, if that is known, or its own first line."""
    if found := _remedy(error):
        return found
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return _without_password(text)[:200]


def _remedy(error: BaseException) -> str | None:
    if isinstance(error, DeletedError):
        return str(error)
    text = str(error).lower()
    return next((remedy for mark, remedy in REMEDIES.items() if mark in text), None)


def _without_password(text: str) -> str:
    """A text in which no address holds a password, and the one of the store stands nowhere."""
    secret = urlsplit(uri()).password
    for each in {secret, unquote(secret)} if secret else ():
        text = text.replace(each, "***")
    return re.sub(r"(?<=://)([^/@\s:]*):[^/@\s]+@", r"\1:***@", text)


def persistently(seconds: float | None = None) -> Retrying:
    """Try again for so many seconds (:data:`PATIENCE`), then raise what went wrong last."""
    patience = PATIENCE if seconds is None else seconds
    return Retrying(
        retry=retry_if_exception(worth_another_try),
        stop=stop_after_delay(patience),
        wait=wait_random_exponential(0.2, max=4),
        reraise=True,
    )


def worth_another_try(error: BaseException) -> bool:
    """Whether time may mend an error of the store."""
    return isinstance(error, Exception) and _remedy(error) is None


def init(experiments: Iterable[str], scale: str) -> None:
    """Create the store and its experiments; what is there stays.

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
    with optional("searches run untracked; once it can, `wiring track replay TRAJECTORY_DIR...`"):
        for name in experiments:
            persistently(BEFOREHAND)(lambda name=name: ensure(connect(), scale, name))


def show(folders: Mapping[Path, str], scale: str) -> None:
    """Add drawn figures to the runs of their searches, replacing those of the same name.

    A search shows those of its condition and those over its experiment.

    Args:
        folders: each experiment's folder of figures, with its id; absent ones are passed over.
        scale: the scale's name.
    """
    with optional("figures are in the results folder only; once it can, `wiring track figures`"):
        client = connect()
        for folder, name in folders.items():
            if folder.is_dir():
                shared = [path for path in sorted(folder.iterdir()) if path.is_file()]
                for run in client.search_runs([ensure(client, scale, name)], _SEARCHES):
                    own = folder / run.data.tags["search"].rpartition("_s")[0]
                    drawn = sorted(own.iterdir()) if own.is_dir() else []
                    attach(client, run.info.run_id, [*drawn, *shared])


def runs_of(scale: str) -> dict[str, tuple[str, str]]:
    """The complete runs of a scale's searches: id of the search to ids of experiment and run."""
    client = connect()
    ours = client.search_experiments(filter_string=f"name LIKE '{scale}/%'")
    experiments = [each.experiment_id for each in ours]
    found = client.search_runs(experiments, _SEARCHES, max_results=50_000) if experiments else []
    return {run.data.tags["search"]: (run.info.experiment_id, run.info.run_id) for run in found}


@contextmanager
def optional(otherwise: str) -> Iterator[None]:
    """Turn a store that cannot be used into a warning: nothing depends on it."""
    try:
        yield
    except Exception as error:  # whatever the store or its driver raises
        log.warning(
            "tracking: %s cannot be used (%s): %s logs them", shown_uri(), reason(error), otherwise
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


def ensure(client: MlflowClient, scale: str, name: str) -> str:
    """Find or create an experiment.

    Returns:
        Its id in the store.

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
    if found.lifecycle_stage != "active":
        raise DeletedError(
            f"its experiment {called} was deleted: `mlflow experiments restore -x {experiment}` "
            "brings it back, `mlflow gc` removes it for good"
        )
    link = f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}&{TRAINING}"
    for key, value in {**KIND, "mlflow.note.content": view.experiment_note(link)}.items():
        if found.tags.get(key) != value:
            client.set_experiment_tag(experiment, key, value)
    return experiment


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

    experiment = ensure(client, scale, config.experiment)
    for run in _runs(client, experiment, config):
        if not _complete(run):
            client.delete_run(run.info.run_id)
    run_id: str = client.create_run(
        experiment,
        start_time=started,
        tags=view.tags(config, scale),
        run_name=view.run_name(config),
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
    with TemporaryDirectory() as folder:
        page = Path(folder, "explorer.html")
        write_page([trajectory.path], page)
        client.log_artifact(run_id, str(page))
    log_samples(client, run_id, [view.finals(trajectory)])
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
    experiment = ensure(client, scale, trajectory.config.experiment)
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
