"""Searches that are killed, stopped, starved or cut off, in processes of their own."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
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

import numpy as np
import pytest
from typer.testing import CliRunner

import wiring
from tests.disks import fill, small_disk
from tests.forks import FORKS, commands
from tests.mlflow_server import mlflow_server
from tests.ports import silent_port
from tests.shared import once
from wiring.cli import FAILED, app
from wiring.config import DatasetConfig, RunConfig, SearchConfig
from wiring.data.prepare import prepare
from wiring.trajectory import Trajectory

METHODS, LEVELS = ("darts", "dsnas", "proxylessnas", "snas", "uniform"), ("single", "bi")
KILLED = -signal.SIGKILL

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A dataset, beside a store of MLflow that every search begins with a copy of."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copy2(empty_store, folder)
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
        "alpha": {"lr": 0.0 if method == "uniform" else 0.05},
        "train": {"epochs": 6, "batch_size": 16, "followed_samples": 2},
    }
    return SearchConfig.model_validate({**raw, **changes})


def search(text: str, data: Path, root: Path, fault: Callable[[], None] | None = None) -> None:
    """One search, a checkpoint after every epoch, in this process; its error goes to a file."""
    import torch

    from wiring.job import run as job

    torch.set_num_threads(1)
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{root}/mlflow.db"
    os.chdir(root)
    job.CHECKPOINT_EVERY = 0.0
    if fault is not None:
        fault()
    searched = SearchConfig.model_validate_json(text)
    try:
        job.run(searched, "test", data, root / "out", root / "checkpoints")
    except BaseException as error:
        (root / "error").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from error


def lend_store(data: Path, root: Path) -> None:
    """MLflow's store, if it is not there: to create one takes seconds."""
    root.mkdir(exist_ok=True)
    if not (root / "mlflow.db").exists():
        shutil.copy2(data.parent / "mlflow.db", root)


def start(config: SearchConfig, data: Path, root: Path, fault: Any = None) -> Any:
    lend_store(data, root)
    process = FORKS.Process(target=search, args=(config.canonical, data, root, fault))
    process.start()
    return process


def finish(config: SearchConfig, data: Path, root: Path) -> Trajectory:
    process = start(config, data, root)
    process.join(300)
    said = (root / "error").read_text() if (root / "error").exists() else ""
    assert process.exitcode == 0, said
    assert len(list((root / "checkpoints").glob(f"{config.train.all_epochs:06d}-*.pt"))) == 1
    assert not list((root / "checkpoints").rglob(".*"))
    assert not [path.name for path in root.iterdir() if path.name.startswith(".")]
    return Trajectory.read(root / "out")


def files(trajectory: Trajectory) -> dict[str, str]:
    return dict(trajectory.manifest["files"])


class KillInWrite:
    """Kill this process when part of a file is on disk: of a checkpoint, or of a Parquet file."""

    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count

    def __call__(self) -> None:
        from wiring.trajectory import writer

        write_bytes, write_table, done = Path.write_bytes, writer.pq.write_table, [0]

        def dies(kind: str, path: Path, content: bytes) -> None:
            done[0] += kind == self.kind
            if kind == self.kind and done[0] == self.count:
                with path.open("wb", buffering=0) as file:
                    file.write(content[: len(content) // 2])
                os.kill(os.getpid(), signal.SIGKILL)

        def write_checkpoint(path: Path, content: bytes) -> int:
            dies("checkpoint", path, content)
            return write_bytes(path, content)

        def write_parquet(table: Any, path: Path, **settings: Any) -> None:
            write_table(table, path, **settings)
            dies("parquet", path, path.read_bytes())

        Path.write_bytes = write_checkpoint  # type: ignore[method-assign,assignment]
        writer.pq.write_table = write_parquet


# Each method and each level; the other pairs by `make test-all`.
SOON = [*zip(METHODS, 2 * LEVELS + LEVELS[:1], strict=True)]
LATER = [pair for pair in product(METHODS, LEVELS) if pair not in SOON]


@pytest.mark.parametrize(
    ("method", "level"), [*SOON, *(pytest.param(*pair, marks=pytest.mark.long) for pair in LATER)]
)
def test_killed_anywhere_it_ends_in_the_same_bytes(
    data: Path, tmp_path: Path, method: str, level: str
) -> None:
    """Four kills a combination, 40 in all, each of a search taken up from the one before."""
    c = config(method, level)
    began = time.monotonic()
    whole = finish(c, data, tmp_path / "whole")
    length = time.monotonic() - began
    chance = random.Random(f"{method} {level}")
    root = tmp_path / "killed"

    def killed_in_write(kind: str, count: int) -> None:
        process = start(c, data, root, KillInWrite(kind, count))
        process.join(300)
        assert process.exitcode == KILLED, kind
        assert any(root.rglob(".*")), "no part was left"

    killed_in_write("checkpoint", chance.randint(2, 4))
    kills = 0
    while kills < 2:
        process = start(c, data, root)
        process.join(chance.uniform(0.05, 0.9) * length)
        if process.exitcode is None:
            process.kill()
            process.join()
        if process.exitcode == KILLED:
            kills += 1
        else:  # it was done before: how fast it runs depends on what else does
            assert process.exitcode == 0
            length *= 0.8
    killed_in_write("parquet", chance.randint(1, 3))
    assert files(finish(c, data, root)) == files(whole)


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
    flushes = 2 * c.train.epochs
    for count in (1, 2, 3, flushes, flushes + 1, flushes + 3, flushes + 5, flushes + 6):
        root = tmp_path / str(count)
        process = start(c, data, root, KillAtSync(count))
        process.join(300)
        assert process.exitcode == KILLED, count
        assert files(finish(c, data, root)) == files(whole), count


def started(
    config: SearchConfig, data: Path, root: Path, before: str = "", *, forked: bool = False
) -> subprocess.Popen[str]:
    """The command of a search, as the workflow calls it; it tells of every epoch.

    One that is `forked` is not for signals.
    """
    lend_store(data, root)
    told = "from wiring.job import progress; progress.SPOKEN_EVERY = 0.0"
    program = f"import sys; {before or told}; from wiring.cli import app; app()"
    command = [str(commands() / "wiring")] if forked else [sys.executable, "-c", program]
    words = ["searches", f"[{config.canonical}]", "--scale=test", f"--data={data}"]
    places = [f"--out={root}/out", f"--checkpoints={root}/checkpoints"]
    return subprocess.Popen(
        [*command, *words, *places],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db",
            "PYTHONPATH": str(Path(wiring.__file__).parents[1]),
        },
        stderr=subprocess.PIPE,
        text=True,
        cwd=root,
        preexec_fn=hear_all,
    )


def hear_all() -> None:
    """What starts the tests may ignore them: a script SIGINT in the background, nohup SIGHUP."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def heard(process: subprocess.Popen[str], word: str) -> str:
    """Read what a command says until the word comes."""
    assert process.stderr is not None
    said = ""
    while word not in said:
        line = process.stderr.readline()
        assert line, f"it ended without {word!r}: {said}"
        said += line
    return said


LONG = config(train={"epochs": 40, "batch_size": 16})
"""Long enough to be stopped in."""


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trajectory:
    """:data:`LONG`, undisturbed."""

    def make(place: Path) -> None:
        finish(LONG, data, place)

    return Trajectory.read(once(tmp_path_factory, "long", make) / "out")


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGINT], id="SIGINT"),
        pytest.param([signal.SIGTERM] * 3, id="SIGTERM"),
        pytest.param([signal.SIGINT, signal.SIGTERM], id="both"),
        pytest.param([signal.SIGHUP] * 2, id="a closed terminal"),
    ],
)
def test_asked_to_stop_it_goes_on_from_there_to_the_same_bytes(
    data: Path, tmp_path: Path, whole: Trajectory, signals: list[signal.Signals]
) -> None:
    """One stop of a cluster's job arrives as several SIGTERMs."""
    c = LONG
    process = started(c, data, tmp_path)
    heard(process, "  epoch ")
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 128 + signals[0], rest
    assert f"stopped by {signals[0].name} after epoch" in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "out").exists()
    epoch = max(int(path.name[:6]) for path in (tmp_path / "checkpoints" / c.id).glob("*.pt"))
    # A process of its own once more, and forks.
    again = started(c, data, tmp_path, forked=len(signals) < 3)
    assert f"resumed after epoch {epoch}" in heard(again, "resumed")
    _, rest = again.communicate(timeout=300)
    assert again.returncode == 0, rest
    assert files(Trajectory.read(tmp_path / "out" / c.id)) == files(whole)


def test_stops_that_go_on_arriving_change_nothing(data: Path, tmp_path: Path) -> None:
    """From the first SIGTERM to the end of the process, however late the last of them comes."""
    c = config(train={"epochs": 400, "batch_size": 16})
    process = started(c, data, tmp_path)
    heard(process, "  epoch ")
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.001)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM, rest
    assert rest.count("stopping after this epoch") == 1
    assert "stopped by SIGTERM after epoch" in rest
    assert list((tmp_path / "checkpoints" / c.id).glob("*.pt"))


def test_a_sigint_that_is_ignored_on_entry_stays_ignored(data: Path, tmp_path: Path) -> None:
    """`nohup command &`, from a script."""
    ignores = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "from wiring.job import progress; progress.SPOKEN_EVERY = 0.0"
    )
    c = config(train={"epochs": 12, "batch_size": 16})
    process = started(c, data, tmp_path, ignores)
    heard(process, "  epoch ")
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 0, rest
    assert "stopp" not in rest
    assert (tmp_path / "out" / c.id / "manifest.json").is_file()


def test_a_second_sigint_stops_at_once(data: Path, tmp_path: Path) -> None:
    slow = (
        "from wiring.job import progress; progress.SPOKEN_EVERY = 0.0; import time; "
        "from wiring.search import Search; "
        "run_epoch = Search.run_epoch; Search.run_epoch = "
        "lambda self: time.sleep(600) if self.epoch else run_epoch(self)"
    )
    process = started(config(), data, tmp_path, slow)
    heard(process, "  epoch ")
    process.send_signal(signal.SIGINT)
    heard(process, "SIGINT: stopping after this epoch")
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGINT
    assert "stopped at once" in rest
    assert "Traceback" not in rest


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM],
    ids=["SIGINT", "SIGTERM"],
)
def test_asked_to_stop_before_it_begins(data: Path, tmp_path: Path, number: signal.Signals) -> None:
    """While it imports torch, for seconds."""
    waits = (
        "import time; from importlib.abc import MetaPathFinder; "
        "wait = lambda: print('torch', file=sys.stderr, flush=True) or time.sleep(600); "
        "find = lambda self, name, *_: wait() if name == 'torch' else None; "
        "sys.meta_path.insert(0, type('Waits', (MetaPathFinder,), {'find_spec': find})())"
    )
    process = started(config(), data, tmp_path, waits)
    heard(process, "torch")
    process.send_signal(number)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 128 + number, rest
    assert f"stopped by {number.name} before it began" in rest
    assert "Traceback" not in rest
    assert not any(tmp_path.glob("out*"))


@pytest.mark.skipif(not RunConfig().environment, reason="this machine is not x86-64")
def test_the_command_sets_the_vector_instructions(data: Path, tmp_path: Path) -> None:
    """Whatever this CPU has: by variables that count only before torch is imported."""
    c = config(train={"epochs": 1, "batch_size": 16})
    names = tuple(c.run.environment)
    unset = f"import os; [os.environ.pop(name) for name in {names}]"
    process = started(c, data, tmp_path, unset)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert Trajectory.read(tmp_path / "out" / c.id).manifest["vectors"] == "AVX2"


def failed(config: SearchConfig, data: Path, root: Path, fault: Any = None) -> str:
    """What a search says that must fail, and leave no trajectory."""
    process = start(config, data, root, fault)
    process.join(300)
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
    """After the fourth step of the third epoch, the 16th of all, a weight is not finite."""
    from wiring.search import Search

    step_weights = Search.step_weights

    def exploding(self: Search, draw: Any) -> None:
        step_weights(self, draw)
        if self.steps == 15:
            self.net.classifier.data.fill_(float("nan"))

    Search.step_weights = exploding  # type: ignore[method-assign]


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_finite_keeps_what_was_recorded(
    data: Path, tmp_path: Path, method: str
) -> None:
    c = config(method)
    said = failed(c, data, tmp_path / "nan", explode)
    # No op can be drawn from such an alpha: that is then noticed before the loss is looked at.
    fault = (
        "alpha is not finite" if method in {"dsnas", "proxylessnas"} else "the train loss is nan"
    )
    assert f"{fault} in epoch 2 (step 17, largest |alpha| " in said
    kept = tmp_path / "nan/checkpoints/stopped"
    assert str(kept) in said
    assert str(tmp_path / "nan/checkpoints/000002-") in said
    stopped, whole = Trajectory.read(kept), finish(c, data, tmp_path / "whole")
    good = stopped.column("loss")[:2]
    assert good.tolist() == whole.column("loss")[:2].tolist()
    alpha = np.abs(whole.array("alpha")).max() if method == "uniform" else np.nan
    assert f"largest |alpha| {alpha:.3g})" in said


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KB."""
    with small_disk(tmp_path / "disk", 400 * 1024) as fault:
        if fault:
            pytest.skip(fault)
        yield tmp_path / "disk"


@pytest.mark.parametrize("free", [0, 60_000, 130_000, 200_000])
def test_a_full_disk_loses_nothing(data: Path, tmp_path: Path, disk: Path, free: int) -> None:
    """Whatever write finds it full: one sentence, no half-written file, and it goes on later."""
    c = config(space={"cells": 1, "nodes": 2, "channels": 8}, train={"epochs": 4, "batch_size": 16})
    whole = finish(c, data, tmp_path / "whole")
    ballast = disk / "ballast"
    root = tmp_path / "full"
    root.mkdir()
    for name in ("out", "checkpoints"):
        (disk / name).mkdir()
    (root / "checkpoints").symlink_to(disk / "checkpoints")
    with suppress(OSError):
        ballast.write_bytes(b"x" * (400 * 1024 - free - 8192))
    process = start(c, data, root)
    process.join(300)
    said = (root / "error").read_text() if (root / "error").exists() else ""
    if free < 200_000:
        assert process.exitcode == 1
        assert "no space left on the device" in said
    ballast.unlink()
    if process.exitcode:
        for path in disk.rglob("*.pt"):
            assert not path.name.startswith("."), "a temporary file was left"
        (root / "error").unlink()
        (root / "checkpoints").unlink()
        process = start(c, data, root)
        process.join(300)
        assert process.exitcode == 0
    assert files(Trajectory.read(root / "out")) == files(whole)


class FullAtClose:
    """A disk that is full when the trajectory is written to it, but for so many bytes."""

    def __init__(self, disk: Path, free: int) -> None:
        self.disk, self.free = disk, free

    def __call__(self) -> None:
        from wiring.trajectory import TrajectoryWriter

        fault, close = self, TrajectoryWriter.close

        def full(self: TrajectoryWriter, *words: Any) -> None:
            ballast = fault.disk / "ballast"
            fill(ballast)
            os.truncate(ballast, max(0, ballast.stat().st_size - fault.free))
            self._path = fault.disk / "out"
            close(self, *words)

        TrajectoryWriter.close = full  # type: ignore[method-assign]


@pytest.mark.parametrize("free", [0, 4096, 12288])
def test_a_disk_that_is_full_when_the_trajectory_is_written(
    data: Path, tmp_path: Path, disk: Path, free: int
) -> None:
    """The last checkpoint is still there, nothing half-written is, and it goes on later."""
    c, root = config(), tmp_path / "full"
    said = failed(c, data, root, FullAtClose(disk, free))
    assert "no space left on the device" in said
    assert [path.name for path in disk.iterdir()] == ["ballast"]
    assert list((root / "checkpoints").glob("*.pt"))
    (root / "error").unlink()
    assert files(finish(c, data, root)) == files(finish(c, data, tmp_path / "whole"))


def test_tables_that_find_no_space_leave_the_old_ones(
    data: Path, tmp_path: Path, disk: Path
) -> None:
    """Parquet's own writer names no file in its error."""
    finish(config(), data, tmp_path / "search")
    out = disk / "tables"
    words = ["dynamics", str(tmp_path / "search/out"), f"--out={out}"]
    assert CliRunner().invoke(app, words).exit_code == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    fill(disk / "ballast")
    done = CliRunner().invoke(app, words)
    assert done.exit_code == FAILED
    assert "no space left on the device" in done.output
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert {path.name for path in disk.iterdir()} == {"tables", "ballast"}


class Tracked:
    """Log to a server; after two epochs wait until the server is gone."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self) -> None:
        from wiring.search import Search

        os.environ["MLFLOW_TRACKING_URI"] = self.address
        run_epoch = Search.run_epoch

        def waiting(self: Search) -> Iterator[Any]:
            if self.epoch == 2:
                Path("waits").touch()
                while Path("waits").exists():
                    time.sleep(0.05)
            return run_epoch(self)

        Search.run_epoch = waiting  # type: ignore[method-assign]


def test_a_server_that_dies_under_a_search_is_given_the_rest_later(
    data: Path, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's real server, killed; the search goes on, and replay completes the run."""
    from mlflow import MlflowClient

    from wiring.tracking import replay

    c, root = config(), tmp_path / "tracked"
    shutil.copy2(empty_store, tmp_path / "server.db")
    with silent_port() as port:
        pass  # held no longer
    with mlflow_server(tmp_path / "server.db", port) as address:
        process = start(c, data, root, Tracked(address))
        while not (root / "waits").exists():
            assert process.exitcode is None
            time.sleep(0.05)
        client = MlflowClient(address)
        while not client.search_experiments(filter_string="name = 'test/E1'"):
            time.sleep(0.1)
    (root / "waits").unlink()
    process.join(300)
    assert process.exitcode == 0
    trajectory = Trajectory.read(root / "out")
    with mlflow_server(tmp_path / "server.db", port) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        replay(root / "out")
        client = MlflowClient(address)
        (experiment,) = client.search_experiments(filter_string="name = 'test/E1'")
        (run,) = client.search_runs([experiment.experiment_id], f"tags.search = '{c.id}'")
        assert run.info.status == "FINISHED"
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [row.value for row in history] == trajectory.column("loss").tolist()


@pytest.mark.parametrize("seconds", [8, pytest.param(30, marks=pytest.mark.long)])
def test_a_store_locked_by_another_process(data: Path, tmp_path: Path, seconds: int) -> None:
    """Longer than SQLite waits. The search goes on; the run has every row once the lock is gone."""
    from mlflow import MlflowClient

    c = config()
    root = tmp_path / "locked"
    finish(c.model_copy(update={"seed": 8}), data, root)  # the store exists
    (root / "out").rename(root / "first")
    holder = sqlite3.connect(root / "mlflow.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(seconds, lambda: (holder.execute("ROLLBACK"), holder.close()))
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
    from wiring.job import checkpoint

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "checkpoints")

    checkpoint.save = refuse  # type: ignore[assignment]
