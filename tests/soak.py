"""Random studies, each run twice: undisturbed, and under random misfortune (`make soak`).

A round draws a scale file, runs it by Snakemake in peace, and again while searches, Snakemake,
MLflow's server and the disk fail at random times; then the second run is taken to its end, as a
user would. Every trajectory must have the undisturbed one's bytes, every file that follows from
them too, and MLflow one finished run a search with the undisturbed run's numbers. What a round
draws follows from its number; when the blows fall depends on the machine as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import yaml
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from tests.disks import fill, small_disk
from tests.mlflow_server import mlflow_server
from tests.ports import silent_port
from tests.shared import copied
from tests.strategies import spaces
from wiring.config.plugins import METHODS
from wiring.config.plugins import names as plugged
from wiring.errors import InputError
from wiring.study import read_study
from wiring.trajectory import Trajectory

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "profiles", "config", "src", "pyproject.toml")
SIZE = 96 * 2**20
"""Bytes of a round's disk."""
EVERY = ("CHECKPOINT_EVERY = 30.0", "CHECKPOINT_EVERY = 0.0")
"""Searches take seconds here, so that each epoch has its checkpoint."""
OWN = ("seconds", "machine", "mlflow_run_id")
"""Columns of the table of searches that tell of a run, not of its search."""
WAIT = 30.0
"""Seconds in which a search has to begin, if one is to be hit."""
MOST = 900.0
"""Seconds that a command of a round may take beside the others."""


class UnequalError(Exception):
    """A disturbed study did not become what the undisturbed one is."""


# Studies


RESTS = {"alpha": {"lr": 0.0, "init_std": 0.0}}
"""Uniform sampling's setting; said where no experiment has the method, it is refused."""


DRAWING = threading.Lock()
"""Hypothesis draws for one round at a time, and what it asks imports the methods' settings."""


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """A scale file of few and small searches, as plain values."""
    data = draw(
        st.fixed_dictionaries(
            {
                "source": st.just("digits"),
                "test_fraction": st.just(0.2),
                "train_samples": st.integers(60, 120),
                "label_noise": st.sampled_from([0.0, 0.3]),
                "split_seed": st.integers(0, 3),
            }
        )
    )
    space = draw(spaces()).model_dump(mode="json", exclude_defaults=True)
    train = draw(
        st.fixed_dictionaries(
            {"epochs": st.integers(2, 6), "batch_size": st.integers(5, 24)},
            optional={
                "windows_per_epoch": st.integers(1, 2),
                "frozen_epochs": st.integers(0, 1),
                "followed_samples": st.integers(0, 4),
                "curvature_every": st.integers(0, 2),
                "last_batch": st.just("keep"),
                "augment": st.just({"flip": True, "crop_padding": 1}),
            },
        )
    )
    weights = draw(
        st.fixed_dictionaries(
            {
                "lr": st.floats(0.01, 0.3).map(lambda rate: round(rate, 3)),
                "momentum": st.sampled_from([0.9, 0.3, 0.99]),
            },
            optional={
                "schedule": st.just("constant"),
                "unsampled": st.just("decay"),
                "grad_clip": st.just(1.0),
            },
        )
    )
    alpha = draw(
        st.fixed_dictionaries(
            {"lr": st.sampled_from([0.01, 0.1])},
            optional={
                "beta1": st.just(0.9),
                "cost_clamp": st.just(5.0),
                "grad_clip": st.just(1.0),
                "init_std": st.just(0.1),
            },
        )
    )
    methods = draw(st.lists(st.sampled_from(plugged(METHODS)), min_size=1, max_size=2, unique=True))
    levels = draw(st.sampled_from([["single"], ["bi"], ["single", "bi"]]))
    variants = draw(st.sampled_from([{}, {"as-it-is": {}, "other": {"train": {"batch_size": 25}}}]))
    settled = draw(st.booleans())
    if settled:
        train["until"] = {"displacement": 0.02, "bound": train["epochs"] + 2}
    return {
        "scale": "soak",
        "datasets": {"digits": data},
        "defaults": {
            "space": space,
            "alpha": alpha,
            "weights": weights,
            "train": train,
        },
        "methods": {"uniform": RESTS} if "uniform" in methods else {},
        **({"readings": dict.fromkeys(levels, 0.02)} if settled else {}),
        "experiments": {
            "E1": {
                "title": "Random",
                "methods": methods,
                "levels": levels,
                "datasets": ["digits"],
                "seeds": draw(st.sampled_from([[0], [0, 1], [3, 1]])),
                "variants": variants,
            }
        },
    }


def study(number: int, path: Path) -> None:
    """Write the scale file of this round."""
    found: list[dict[str, Any]] = []

    @seed(number)
    @settings(
        max_examples=5,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(studies())
    def take(drawn: dict[str, Any]) -> None:
        path.write_text(yaml.safe_dump(drawn))
        try:
            read_study(path)
        except InputError:
            assume(False)
        found.append(drawn)

    with DRAWING:
        take()
    path.write_text(yaml.safe_dump(found[-1]))  # the first is always the smallest


# Blows


class Round:
    """One study, disturbed: where it lies, and what runs of it.

    Args:
        code: the copy of the repository whose commands are run.
        place: working directory of Snakemake, with `study.yaml`.
        server: folder of MLflow's server, on another disk.
        chance: decides what falls when.
    """

    def __init__(self, code: Path, place: Path, server: Path, chance: random.Random) -> None:
        self.code, self.place, self.server, self.chance = code, place, server, chance
        self.said: list[str] = []
        self._running: subprocess.Popen[bytes] | None = None
        self._stack, self._served = ExitStack(), False
        with silent_port() as self._port:
            pass

    # What runs

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def serve(self) -> None:
        """Start MLflow's server where none runs, and wait until it answers."""
        if not self._served:
            self._stack.enter_context(mlflow_server(self.server / "server.db", self._port))
            self._served = True

    def silence(self) -> None:
        """Kill MLflow's server."""
        self._stack.close()
        self._served = False

    def run(self, store: str, *words: str) -> int:
        """Run Snakemake to its end; its words go to a file beside the server's."""
        command = [
            *(sys.executable, "-m", "snakemake", f"--snakefile={self.code / 'Snakefile'}"),
            *(f"--directory={self.place}", "--cores=2", *words),
            *("--config", f"scale={self.place / 'study.yaml'}"),
        ]
        with (self.server / "said").open("ab") as said:
            self._running = subprocess.Popen(
                command,
                cwd=self.place,
                env=environment(self.code, store),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            try:
                return self._running.wait(MOST)
            except subprocess.TimeoutExpired:
                kill_all(self._running)
                raise UnequalError(f"Snakemake did not end in {MOST:.0f} s") from None
            finally:
                self._running = None

    def replay(self, trajectories: list[Path]) -> None:
        """Log what the server missed, as the warning of a search says.

        Raises:
            UnequalError: it cannot be logged.
        """
        done = subprocess.run(
            ["wiring", "track", "replay", *map(str, trajectories)],
            env=environment(self.code, self.address),
            capture_output=True,
            text=True,
            check=False,
            timeout=MOST,
        )
        if done.returncode:
            raise UnequalError(f"replay: {done.stderr}")

    def searching(self) -> list[psutil.Process]:
        """The processes that search."""
        found = []
        if self._running is not None:
            with suppress(psutil.Error):
                for process in psutil.Process(self._running.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        words = process.cmdline()
                        if "searches" in words and not words[0].endswith("sh"):
                            found.append(process)
        return found

    # What befalls it

    def hit_a_search(self) -> str:
        number = self.chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        until = time.monotonic() + WAIT
        while not (found := self.searching()) and time.monotonic() < until:
            time.sleep(0.2)
        if not found:
            return "nobody searches"
        time.sleep(self.chance.uniform(0, 10))  # so that it falls into any part of it
        with suppress(psutil.Error):
            self.chance.choice(found).send_signal(number)
        return f"{number.name} to a search"

    def hit_snakemake(self) -> str:
        number = self.chance.choice([signal.SIGTERM, signal.SIGINT])
        if self._running is None:
            return "Snakemake does not run"
        self._running.send_signal(number)
        return f"{number.name} to Snakemake"

    def kill_snakemake(self) -> str:
        if self._running is None:
            return "Snakemake does not run"
        kill_all(self._running)
        return "SIGKILL to Snakemake and its jobs"

    def kill_server(self) -> str:
        self.silence()
        time.sleep(self.chance.uniform(0, 6))
        self.serve()
        return "SIGKILL to MLflow's server, which comes back"

    def fill_disk(self) -> str:
        ballast = self.place / "ballast"
        fill(ballast)
        time.sleep(self.chance.uniform(0.5, 6))
        ballast.unlink(missing_ok=True)
        return "a full disk for a while"


def environment(code: Path, store: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(code / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a process and all that it began, in whatever group."""
    with suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    process.kill()
    process.wait()


# A round


def disturb(one: Round, mounted: bool, over: threading.Event) -> None:
    """Let blows fall on a study until it is over."""
    blows: list[Callable[[], str]] = [
        one.hit_a_search,
        one.hit_a_search,
        one.hit_snakemake,
        one.kill_snakemake,
        one.kill_server,
        *([one.fill_disk] if mounted else []),
    ]
    for _ in range(one.chance.randint(2, 6)):
        if over.wait(one.chance.uniform(1, 15)):
            return
        one.said.append(one.chance.choice(blows)())


def play(number: int, code: Path, folder: Path) -> tuple[list[str], list[str]]:
    """A round.

    Returns:
        What befell the study, and how Snakemake ended each time.

    Raises:
        UnequalError: it did not become what it should.
    """
    folder.mkdir()
    peace, server = folder / "peace", folder / "server"
    for place in (peace, server):
        place.mkdir()
    study(number, peace / "study.yaml")
    quiet = Round(code, peace, peace, random.Random(number))
    if quiet.run(f"sqlite:///{peace}/server.db"):
        raise UnequalError("undisturbed, it failed")
    with ExitStack() as stack:
        place = folder / "place"
        mounted = not stack.enter_context(small_disk(place, SIZE))
        shutil.copy2(peace / "study.yaml", place)
        one = Round(code, place, server, random.Random(number))
        stack.callback(one.silence)
        one.serve()
        over = threading.Event()
        blows = threading.Thread(target=disturb, args=(one, mounted, over))
        blows.start()
        ends = []
        try:
            while blows.is_alive():
                if one.run(one.address, "--unlock"):
                    ends.append("unlock failed")
                ends.append(str(one.run(one.address)))
                if ends[-1] == "0":
                    break
        finally:
            over.set()
            blows.join()
        one.serve()
        for words in (("--unlock",), ()):
            if one.run(one.address, *words):
                raise UnequalError(f"left in peace it does not end ({'; '.join(one.said)})")
        try:
            compare(quiet, one)
        except Exception as error:
            error.add_note(f"It befell it: {'; '.join(one.said)}")
            if mounted:  # it is gone with its disk
                shutil.copytree(place, folder / "kept", symlinks=True)
            raise
    return one.said, ends


def compare(quiet: Round, one: Round) -> None:
    """Hold what came of the disturbed study against the undisturbed one's.

    Raises:
        UnequalError: they differ.
    """
    known = Path("results/soak/experiments/E1/trajectories")
    names, others = (
        sorted(path.name for path in (which.place / known).glob("*")) for which in (quiet, one)
    )
    if names != others:
        raise UnequalError("the searches differ")
    for name in names:
        first, second = (Trajectory.read(which.place / known / name) for which in (quiet, one))
        for what in ("files", "config", "dataset"):
            if first.manifest.get(what) != second.manifest.get(what):
                raise UnequalError(f"{name}: {what} differ")
    for path in sorted((quiet.place / "results").rglob("*")):
        kept = path.is_file() and path.suffix in {".parquet", ".csv", ".svg"}
        other = one.place / path.relative_to(quiet.place)
        if kept and not (other.is_file() and same(path, other)):
            raise UnequalError(f"{path.relative_to(quiet.place)} differs")
    litter = [str(path) for path in (one.place / "results").rglob(".*") if path.is_file()]
    if litter or (one.place / "results/soak/checkpoints/finished").exists():
        raise UnequalError(f"litter is left: {litter or 'checkpoints/finished'}")
    one.replay([one.place / known / name for name in names])
    one.silence()
    want, found = (logged(which.server / "server.db") for which in (quiet, one))
    if set(want) != set(names) or set(found) != set(names):
        raise UnequalError(f"MLflow has the runs {sorted(found)}, expected {names}")
    for name in names:
        if want[name] != found[name]:
            raise UnequalError(f"{name}: MLflow's numbers differ")


def same(path: Path, other: Path) -> bool:
    """Whether two files say the same, but for what each run of a search has for itself."""
    if path.name != "searches.parquet":
        return path.read_bytes() == other.read_bytes()
    # As frames: what is not a number is equal to itself.
    first, second = (
        pq.read_table(one).to_pandas().drop(columns=list(OWN), errors="ignore")
        for one in (path, other)
    )
    return bool(first.equals(second))


def logged(path: Path) -> dict[str, Counter[tuple[str, int, float, bool]]]:
    """Search -> the rows of its run, without those of the machine.

    Raises:
        UnequalError: a search has several runs, or one that is not finished.
    """
    runs = (
        "SELECT tags.value, runs.run_uuid, runs.status FROM runs JOIN tags USING (run_uuid) "
        "WHERE tags.key = 'search' AND runs.lifecycle_stage = 'active'"
    )
    rows = "SELECT key, step, value, is_nan FROM metrics WHERE run_uuid = ? AND key NOT LIKE ?"
    found: dict[str, Counter[tuple[str, int, float, bool]]] = {}
    with sqlite3.connect(path) as store:
        for name, run, status in store.execute(runs).fetchall():
            if name in found or status != "FINISHED":
                raise UnequalError(f"{name}: MLflow has several runs, or one that is {status}")
            found[name] = Counter(store.execute(rows, (run, "system/%")).fetchall())
    return found


# The whole


def main() -> int:
    """Play rounds side by side until the time is over; 1 if any went wrong."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--jobs", type=int, default=4, help="rounds side by side")
    parser.add_argument("--first", type=int, default=0, help="number of the first round")
    parser.add_argument("--rounds", type=int, help="so many, and no more")
    chosen = parser.parse_args()
    ends = time.monotonic() + 60 * chosen.minutes
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    os.environ["TMPDIR"] = str(folder)  # what is killed leaves something in it
    code = folder / "code"
    copied(ROOT, PARTS, code)
    job = code / "src/wiring/job/run.py"
    before, after = EVERY
    assert before in job.read_text()
    job.write_text(job.read_text().replace(before, after))
    results: Counter[str] = Counter()
    befell: Counter[str] = Counter()

    last = math.inf if chosen.rounds is None else chosen.first + chosen.rounds
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())

    def rounds(lane: int) -> None:
        for number in itertools.count(chosen.first + lane, chosen.jobs):
            if number >= last or time.monotonic() > ends or stopped.is_set():
                return
            place, began = folder / f"round-{number}", time.monotonic()
            try:
                blows, codes = play(number, code, place)
            except Exception as error:  # whatever it is, the others go on
                if stopped.is_set():
                    return
                known = isinstance(error, UnequalError)
                notes = " ".join(getattr(error, "__notes__", []))
                said = f"{error}. {notes}" if known else traceback.format_exc()
                said = f"FAILED: {said} (kept: {place})"
                results["failed"] += 1
            else:
                results["equal"] += 1
                befell.update(blows)
                said = f"{len(blows)} blows ({'; '.join(blows)}), ends {' '.join(codes)}"
                shutil.rmtree(place)
            print(f"round {number}, {time.monotonic() - began:.0f} s: {said}", flush=True)

    with ThreadPoolExecutor(chosen.jobs) as pool:
        lanes = [pool.submit(rounds, lane) for lane in range(chosen.jobs)]
        while not all(lane.done() for lane in lanes):
            time.sleep(0.5)
            if stopped.is_set():  # a round lets go of its disk when what it waits for has ended
                for child in psutil.Process().children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
    for lane in lanes:
        lane.result()
    print(json.dumps({**results, "blows": dict(befell.most_common())}, indent=2))
    if stopped.is_set() or not results["failed"]:
        shutil.rmtree(folder)
    return bool(results["failed"]) or stopped.is_set()


if __name__ == "__main__":
    sys.exit(main())
