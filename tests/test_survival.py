"""Searches that are killed, stopped, starved or cut off, in processes of their own."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from wiring.config import DatasetConfig, SearchConfig
from wiring.data import prepare
from wiring.trajectory import Trajectory

METHODS, LEVELS = ("darts", "dsnas", "proxylessnas", "snas"), ("single", "bi")
KILLED = -signal.SIGKILL
# A server that has imported everything forks a process in no time.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["wiring.search", "mlflow.tracking", "tests.test_survival"])

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    config = DatasetConfig(source="digits", test_fraction=0.2, train_samples=96, label_noise=0.2)
    prepare(config, folder / "digits", folder / "cache")
    return folder / "digits"


def config(method: str = "dsnas", level: str = "single", **changes: Any) -> SearchConfig:
    raw = {
        "experiment": "E1",
        "dataset": "digits",
        "method": method,
        "level": level,
        "seed": 3,
        "space": {"cells": 1, "nodes": 2, "channels": 3},
        "alpha": {"lr": 0.05},
        "train": {"epochs": 6, "batch_size": 16, "followed_samples": 2},
    }
    return SearchConfig.model_validate({**raw, **changes})


def search(text: str, data: Path, root: Path, fault: Callable[[], None] | None = None) -> None:
    """One search, a checkpoint after every epoch, in this process; its error goes to a file."""
    import torch

    from wiring.search import run, runner

    torch.set_num_threads(1)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root}/mlflow.db"
    os.chdir(root)
    runner.CHECKPOINT_EVERY = 0.0
    if fault is not None:
        fault()
    searched = SearchConfig.model_validate_json(text)
    try:
        run(searched, "test", data, root / "out", root / "checkpoints")
    except BaseException as error:
        (root / "error").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error


def start(config: SearchConfig, data: Path, root: Path, fault: Any = None) -> Any:
    root.mkdir(exist_ok=True)
    process = SERVER.Process(target=search, args=(config.canonical, data, root, fault))
    process.start()
    return process


def finish(config: SearchConfig, data: Path, root: Path) -> Trajectory:
    process = start(config, data, root)
    process.join(120)
    said = (root / "error").read_text() if (root / "error").exists() else ""
    assert process.exitcode == 0, said
    assert not (root / "checkpoints").exists()
    left = [path.name for path in root.iterdir() if path.name.startswith(".")]
    assert not [name for name in left if name.endswith(".old")], left
    return Trajectory.read(root / "out")


def files(trajectory: Trajectory) -> dict[str, str]:
    return dict(trajectory.manifest["files"])


@pytest.mark.parametrize(("method", "level"), [*product(METHODS, LEVELS)])
def test_killed_at_random_moments_it_ends_in_the_same_bytes(
    data: Path, tmp_path: Path, method: str, level: str
) -> None:
    """Three kills a combination: 24 in all, each of a search taken up from the one before."""
    c = config(method, level)
    began = time.monotonic()
    whole = finish(c, data, tmp_path / "whole")
    length = time.monotonic() - began
    moments = random.Random(f"{method} {level}")
    kills = 0
    while kills < 3:
        process = start(c, data, tmp_path / "killed")
        process.join(moments.uniform(0.05, 0.9) * length)
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode == KILLED:
            kills += 1
        else:  # it was done before: how fast it runs depends on what else does
            assert process.exitcode == 0
            length *= 0.8
    assert files(finish(c, data, tmp_path / "killed")) == files(whole)


class KillAtSync:
    """Kill this process at its n-th flush to disk: inside a write of a checkpoint or Parquet."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> None:
        from wiring import files

        sync, done = files._sync, [0]

        def counted(path: Path) -> None:
            done[0] += 1
            if done[0] == self.count:
                os.kill(os.getpid(), signal.SIGKILL)
            sync(path)

        files._sync = counted


def test_killed_inside_a_write_it_ends_in_the_same_bytes(data: Path, tmp_path: Path) -> None:
    """A checkpoint flushes twice, the trajectory seven times: kill at each kind of moment."""
    c = config("snas", "bi")
    whole = finish(c, data, tmp_path / "whole")
    flushes = 2 * (c.train.epochs - 1)
    for count in (1, 2, 3, flushes, flushes + 1, flushes + 3, flushes + 5, flushes + 6):
        root = tmp_path / str(count)
        process = start(c, data, root, KillAtSync(count))
        process.join(120)
        assert process.exitcode == KILLED, count
        assert files(finish(c, data, root)) == files(whole), count


def command(config: SearchConfig, data: Path, root: Path) -> list[str]:
    program = "import sys; from wiring.cli import app; app()"
    words = ["search", config.canonical, "--scale=test", f"--data={data}", f"--out={root}/out"]
    return [sys.executable, "-c", program, *words, f"--checkpoints={root}/checkpoints"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_leaves_a_checkpoint(
    data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    c = config(train={"epochs": 4000, "batch_size": 16})
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    process = subprocess.Popen(
        command(c, data, tmp_path), env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stderr is not None
    said = ""
    while "epoch" not in said:
        said += process.stderr.readline()
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 128 + number, rest
    assert f"stopped by {number.name} after epoch" in rest
    assert "Traceback" not in rest
    assert list((tmp_path / "checkpoints").glob("*.pt"))
    assert not (tmp_path / "out").exists()
    epoch = max(int(path.name[:6]) for path in (tmp_path / "checkpoints").glob("*.pt"))
    again = subprocess.Popen(
        command(c, data, tmp_path), env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert again.stderr is not None
    said = again.stderr.readline()
    again.kill()
    assert f"resumed after epoch {epoch}" in said


def failed(config: SearchConfig, data: Path, root: Path, fault: Any = None) -> str:
    """What a search says that must fail, and leave no trajectory."""
    process = start(config, data, root, fault)
    process.join(120)
    assert process.exitcode == 1
    assert not (root / "out").exists()
    return (root / "error").read_text()


def starve() -> None:
    """Leave little more memory than the process has."""
    import resource

    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**27, -1))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_out_of_memory_names_what_to_lower(data: Path, tmp_path: Path) -> None:
    c = config("darts", space={"cells": 8, "nodes": 4, "channels": 64})
    said = failed(c, data, tmp_path / "starved", starve)
    assert said.startswith("SearchError: E1_darts_single_digits_s3: out of memory: ")
    for part in ("train.batch_size is 16", "space.channels 64", "space.cells 8"):
        assert part in said


def explode() -> None:
    """From the third epoch on, the weights are not finite."""
    from wiring.search import Trainer

    run_epoch = Trainer.run_epoch

    def exploding(self: Trainer) -> Iterator[Any]:
        if self.epoch == 2:
            self.net.classifier.data.fill_(float("nan"))
        return run_epoch(self)

    Trainer.run_epoch = exploding  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("method", "fault"), [("darts", "the train loss is nan"), ("dsnas", "alpha is not finite")]
)
def test_what_is_not_finite_keeps_what_was_recorded(
    data: Path, tmp_path: Path, method: str, fault: str
) -> None:
    c = config(method)
    said = failed(c, data, tmp_path / "nan", explode)
    assert f"{fault} in epoch 2 (step " in said
    assert "largest |alpha| nan" in said
    kept = tmp_path / "nan/checkpoints/stopped"
    assert str(kept) in said
    assert str(tmp_path / "nan/checkpoints/000002-") in said
    whole = finish(c, data, tmp_path / "whole")
    stopped = Trajectory.read(kept)
    good = stopped.column("loss")[:2]
    assert good.tolist() == whole.column("loss")[:2].tolist()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KB; mounting it takes root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(str(error))
    if done.returncode:
        pytest.skip(done.stderr.strip())
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=False)


@pytest.mark.parametrize("free", [0, 60_000, 130_000, 200_000])
def test_a_full_disk_loses_nothing(data: Path, tmp_path: Path, small_disk: Path, free: int) -> None:
    """Whatever write finds it full: one sentence, no half-written file, and it goes on later."""
    c = config(space={"cells": 1, "nodes": 2, "channels": 8}, train={"epochs": 4, "batch_size": 16})
    whole = finish(c, data, tmp_path / "whole")
    ballast = small_disk / "ballast"
    root = tmp_path / "full"
    root.mkdir()
    for name in ("out", "checkpoints"):
        (small_disk / name).mkdir()
    (root / "checkpoints").symlink_to(small_disk / "checkpoints")
    with suppress(OSError):
        ballast.write_bytes(b"x" * (400 * 1024 - free - 8192))
    process = start(c, data, root)
    process.join(120)
    said = (root / "error").read_text() if (root / "error").exists() else ""
    if free < 200_000:
        assert process.exitcode == 1
        assert "no space left on the device" in said
    ballast.unlink()
    if process.exitcode:
        for path in small_disk.rglob("*.pt"):
            assert not path.name.startswith("."), "a temporary file was left"
        (root / "error").unlink()
        (root / "checkpoints").unlink()
        process = start(c, data, root)
        process.join(120)
        assert process.exitcode == 0
    assert files(Trajectory.read(root / "out")) == files(whole)


def test_a_store_locked_by_another_process_for_half_a_minute(data: Path, tmp_path: Path) -> None:
    """The search goes on, and the run has every row once the lock is gone."""
    from mlflow import MlflowClient

    c = config()
    root = tmp_path / "locked"
    finish(c.model_copy(update={"seed": 8}), data, root)  # the store exists
    (root / "out").rename(root / "first")
    holder = sqlite3.connect(root / "mlflow.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(30, lambda: (holder.execute("ROLLBACK"), holder.close()))
    release.start()
    began = time.monotonic()
    trajectory = finish(c, data, root)
    waited = time.monotonic() - began
    release.join()
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("test/E1")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.search = '{c.id}'")
    if not runs or runs[0].info.status != "FINISHED":
        # Given up in time: what is missing can be logged from the trajectory.
        assert waited < 90
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root}/mlflow.db"
        from wiring.tracking import replay

        replay(root / "out")
        runs = client.search_runs([experiment.experiment_id], f"tags.search = '{c.id}'")
    (run,) = runs
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert len(history) == len(trajectory.column("loss"))


def test_errors_of_the_system_are_passed_on(data: Path, tmp_path: Path) -> None:
    """Only what is understood becomes a sentence of its own."""

    said = failed(config(), data, tmp_path / "denied", deny)
    assert said.startswith("PermissionError")
    assert json.dumps(said)


def deny() -> None:
    from wiring.search import checkpoint

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "checkpoints")

    checkpoint.save = refuse  # type: ignore[assignment]
