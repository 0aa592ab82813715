"""What `make soak` draws, and that it sees what it looks for."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import Phase, given, seed, settings

from tests import soak
from tests.synthetic import config, write_search
from wiring.errors import InputError
from wiring.study import read_study


def test_a_number_draws_a_study_and_another_another(tmp_path: Path) -> None:
    texts = []
    for number in (0, 1, 2, 0):
        path = tmp_path / "study.yaml"
        soak.study(number, path)
        assert read_study(path).searches()
        texts.append(path.read_text())
    assert texts[0] == texts[3]
    assert len(set(texts)) == 3


def test_what_is_drawn_is_of_many_kinds(tmp_path: Path) -> None:
    """A grammar of which most is refused would draw little."""
    drawn: list[str] = []

    @seed(0)
    @settings(max_examples=150, database=None, phases=[Phase.generate], deadline=None)
    @given(soak.studies())
    def take(one: dict[str, Any]) -> None:
        path = tmp_path / "study.yaml"
        path.write_text(text := yaml.safe_dump(one))
        try:
            read_study(path)
        except InputError:
            return
        drawn.append(text)

    take()
    assert len(drawn) > 10
    for word in ("until:", "other:", "momentum: 0.3", "cost_clamp:", "fix_edges:", "- bi"):
        assert 0 < sum(word in text for text in drawn) < len(drawn), word


@pytest.mark.long
def test_a_soak_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    words = (sys.executable, "-m", "tests.soak", "--rounds", "1", "--jobs", "1")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    soaking = subprocess.Popen(words, env=environment, cwd=soak.ROOT, stdout=subprocess.DEVNULL)
    children: list[psutil.Process] = []
    while not children:
        time.sleep(0.1)
        assert soaking.poll() is None, "it ended"
        children = psutil.Process(soaking.pid).children(recursive=True)
    time.sleep(5)
    children = psutil.Process(soaking.pid).children(recursive=True)
    soaking.terminate()
    assert soaking.wait(60) == 1
    ended = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    left = [child for child in children if child.is_running() and child.status() not in ended]
    assert left == []
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


RUN = ("a", "E1_dsnas_single_digits_s0", "FINISHED", "active")


def store(path: Path, runs: list[tuple[str, ...]], rows: Sequence[tuple[Any, ...]] = ()) -> Path:
    """What MLflow keeps of runs and metrics, so far as it is read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE runs (run_uuid, status, lifecycle_stage)")
        made.execute("CREATE TABLE tags (run_uuid, key, value)")
        made.execute("CREATE TABLE metrics (run_uuid, key, step, value, is_nan)")
        for run, search, status, stage in runs:
            made.execute("INSERT INTO runs VALUES (?, ?, ?)", (run, status, stage))
            made.execute("INSERT INTO tags VALUES (?, 'search', ?)", (run, search))
        made.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?)", rows)
    return path


def test_runs_are_read_from_the_store(tmp_path: Path) -> None:
    rows = [("a", "loss", 1, 0.5, False), ("a", "system/cpu", 1, 9.0, False)]
    found = soak.logged(store(tmp_path / "one.db", [RUN, ("b", RUN[1], "FAILED", "deleted")], rows))
    assert found == {RUN[1]: {("loss", 1, 0.5, 0): 1}}
    for name, more in (("two", ("b", *RUN[1:])), ("open", ("b", "other", "RUNNING", "active"))):
        with pytest.raises(soak.UnequalError, match="several runs, or one that is"):
            soak.logged(store(tmp_path / f"{name}.db", [RUN, more]))


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[soak.Round]:
    """A study in peace, and the same done again."""
    made = []
    for name in ("peace", "place"):
        root = tmp_path / name
        write_search(root / "results/soak/experiments/E1/trajectories", config())
        (root / "results/soak/series").mkdir()
        (root / "results/soak/series/none.csv").write_text("1")
        store(root / "server.db", [RUN], [("a", "loss", 1, 0.5, False)])
        made.append(soak.Round(tmp_path, root, root, Random(0)))
    monkeypatch.setattr(soak.Round, "replay", lambda *_: None)
    return made


def test_equal_studies_are_equal(rounds: list[soak.Round]) -> None:
    soak.compare(*rounds)


def test_what_a_run_has_for_itself_makes_no_difference(tmp_path: Path) -> None:
    def table(name: str, seconds: float, growth: float) -> Path:
        path = tmp_path / name / "searches.parquet"
        path.parent.mkdir()
        columns = {
            "search": ["a", "b"],
            "seconds": [seconds, 1.0],
            "growth": [growth, float("nan")],
        }
        pq.write_table(pa.table(columns), path)
        return path

    first = table("first", 1.0, 0.5)
    assert soak.same(first, table("slower", 2.0, 0.5))
    assert not soak.same(first, table("other", 1.0, 0.6))


def other_search(root: Path) -> None:
    known = root / "results/soak/experiments/E1/trajectories"
    shutil.rmtree(known)
    write_search(known, config(), lambda *_: 0.2)


def other_numbers(root: Path) -> None:
    with sqlite3.connect(root / "server.db") as made:
        made.execute("UPDATE metrics SET value = 0.6")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_search, "files differ"),
        (lambda r: shutil.rmtree(r / "results/soak/experiments/E1/trajectories"), "differ"),
        (lambda r: (r / "results/soak/series/none.csv").write_text("2"), "none.csv differs"),
        (lambda r: (r / "results/soak/series/none.csv").unlink(), "none.csv differs"),
        (lambda r: (r / "results/soak/.half").touch(), "litter"),
        (lambda r: (r / "results/soak/checkpoints/finished").mkdir(parents=True), "litter"),
        (other_numbers, "MLflow's numbers differ"),
        (lambda r: (r / "server.db").unlink() or store(r / "server.db", []), "MLflow has the runs"),
    ],
)
def test_every_difference_is_seen(rounds: list[soak.Round], change: Any, message: str) -> None:
    change(rounds[1].place)
    with pytest.raises((soak.UnequalError, FileNotFoundError), match=message):
        soak.compare(*rounds)
