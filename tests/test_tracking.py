"""MLflow shows what the trajectory holds, live and replayed alike, and never holds a search up."""

from __future__ import annotations

import base64
import json
import logging
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests import synthetic
from tests.forks import FORKS
from tests.looks import Look
from tests.ports import silent_port
from tools.browser import CHROMIUM
from wiring.config import OPS, SearchConfig, SpaceConfig
from wiring.dynamics import Dynamics
from wiring.dynamics.metrics import HEADLINES
from wiring.errors import InputError
from wiring.tracking import (
    Tracker,
    TrackingError,
    init,
    replay,
    show,
    store,
    tracker,
    view,
    write_links,
)
from wiring.trajectory import EPOCH_FIELDS, WINDOW_FIELDS, Shape, Trajectory, TrajectoryWriter

SHAPE = Shape(2, SpaceConfig().edges, OPS)
DATASET = {"name": "digits", "files": {"train.parquet": "0" * 64}}
WINDOWS = 4


def config_for(seed: int = 0, level: str = "bi") -> SearchConfig:
    return SearchConfig(
        experiment="E1",
        dataset="digits",
        method="dsnas",
        level=level,
        seed=seed,
        space=SpaceConfig(cells=2),
    )


def rows(seed: int = 0, windows: int = WINDOWS) -> Iterator[tuple[str, dict[str, Any]]]:
    """A search's rows in the order in which it makes them, NaN and -inf among them."""
    rng = np.random.default_rng(seed)

    def fields(spec: dict[str, tuple[str, str]]) -> dict[str, Any]:
        return {
            name: rng.normal(size=SHAPE.lengths(axes)) if axes else float(rng.normal())
            for name, (axes, _) in spec.items()
        }

    for window in range(windows):
        for split in ("train", "validation"):
            keys = {"step": 5 * window + 5, "epoch": window, "split": split, "steps": 5}
            row = {**keys, "samples": 480, **fields(WINDOW_FIELDS)}
            row["cost_mean"][:, 0, 1] = np.nan
            row["credit_square"] **= 2
            row["loss_wrong"] = math.nan if window == 1 else row["loss_wrong"]
            yield "windows", row
        for split in ("train", "validation", "test"):
            keys = {
                "epoch": window,
                "split": split,
                "samples": 96,
                "lr": 0.1 / (1 + window),
                "curvature": 0.5,
            }
            yield "epochs", {**keys, "genotype": '{"0-2": "none"}', **fields(EPOCH_FIELDS)}


def write(
    path: Path,
    config: SearchConfig,
    windows: int = WINDOWS,
    odd: Callable[[str, dict[str, Any]], dict[str, Any]] = lambda _, row: row,
) -> Path:
    writer = TrajectoryWriter(path, SHAPE)
    for table, row in rows(config.seed, windows):
        writer.add(table, odd(table, row))
    writer.close(
        {
            "search": config.id,
            "scale": "test",
            "config": config.model_dump(mode="json"),
            "config_sha256": config.digest,
            "dataset": DATASET,
            "git_commit": "c0ffee",
            "started": "2021-04-13T12:00:00+00:00",
            "seconds": 60.0,
        }
    )
    return path


def follow(follower: Tracker, seed: int = 0, windows: int = WINDOWS, skip: int = 0) -> None:
    """Log the rows as a search does, without the first `skip` windows."""
    for table, row in rows(seed, windows):
        if row["epoch"] < skip:
            continue
        if table == "windows":
            follower.log_window(row, SHAPE)
        else:
            follower.log_epoch({**row, "step": 5 * row["epoch"] + 5})


def expected(seed: int = 0, windows: int = WINDOWS) -> set[tuple[str, int, float]]:
    """Metric rows by the definition of the metrics, written down once more without `view`."""
    found: set[tuple[str, int, float]] = set()
    for table, row in rows(seed, windows):
        step = 5 * row["epoch"] + 5
        values: dict[str, float] = {}
        if table == "windows" or row["split"] == "test":
            for name in view.SCALARS:
                values[f"{row['split']}/{name}"] = row[name]
            values[f"{row['split']}/loss_minus_entropy"] = row["loss"] - row["entropy"]
        elif row["split"] == "train":
            values["train/lr"] = row["lr"]
        if table == "windows" and row["split"] == "validation":
            inner = np.array([edge.kind == "intermediate" for edge in SHAPE.edges])
            probability = row["probability"].astype(np.float32).astype(float)
            values["edges_kept"] = float((probability.argmax(axis=1) != 0).sum())
            values["none_input"] = float(probability[~inner, 0].mean())
            values["none_intermediate"] = float(probability[inner, 0].mean())
            values["loss_minus_entropy"] = row["loss"] - row["entropy"]
            values["displacement"] = row["displacement"]
            for name in ("direct", "inner", "total"):
                values[f"residual/{name}"] = row[f"residual_{name}"]
            values["residual/skip_weight"] = row["skip_weight"]
            for e, edge in enumerate(SHAPE.edges):
                parts = [
                    row[k][cell, e] for cell in range(2) for k in ("credit_direct", "credit_path")
                ]
                # Summed in the order of the definition: per cell, then over cells.
                a, b, c, d = (float(np.float32(part)) for part in parts)
                values[f"credit/{edge}"] = (a + b) + (c + d)
                for o, op in enumerate(OPS):
                    values[f"P/{edge}/{op}"] = float(np.float32(row["probability"][e, o]))
                    one, two = (
                        float(np.float32(row["cost_mean"][cell, e, o])) for cell in range(2)
                    )
                    values[f"cost/{edge}/{op}"] = (one + two) / 2
        found |= {(name, step, value) for name, value in values.items() if math.isfinite(value)}
    return found


def finals(path: Path) -> set[tuple[str, int, float]]:
    """The searches table's headline numbers, told after the last step."""
    trajectory = Trajectory.read(path)
    (row,) = Dynamics.of([trajectory]).searches.to_dict("records")
    step = max(trajectory.column("step").tolist())
    return {(name, step, row[name]) for name in HEADLINES if math.isfinite(row[name])}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Path:
    shutil.copy2(empty_store, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def active_runs() -> dict[str, Any]:
    """The searches' runs by id."""
    client = store.connect()
    found = client.search_runs(
        [experiment.experiment_id for experiment in client.search_experiments()],
        "tags.kind = 'search'",
    )
    return {run.info.run_id: run for run in found}


def metric_rows(run_id: str) -> list[tuple[str, int, float]]:
    with sqlite3.connect("mlflow.db") as database:
        query = "select key, step, value from metrics where run_uuid = ?"
        return database.execute(query, (run_id,)).fetchall()


def shown(run_id: str) -> dict[str, Any]:
    """All that MLflow holds of a run, but for when it was logged."""
    client = store.connect()
    run = client.get_run(run_id)
    return {
        "metrics": sorted(metric_rows(run_id)),
        "params": run.data.params,
        "tags": {k: v for k, v in run.data.tags.items() if k != "mlflow.artifacts"},
        "status": run.info.status,
        "inputs": [i.dataset.to_dictionary() for i in run.inputs.dataset_inputs],
        "artifacts": sorted(
            file.path for at in (None, "trajectory") for file in client.list_artifacts(run_id, at)
        ),
    }


def test_live_and_replayed_runs_are_the_same_and_complete(project: Path) -> None:
    config, path = config_for(), write(project / "t", config_for())
    init(["E1", "E2"], "test")
    follower = Tracker(config, DATASET, "test")
    follower.start()
    follow(follower)
    follower.finish(path)
    (live,) = active_runs()
    shown_live = shown(live)
    assert replay(path) == live  # nothing to do
    store.connect().delete_run(live)
    replayed = replay(path)
    assert replayed != live
    assert shown(replayed) == shown_live
    assert {*shown_live["metrics"]} == expected() | finals(path)
    assert len(shown_live["metrics"]) == len(expected() | finals(path))
    assert shown_live["status"] == "FINISHED"
    assert shown_live["params"]["space.cells"] == "2"
    tags = shown_live["tags"]
    assert {
        **{"method": "dsnas", "level": "bi", "cell": "2x2", "dataset": "digits", "seed": "0"},
        **{"scale": "test", "experiment": "E1", "search": config.id},
        "mlflow.runName": "dsnas s0, bi-level digits",
        **{"config_sha256": config.digest, "mlflow.source.git.commit": "c0ffee"},
        "trajectory_sha256": Trajectory.read(path).manifest["files"]["windows.parquet"],
    }.items() <= tags.items()
    assert shown_live["inputs"][0]["name"] == "digits"
    assert shown_live["artifacts"] == [
        "explorer.html",
        "genotype.json",
        "trajectory",
        "trajectory/epochs.parquet",
        "trajectory/manifest.json",
        "trajectory/samples.parquet",
        "trajectory/windows.parquet",
    ]
    # No run hides another: an experiment opens with its searches as rows.
    assert "mlflow.parentRunId" not in tags
    ids = [experiment.experiment_id for experiment in store.connect().search_experiments()]
    assert [run.info.run_id for run in store.connect().search_runs(ids)] == [replayed]
    page = store.connect().download_artifacts(replayed, "explorer.html", str(project))
    assert config.id in Path(page).read_text()
    Path(page).unlink()
    assert sorted(p.name for p in project.iterdir()) == ["mlartifacts", "mlflow.db", "t"]


def test_probabilities_are_those_of_the_split_alpha_learns_from() -> None:
    (_, train), (_, search) = list(rows())[:2]
    for level, learns, other in (("bi", search, train), ("single", train, search)):
        metrics = view.window_metrics(learns, SHAPE, level)
        assert metrics["P/2-3/none"] == np.float32(learns["probability"][4, 0])
        assert not {name.split("/")[0] for name in view.window_metrics(other, SHAPE, level)} & {
            "P",
            "cost",
            "credit",
            "residual",
        }


def test_credits_of_the_edges_add_up_to_the_credit_of_all() -> None:
    (_, _), (_, row) = list(rows())[:2]
    metrics = view.window_metrics(row, SHAPE, "bi")
    total = sum(value for name, value in metrics.items() if name.startswith("credit/"))
    assert total == pytest.approx((row["credit_direct"] + row["credit_path"]).sum(), rel=1e-5)


def test_init_again_changes_nothing(project: Path) -> None:
    def state() -> list[Any]:
        client = store.connect()
        return [
            (
                e.name,
                e.artifact_location,
                [r.info.run_id for r in client.search_runs([e.experiment_id])],
            )
            for e in client.search_experiments()
        ]

    init(["E1"], "test")
    first = state()
    init(["E1"], "test")
    assert state() == first
    init(["E1", "E2"], "test")
    assert {name for name, *_ in state()} == {"Default", "test/E1", "test/E2"}
    for experiment in store.connect().search_experiments():
        if experiment.name != "Default":
            # MLflow's UI opens it as model training, not in its layout for GenAI.
            assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    places = {place for name, place, _ in state() if name != "Default"}
    assert places == {(project / "mlartifacts" / "test" / e).as_uri() for e in ("E1", "E2")}


def test_replay_replaces_incomplete_runs_and_adds_no_second_one(project: Path) -> None:
    config, path = config_for(), write(project / "t", config_for())
    killed = store.begin(store.connect(), config, DATASET, "test")
    store.log_samples(store.connect(), killed, [view.Sample(5, 1, {"train/loss": 1.0})])
    failed = Tracker(config_for(seed=1), DATASET, "test")
    failed.start()
    failed.fail("out of memory")
    assert {run.info.status for run in active_runs().values()} == {"RUNNING", "FAILED"}
    once = replay(path)
    assert killed not in active_runs()
    assert replay(path) == once
    assert len(metric_rows(once)) == len(expected() | finals(path))
    assert len(active_runs()) == 2  # this one, and another search's
    (project / "figure.svg").write_text("<svg/>")
    assert replay(path, [project / "figure.svg"]) == once
    assert [f.path for f in store.connect().list_artifacts(once, "figures")] == [
        "figures/figure.svg"
    ]


def test_a_resumed_search_shows_every_row_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "FLUSH", 0.2)  # the killed one ends after its next look
    config, path = config_for(), write(project / "t", config_for())
    killed = Tracker(config, DATASET, "test")
    killed.start()
    follow(killed, windows=3)
    while not active_runs():
        time.sleep(0.05)
    killed._give_up("killed")  # as good as dead
    killed._thread.join()
    resumed = Tracker(config, DATASET, "test")
    resumed.start()
    follow(resumed, skip=2)
    resumed.finish(path)
    (run_id,) = active_runs()
    assert sorted(metric_rows(run_id)) == sorted(expected() | finals(path))


def test_a_search_done_again_has_one_run(project: Path) -> None:
    path = write(project / "t", config_for())
    for _ in range(2):
        again = Tracker(config_for(), DATASET, "test")
        again.start()
        follow(again)
        again.finish(path)
    assert len(active_runs()) == 1


def track_one(folder: str, seed: int) -> None:
    os.chdir(folder)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    logging.basicConfig(filename=f"log-{seed}", level=logging.WARNING)
    config = config_for(seed)
    follower = Tracker(config, DATASET, "test")
    follower.start()
    follow(follower, seed, windows=12)
    follower.finish(write(Path(f"t{seed}"), config, windows=12))


def test_four_searches_side_by_side_lose_nothing(project: Path) -> None:
    init(["E1"], "test")
    searches = [FORKS.Process(target=track_one, args=(str(project), seed)) for seed in range(4)]
    for search in searches:
        search.start()
    for search in searches:
        search.join()
    assert [search.exitcode for search in searches] == [0] * 4
    assert [(project / f"log-{seed}").read_text() for seed in range(4)] == [""] * 4
    runs = active_runs()
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert len(runs) == 4
    for run_id, run in runs.items():
        seed = int(run.data.tags["seed"])
        every = expected(seed, 12) | finals(project / f"t{seed}")
        assert sorted(metric_rows(run_id)) == sorted(every)


@contextmanager
def answering(status: int, delay: float = 0.0, body: bytes = b"{}") -> Iterator[str]:
    """A server on loopback that gives every request the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            time.sleep(delay)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextmanager
def closed() -> Iterator[str]:
    """An address at which nobody listens."""
    with silent_port() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", ["closed", "500", "hangs"])
def test_a_broken_server_costs_one_warning_and_little_time(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    store.connect()  # the import of MLflow is not what is timed
    config, path = config_for(), write(project / "t", config_for())
    monkeypatch.setattr(tracker, "GRACE", 0.5)
    monkeypatch.setattr(tracker, "DRAIN", 2.0)
    server = {"closed": closed(), "500": answering(500), "hangs": answering(200, delay=8)}[kind]
    with server as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        follower = Tracker(config, DATASET, "test")
        begun = time.monotonic()
        follower.start()
        follow(follower)
        logged = time.monotonic()
        follower.finish(path)
        done = time.monotonic()
    assert logged - begun < 1
    assert done - logged < 6
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "`wiring track replay" in warning.getMessage()
    assert "\n" not in warning.getMessage()
    assert config.id in warning.getMessage()
    output = capfd.readouterr()
    assert not output.out
    assert not output.err
    # Nothing is lost.
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sorted(metric_rows(replay(path))) == sorted(expected() | finals(path))


def test_a_broken_installation_of_mlflow_costs_one_warning(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    follower = Tracker(config_for(), DATASET, "test")
    follower.start()
    follow(follower)
    follower.finish(project / "t")
    (warning,) = caplog.records
    assert "`wiring track replay" in warning.getMessage()


def test_a_full_queue_is_given_up_not_waited_for(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracker, "BACKLOG", 3)
    with answering(200, delay=2) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        follower = Tracker(config_for(), DATASET, "test")
        follower.start()
        begun = time.monotonic()
        follow(follower)
        follower.finish(project / "t")
        assert time.monotonic() - begun < 1
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "3 rows wait to be sent" in warning.getMessage()


def test_a_store_that_fails_for_a_while_gets_every_row_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from mlflow import MlflowClient

    path, calls, log_batch = write(project / "t", config_for()), 0, MlflowClient.log_batch

    def unsteady(self: MlflowClient, *args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        log_batch(self, *args, **kwargs)
        if calls % 2:  # the rows arrived, the answer did not
            raise ConnectionError("lost")

    monkeypatch.setattr(MlflowClient, "log_batch", unsteady)
    follower = Tracker(config_for(), DATASET, "test")
    follower.start()
    follow(follower)
    follower.finish(path)
    (run_id,) = active_runs()
    assert calls >= 4
    assert sorted(metric_rows(run_id)) == sorted(expected() | finals(path))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_init_and_replay_say_in_one_line_what_failed(
    project: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.5)
    monkeypatch.setattr(store, "BEFOREHAND", 0.5)
    path = write(project / "t", config_for())
    with closed() as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        begun = monotonic()
        init([f"E{number}" for number in range(20)], "test")
        assert monotonic() - begun < 10, "each name waits for a server that is down"
        with pytest.raises(TrackingError, match=f"{address} cannot be used") as caught:
            replay(path)
    assert "\n" not in str(caught.value)
    (warning,) = caplog.records
    assert "`wiring track replay" in warning.getMessage()


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


PARQUET = ("windows.parquet", "epochs.parquet", "samples.parquet")
UP = ("..", "../..", "../../x", "/tmp/x", "a/b", "a\\b", ".", "", "x\n", "'", "x' or 'a' = 'a", 5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        *(({"scale": up}, "scale") for up in UP),
        ({"scale": ...}, "scale: Field required"),
        ({"files": {}}, "files"),
        ({"files": dict.fromkeys([*PARQUET, "../secret"], "0" * 64)}, "files"),
        ({"files": dict.fromkeys([*PARQUET, "/etc/passwd"], "0" * 64)}, "files"),
        ({"files": ["windows.parquet"]}, "files"),
        ({"started": "yesterday"}, "started: Invalid isoformat"),
        ({"started": "2021-04-13"}, "started: expected a time with its offset from UTC"),
        ({"started": 5}, "started: Input should be a valid string"),
        ({"seconds": 1e10}, "seconds: .* less than or equal to"),
        ({"seconds": math.inf}, "seconds: .* finite number, got inf"),
        ({"seconds": math.nan}, "seconds: "),
        ({"seconds": "9" * 400}, "seconds: "),
        ({"dataset": {}}, "dataset.files: Field required"),
        ({"dataset": {"files": {"train.parquet": 1}}}, r"dataset.files.train\.parquet: "),
        ({"search": "../../x"}, "search is"),
        ({"config": {**config_for().model_dump(mode="json"), "dataset": "'"}}, "config.dataset"),
    ],
)
def test_a_foreign_manifest_is_refused_before_the_store_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], says: str
) -> None:
    project = tmp_path / "a" / "b" / "project"
    project.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    monkeypatch.chdir(project)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = write(project / "t", config_for())
    source = path / "manifest.json"
    whole = json.loads(source.read_text())
    whole |= changes
    source.write_text(json.dumps({name: value for name, value in whole.items() if value != ...}))
    before = files(tmp_path)
    with pytest.raises(ValueError, match=rf"manifest\.json: {says}") as caught:
        replay(path)
    assert "\n" not in str(caught.value)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("epoch", r"epochs\.parquet: an epoch stands twice for train, expected once"),
        ("step", r"windows\.parquet: windows stand out of order, expected growing steps"),
        ("genotype", r"epochs\.parquet: genotype is '\{', expected JSON, edge to op"),
    ],
)
def test_tables_that_do_not_fit_are_refused_before_the_store_is_touched(
    project: Path, change: str, says: str
) -> None:
    def odd(table: str, row: dict[str, Any]) -> dict[str, Any]:
        change_of = {"epoch": ("epochs", 99), "step": ("windows", 0), "genotype": ("epochs", "{")}
        where, value = change_of[change]
        return {**row, change: value} if table == where else row

    (project / "mlflow.db").unlink()  # a store would be made
    path = write(project / "t", config_for(), odd=odd)
    with pytest.raises(InputError, match=says) as caught:
        replay(path)
    assert "\n" not in str(caught.value)
    assert {path.parent for path in files(project)} == {path}


def test_what_names_a_folder_of_artifacts_is_a_name(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.0)
    for up in [each for each in UP if isinstance(each, str)]:
        for scale, name in ((up, "E1"), ("test", up)):
            with pytest.raises(ValueError, match="cannot name a scale or an experiment"):
                init([name], scale)
            with pytest.raises(ValueError, match="cannot name a scale or an experiment"):
                store.ensure(store.connect(), scale, name)
        with pytest.raises(ValueError, match="cannot name a scale or an experiment"):
            Tracker(config_for(), DATASET, up)
    assert not (project / "mlartifacts").exists()


@settings(max_examples=50, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text(max_size=8) | st.sampled_from(["a' or '1' = '1", "digits\n", "%"])
            for name in ("experiment", "dataset", "variant", "method", "level", "seed")
        },
    )
)
def test_no_value_of_a_config_can_change_the_filter_of_runs(changes: dict[str, str]) -> None:
    class Client:
        """Keeps the filter that it is asked for."""

        def search_runs(self, _: list[str], which: str) -> list[Any]:
            self.which = which
            return []

    raw = {**config_for().model_dump(mode="json"), **changes}
    try:
        config = SearchConfig.model_validate_json(json.dumps(raw))
    except ValidationError:
        return
    client: Any = Client()
    store._runs(client, "1", config)
    tag = "tags\\.{} = '[A-Za-z0-9_.-]+'"
    which = f"{tag.format('search')} and {tag.format('config_sha256')}"
    assert re.fullmatch(which, client.which)


def test_links_lead_to_the_runs_of_the_store_at_hand(project: Path) -> None:
    path = write(project / "t", config_for())
    results = project / "test"
    results.mkdir()
    for _ in range(2):  # the second store gives the run another id
        run_id = replay(path)
        write_links(results)
        text = (results / "runs.html").read_text()
        (href,) = re.findall(rf'<li id="{config_for().id}"><a href="([^"]+)"', text)
        experiment = store.connect().get_run(run_id).info.experiment_id
        place = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/{run_id}"
        assert href == f"{place}?workflowType=machine_learning"
        store.connect().delete_run(run_id)
    write_links(results)
    assert "0 searches" in (results / "runs.html").read_text()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_cuts_nothing_of_the_links(project: Path, looked_at: Look, width: int) -> None:
    replay(write(project / "t", config_for()))
    results = project / "test"
    results.mkdir()
    write_links(results)
    texts, wrong = looked_at(results / "runs.html", width)
    assert texts >= 5  # two headings, what it is in pieces, a link
    assert wrong == []


def test_figures_are_shown_with_the_searches_of_their_condition(project: Path) -> None:
    runs = {seed: replay(write(project / f"t{seed}", config_for(seed))) for seed in range(2)}
    drawn = project / "figures"
    own = drawn / str(config_for().condition)
    own.mkdir(parents=True)
    (drawn / "another_condition").mkdir()
    for place in (own / "cost.svg", drawn / "shared.svg", drawn / "another_condition/cost.svg"):
        place.write_text(f"<svg>{place.name}</svg>")
    show({drawn: "E1", project / "absent": "E2"}, "test")
    for run_id in runs.values():
        found = [file.path for file in store.connect().list_artifacts(run_id, "figures")]
        assert found == ["figures/cost.svg", "figures/shared.svg"]


def test_an_experiment_says_what_its_numbers_are_and_brings_its_columns(project: Path) -> None:
    replay(write(project / "t", config_for()))
    experiment = store.connect().get_experiment_by_name("test/E1")
    assert experiment is not None
    note = experiment.tags["mlflow.note.content"]
    run = next(iter(active_runs().values()))
    for name in run.data.metrics:
        folder = name.split("/")[0]
        assert f"`{name}`" in note or f"`{folder}/" in note or f" {folder}/" in note, name
    mark, _, deflated = experiment.tags["mlflow.sharedViewState.wiring"].partition(";")
    assert mark == "deflate"
    state = json.loads(zlib.decompress(base64.b64decode(deflated)))
    columns = state["selectedColumns"]
    for column in columns[1:]:
        kind, name = column.split(".")
        name = name.strip("`")
        assert name in getattr(run.data, kind) or name in {"variant", "growth", "width_gap"}
    assert "explorer.html" in run.data.tags["mlflow.note.content"]


@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_ops_of_an_edge_share_a_chart_and_no_op_has_one_alone(tmp_path: Path, nodes: int) -> None:
    one = synthetic.config(space={"cells": 1, "nodes": nodes, "channels": 4})
    path = synthetic.write_search(tmp_path, one)
    trajectory = Trajectory.read(path)
    counts = trajectory.windows.num_rows, trajectory.epochs.num_rows
    names = {name for sample in view.samples(trajectory, *counts) for name in sample.metrics}
    state = view.page_state()
    charts = [each for each in state["compareRunCharts"] if not each.get("deleted")]
    drawn = [each.get("selectedMetricKeys", [each["metricKey"]]) for each in charts]
    for folder in ("P", "cost"):
        for edge in trajectory.shape.edges:
            own = {name for name in names if name.startswith(f"{folder}/{edge}/")}
            assert len(own) == len(trajectory.shape.ops)
            assert [set(each) & names for each in drawn if own & set(each)] == [own]
    # What no chart is made of yet, MLflow gives one of its own: those of an op alone not.
    known = {each["metricKey"] for each in state["compareRunCharts"]}
    assert not [name for name in names - known if name.startswith(("P/", "cost/"))]
    sections = [each["uuid"] for each in state["compareRunSections"]]
    assert {each["metricSectionId"] for each in charts} <= set(sections)
    assert len({each["uuid"] for each in state["compareRunCharts"]}) == len(
        state["compareRunCharts"]
    )
    assert [each["uuid"] for each in state["compareRunSections"] if each["display"]] == sections[:2]


def test_a_deleted_experiment_is_told_with_its_remedy(project: Path) -> None:
    path = write(project / "t", config_for())
    init(["E1"], "test")
    experiment = store.connect().get_experiment_by_name("test/E1")
    assert experiment is not None
    store.connect().delete_experiment(experiment.experiment_id)
    begun = monotonic()
    with pytest.raises(TrackingError, match="deleted: `mlflow experiments restore -x") as caught:
        replay(path)
    assert monotonic() - begun < 3, "no waiting mends it"
    assert "\n" not in str(caught.value)
    store.connect().restore_experiment(experiment.experiment_id)
    assert replay(path)


def test_a_run_deleted_while_it_is_followed_is_told_with_its_remedy(project: Path) -> None:
    init(["E1"], "test")
    trajectory = Trajectory.read(write(project / "t", config_for()))
    client = store.connect()
    run = store.begin(client, trajectory.config, trajectory.manifest["dataset"], "test")
    client.delete_run(run)
    sample = next(iter(view.samples(trajectory, 1, 0)))
    with pytest.raises(Exception, match="deleted") as caught:
        store.log_samples(client, run, [sample])
    assert not store.worth_another_try(caught.value), "no waiting mends it"
    assert "`wiring track replay` makes another" in store.reason(caught.value)
    assert replay(trajectory.path) != run


def test_a_store_of_another_version_is_told_with_its_remedy(project: Path) -> None:
    path = write(project / "t", config_for())
    init(["E1"], "test")
    with sqlite3.connect("mlflow.db") as database:
        database.execute("update alembic_version set version_num = '451aebb31d03'")
    code = (
        f"from pathlib import Path; from wiring.tracking import replay\nreplay(Path({str(path)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "it is of another version of MLflow" in done.stderr.splitlines()[-1]
    assert "`mlflow db upgrade" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "address", ["postgresql://me:s3cr3t%21@127.0.0.1:1/db", "http://me:s3cr3t%21@127.0.0.1:1"]
)
def test_no_message_holds_a_password(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    address: str,
) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.5)
    monkeypatch.setattr(store, "BEFOREHAND", 0.5)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    init(["E1"], "test")
    with pytest.raises(TrackingError) as caught:
        replay(write(project / "t", config_for()))
    (project / "test").mkdir()
    write_links(project / "test")
    said = [str(caught.value), caplog.text, *capfd.readouterr()]
    said.append((project / "test/runs.html").read_text())
    assert "me:***@" in said[0]
    for text in said:
        assert "s3cr3t" not in text


def test_a_wrong_password_is_told_with_its_remedy(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(project / "t", config_for())
    # What MLflow's own server says.
    with answering(401, body=b"You are not authenticated.") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(TrackingError, match="set MLFLOW_TRACKING_USERNAME"):
            replay(path)
