"""The live view of a study: what it reads, what it tells, and that it fits the terminal."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from tests.terminals import Terminal, command
from wiring.audit.budget import START
from wiring.cli import app
from wiring.config import DatasetConfig, ScaleConfig, load_scale
from wiring.data.prepare import prepare
from wiring.job.progress import FORMAT, Said, Standing, clock
from wiring.provenance import search_digest
from wiring.study import WorkflowConfig
from wiring.trajectory import Trajectory
from wiring.watch.left import seconds_left, work
from wiring.watch.state import SILENT, State, Study
from wiring.watch.view import Size, ended, frame, headline

ROOT = Path(__file__).parents[1]
NOW = 1_800_000_000.0
NAME = "E1_dsnas_single_digits_s{}"


# What a search says, and the reading of it.

values = st.floats(-1e6, 1e6) | st.sampled_from([float("inf"), float("-inf"), 0.0, -0.0, -1e-5])
standings = st.builds(
    Standing,
    search=st.from_regex(r"[A-Za-z0-9_.-]{1,60}", fullmatch=True),
    epoch=st.integers(0, 10**6),
    epochs=st.integers(0, 10**6),
    loss=values,
    gap=values,
    accuracy=values,
    test=values,
    kept=st.integers(0, 500),
    edges=st.integers(0, 500),
    left=st.integers(0, 10**7),
    at_most=st.booleans(),
)


@given(standings)
def test_what_is_said_is_read_back(standing: Standing) -> None:
    read = Standing.read(standing.line)
    assert read is not None
    assert read.line == standing.line
    for field, said, heard in zip(Standing._fields, standing, read, strict=True):
        if isinstance(said, float):
            assert heard == pytest.approx(said, abs=0.0005 * (1 + 1e-9)), field
        else:
            assert heard == said, field


@given(standings, st.data())
def test_half_a_message_is_none(standing: Standing, data: st.DataObject) -> None:
    line = standing.line
    cut = data.draw(st.integers(0, len(line) - 1))
    assert Standing.read(line[:cut]) is None


@given(st.text())
@example(
    "E1_s0  epoch 3/20  loss x  gap +1.000  accuracy 1.000  test 1.000  edges kept 1/5  0:01 left"
)
def test_other_words_are_no_standing(text: str) -> None:
    assert Standing.read(text) is None


@given(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])),
    st.floats(NOW, NOW + 30 * 86400),  # no clock is put back in that month
)
def test_a_line_of_a_log_is_read_back(message: str, at: float) -> None:
    record = logging.LogRecord("wiring", logging.ERROR, "", 0, message, None, None)
    record.created, record.msecs = at, int(at % 1 * 1000)
    said = Said.read(logging.Formatter(FORMAT).format(record))
    assert said is not None
    assert said[1:] == ("ERROR", message)
    assert said.at == pytest.approx(at, abs=0.002)


@pytest.mark.parametrize("line", ["", "Traceback", "2026-13-45 00:00:00,000 INFO x", "x INFO y"])
def test_what_no_log_says(line: str) -> None:
    assert Said.read(line) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00")],
)
def test_a_clock(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def standing(search: str, epoch: int = 5, left: int = 15, **changes: Any) -> Standing:
    base = Standing(search, epoch, 20, 1.5, 0.125, 0.5, 0.4, 4, 5, left, at_most=False)
    return base._replace(**changes)


# A study of files made by hand.


class Place:
    """A study of one condition (or more), its logs and its results."""

    def __init__(
        self, root: Path, seeds: int = 2, settings: dict[str, Any] | None = None, **changes: Any
    ) -> None:
        one = {
            "title": "T",
            "methods": ["dsnas"],
            "levels": ["single"],
            "datasets": ["digits"],
            "seeds": list(range(seeds)),
        }
        raw = {
            "scale": "tiny",
            "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
            "defaults": settings or {"train": {"epochs": 20, "batch_size": 48}},
            "experiments": {"E1": {**one, **changes}},
        }
        self.root = root
        self.scale = ScaleConfig.model_validate(raw)
        self.file = root / "tiny.yaml"
        self.file.write_text(yaml.safe_dump(raw))
        self.searches = self.scale.searches()

    def study(self, since: float = 0.0) -> Study:
        return Study(self.scale, self.root / "results", self.root / "logs", since)

    def says(
        self, search: str, message: str, at: float = NOW, level: str = "INFO", end: str = "\n"
    ) -> None:
        config = self.searches[search]
        path = self.root / f"logs/tiny/experiments/{config.experiment}/{config.condition}-0.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
        with path.open("a") as log:
            log.write(f"{when},{int(at % 1 * 1000):03d} {level} {message}{end}")

    def done(self, search: str, seconds: float = 60.0, where: str = "", **changes: Any) -> None:
        config = self.searches[search]
        home = where or f"experiments/{config.experiment}/trajectories"
        path = self.root / "results/tiny" / home / search / "manifest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {
            "config_sha256": config.digest,
            "code_sha256": search_digest(config.method),
            "seconds": seconds,
        }
        path.write_text(json.dumps({**made, **changes}))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


S0, S1 = NAME.format(0), NAME.format(1)


def states(study: Study) -> list[State]:
    return [one.state for one in study.searches.values()]


def test_a_search_begins_goes_on_and_is_done(place: Place) -> None:
    study = place.study()
    assert study.look(NOW) == []
    assert states(study) == [State.TO_COME, State.TO_COME]
    place.says(S0, f"{S0}  begins, 20 epochs")
    study.look(NOW)
    assert states(study) == [State.RUNNING, State.TO_COME]
    assert study.searches[S0].standing is None
    place.says(S0, standing(S0).line)
    study.look(NOW)
    assert study.searches[S0].standing == standing(S0)
    place.says(S0, standing(S0, 20, 0).line)
    place.done(S0, 42.0)
    (one,) = study.look(NOW)
    assert (one.config.id, one.state, one.seconds) == (S0, State.DONE, 42.0)
    assert study.look(NOW) == []
    assert not study.over
    place.done(S1, where="checkpoints/finished")
    assert [one.config.id for one in study.look(NOW)] == [S1]
    assert study.over


def test_words_that_come_after_the_trajectory_change_nothing(place: Place) -> None:
    """A look may find the trajectory first: the two lie in different files."""
    study = place.study()
    place.done(S0)
    study.look(NOW)
    place.says(S0, standing(S0, 20, 0).line)
    assert study.look(NOW) == []
    assert states(study) == [State.DONE, State.TO_COME]


def test_a_half_written_line_is_read_when_it_is_whole(place: Place) -> None:
    study = place.study()
    line = standing(S0).line
    place.says(S0, line[:40], end="")
    study.look(NOW)
    assert states(study) == [State.TO_COME, State.TO_COME]
    log = next((place.root / "logs").rglob("*.log"))
    with log.open("a") as file:
        file.write(line[40:])
        file.flush()
        study.look(NOW)
        assert states(study) == [State.TO_COME, State.TO_COME]
        file.write("\n")
    study.look(NOW)
    assert study.searches[S0].standing == standing(S0)


@given(cuts=st.lists(st.integers(0, 400), max_size=12))
def test_however_a_log_grows_the_same_is_read(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = Place(tmp_path_factory.mktemp("grows"))
    for epoch in (1, 2, 3):
        place.says(S0, standing(S0, epoch, 20 - epoch).line)
    log = next((place.root / "logs").rglob("*.log"))
    whole, heard = log.read_bytes(), []
    study = place.study()
    for cut in [*sorted(cuts), len(whole)]:
        log.write_bytes(whole[:cut])
        study.look(NOW)
        said = study.searches[S0].standing
        heard.append(said.epoch if said else 0)
        assert heard[-1] == whole[:cut].count(b"\n")
    assert heard[-1] == 3


def test_a_log_that_is_begun_anew_is_read_from_its_start(place: Place) -> None:
    study = place.study()
    place.says(S0, standing(S0, 7).line)
    place.says(S0, standing(S0, 9).line)
    study.look(NOW)
    next((place.root / "logs").rglob("*.log")).unlink()
    place.says(S0, standing(S0, 1).line)
    study.look(NOW)
    said = study.searches[S0].standing
    assert said is not None
    assert said.epoch == 1


@pytest.mark.parametrize(
    "changes",
    [{"config_sha256": "0"}, {"code_sha256": "0"}, {"seconds": None}, {"code_sha256": None}],
    ids=["settings", "code", "damaged", "old"],
)
def test_what_another_version_left_is_to_come(place: Place, changes: dict[str, Any]) -> None:
    place.done(S0, **changes)
    study = place.study()
    study.look(NOW)
    assert states(study) == [State.TO_COME, State.TO_COME]
    time.sleep(0.01)
    place.done(S0)
    study.look(NOW)
    assert states(study) == [State.DONE, State.TO_COME]


def test_failed_searches_are_named_and_the_others_go_on(place: Place) -> None:
    study = place.study()
    place.says(S0, f"{S0}  begins, 20 epochs")
    place.says(S0, f"{S0}: the train loss is nan in epoch 3: lower alpha.lr", level="ERROR")
    place.says(S1, f"{S1}  begins, 20 epochs")
    assert [one.config.id for one in study.look(NOW)] == [S0]
    assert states(study) == [State.FAILED, State.RUNNING]
    place.says(S0, f"1 of 2 searches failed ({S0}): the others are kept", level="ERROR")
    place.done(S1)
    study.look(NOW)
    assert states(study) == [State.FAILED, State.DONE]
    assert study.searches[S0].fault.endswith("lower alpha.lr")
    assert study.over
    place.says(S0, f"{S0}  begins, 20 epochs")
    study.look(NOW)
    assert states(study) == [State.RUNNING, State.DONE]


def test_a_fault_that_names_nobody_is_the_jobs(place: Place) -> None:
    place.done(S0)
    place.says(S0, "results/tiny/datasets/digits: manifest.json is damaged", level="ERROR")
    study = place.study()
    study.look(NOW)
    study.look(NOW)
    assert states(study) == [State.DONE, State.FAILED]


def test_a_fault_of_ours_fails_what_was_under_way(place: Place) -> None:
    place.says(S0, standing(S0).line)
    place.says(S0, "E1_dsnas_single_digits: a fault of wiring: KeyError: 'x'", level="CRITICAL")
    study = place.study()
    study.look(NOW)
    assert states(study) == [State.FAILED, State.TO_COME]


@pytest.mark.parametrize("who", [S0, "E1_dsnas_single_digits"])
def test_a_stopped_search_is_to_come(place: Place, who: str) -> None:
    place.says(S0, standing(S0).line)
    place.says(S0, f"{who}: stopped by SIGTERM after epoch 6 of 20: goes on", level="ERROR")
    study = place.study()
    study.look(NOW)
    assert states(study) == [State.TO_COME, State.TO_COME]
    place.says(S0, f"{S0}: resumed after epoch 6")
    study.look(NOW)
    assert states(study) == [State.RUNNING, State.TO_COME]


def test_of_an_earlier_run_only_the_numbers_count(place: Place) -> None:
    place.says(S0, standing(S0).line, at=NOW - 100)
    place.says(S1, f"{S1}: the train loss is nan", at=NOW - 50, level="ERROR")
    study = place.study(since=NOW)
    assert study.look(NOW) == []
    assert states(study) == [State.TO_COME, State.TO_COME]
    assert study.searches[S0].standing == standing(S0)


def test_who_says_nothing_is_silent(place: Place) -> None:
    """A killed search says no last word; one of long epochs says little."""
    place.says(S0, standing(S0, 5, 15).line)  # a second an epoch
    study = place.study()
    study.look(NOW + SILENT - 1)
    assert states(study)[0] == State.RUNNING
    study.look(NOW + SILENT + 1)
    assert states(study)[0] == State.SILENT
    place.says(S0, standing(S0, 10, 1000).line, at=NOW + 100)  # 100 s an epoch
    study.look(NOW + 100 + 299)
    assert states(study)[0] == State.RUNNING
    study.look(NOW + 100 + 301)
    assert states(study)[0] == State.SILENT


@pytest.mark.parametrize("level", ["single", "bi"])
def test_a_real_condition_is_followed(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says is what its trajectory holds; MLflow has tests of its own."""
    monkeypatch.setattr("wiring.job.run.Tracker", lambda *_: Mock(run_id=None))
    monkeypatch.setattr("wiring.job.progress.SPOKEN_EVERY", 0.0)
    settings = {
        "space": {"cells": 1, "nodes": 2, "channels": 2},
        "alpha": {"lr": 0.05},
        "train": {"epochs": 3, "batch_size": 24},
    }
    place = Place(tmp_path, settings=settings, levels=[level])
    root = tmp_path / "results/tiny"
    dataset = DatasetConfig(source="digits", test_fraction=0.2, train_samples=96)
    prepare(dataset, root / "datasets/digits", tmp_path / "cache")
    study = place.study(since=time.time() - 0.01)
    study.look(time.time())
    assert states(study) == [State.TO_COME, State.TO_COME]
    condition = next(iter(study.conditions))
    words = {
        "scale": "tiny",
        "data": root / "datasets/digits",
        "out": root / "experiments/E1/trajectories",
        "checkpoints": root / "checkpoints",
        "log": tmp_path / f"logs/tiny/experiments/E1/{condition}-0.log",
    }
    searches = f"[{','.join(one.canonical for one in place.searches.values())}]"
    options = [f"--{name}={value}" for name, value in words.items()]
    result = CliRunner().invoke(app, ["searches", searches, *options])
    assert result.exit_code == 0, result.output
    assert len(study.look(time.time())) == 2
    assert study.over
    for one in study.searches.values():
        trajectory = Trajectory.read(words["out"] / one.config.id)
        split = "validation" if level == "bi" else "train"
        said = one.standing
        assert said is not None
        assert (said.epoch, said.epochs, said.left, said.edges) == (3, 3, 0, 5)
        loss, entropy = (
            trajectory.column(each, split, "epochs")[-1] for each in ("loss", "entropy")
        )
        assert said.gap == pytest.approx(loss - entropy, abs=6e-4)
        genotype = json.loads(trajectory.epochs["genotype"][-1].as_py())
        assert said.kept == sum(op != "none" for op in genotype.values())
        assert one.seconds == trajectory.manifest["seconds"]
    log = words["log"].read_text()
    assert log.count("  begins, 3 epochs") == 2
    assert log.count("  epoch ") == 6


# The time that is left, by hand.


def test_time_left_by_what_the_condition_took(tmp_path: Path) -> None:
    place = Place(tmp_path, seeds=4)
    place.done(S0, 30.0)
    place.done(S1, 50.0)
    place.says(NAME.format(2), standing(NAME.format(2), 5, 15).line)
    study = place.study()
    study.look(NOW)
    # One under way, said 15 s four seconds ago; one to come, 40 s as the mean of two.
    assert seconds_left(study, 1, NOW + 4) == pytest.approx(15 - 4 + 40)
    # Another job cannot help: the seeds of a condition follow one another.
    assert seconds_left(study, 2, NOW + 4) == pytest.approx(15 - 4 + 40)
    # A clock that is behind makes nothing longer; one that is ahead, nothing negative.
    assert seconds_left(study, 1, NOW - 9) == pytest.approx(15 + 40)
    assert seconds_left(study, 1, NOW + 50) == pytest.approx(40)


def test_time_left_of_an_unknown_study_is_unknown(place: Place) -> None:
    study = place.study()
    study.look(NOW)
    assert seconds_left(study, 1, NOW) is None
    assert "not known yet" in headline(study, None)
    place.says(S0, standing(S0, 5, 15).line)
    study.look(NOW)
    # 15 s for 15 epochs: 20 s for a whole search.
    assert seconds_left(study, 1, NOW) == pytest.approx(15 + 20)


def test_time_left_by_planned_work(tmp_path: Path) -> None:
    place = Place(
        tmp_path,
        seeds=1,
        methods=["dsnas", "darts"],
        overrides=[{"method": "dsnas", "set": {"train": {"epochs": 40}}}],
    )
    sampled, mixture = place.searches.values()
    # Twice the epochs; a mixture takes all 8 ops.
    assert work(mixture) / work(sampled) == pytest.approx(8 / 2)
    place.done(sampled.id, 10.0)
    study = place.study()
    study.look(NOW)
    assert seconds_left(study, 1, NOW) == pytest.approx(START + 40.0)


def test_time_left_with_jobs_side_by_side(tmp_path: Path) -> None:
    place = Place(tmp_path, seeds=2, levels=["single", "bi"])
    for name in place.searches:
        if name.endswith("s0"):
            place.done(name, 100.0 if "_bi_" in name else 60.0)
    study = place.study()
    study.look(NOW)
    assert seconds_left(study, 1, NOW) == pytest.approx(START + 60.0 + START + 100.0)
    assert seconds_left(study, 2, NOW) == pytest.approx(START + 100.0)


def test_seeds_that_have_a_gpu_each_run_side_by_side(tmp_path: Path) -> None:
    place = Place(tmp_path, seeds=5, overrides=[{"method": "dsnas", "set": {"run": {"gpus": 1}}}])
    place.done(S0, 60.0)
    study = place.study()
    study.look(NOW)
    assert seconds_left(study, 2, NOW) == pytest.approx(2 * (START + 60.0))


def test_a_search_that_may_end_earlier_is_held_against_those_that_did(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.done(S0, 30.0)
    place.says(S1, standing(S1, 5, 900, at_most=True).line)
    study = place.study()
    study.look(NOW)
    assert seconds_left(study, 1, NOW) == pytest.approx(30.0)


def test_a_failed_search_takes_no_time(place: Place) -> None:
    place.done(S0, 30.0)
    place.says(S1, f"{S1}: lost", level="ERROR")
    study = place.study()
    study.look(NOW)
    assert seconds_left(study, 1, NOW) == 0


# What is drawn.


def drawn(study: Study, size: Size, left: float | None = 4000.0, note: str = "note") -> list[str]:
    console = Console(width=size.columns, height=size.rows, color_system=None, file=None)
    with console.capture() as capture:
        console.print(frame(study, left, NOW, size, note))
    return capture.get().splitlines()


def methods(root: Path) -> Study:
    """The study of 290 searches, with some of everything."""
    scale = load_scale(ROOT / "config/methods.yaml")
    study = Study(scale, root / "results", root / "logs")
    for number, condition in enumerate(study.conditions.values()):
        for seed, one in enumerate(condition):
            one.standing, one.at = standing(one.config.id), NOW - number
            if number < 20 or (number in (30, 31) and seed < 2):
                one.state, one.seconds = State.DONE, 60.0
            elif number in (30, 31) and seed == 2:
                one.state = State.RUNNING
            elif number == 25:
                one.state, one.fault = (
                    State.FAILED,
                    f"{one.config.id}: the loss is nan " + "x" * 200,
                )
    return study


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("rows", [12, 24, 50, 90])
def test_a_large_study_fits(tmp_path: Path, columns: int, rows: int) -> None:
    study = methods(tmp_path)
    lines = drawn(study, Size(columns, rows))
    assert len(lines) < rows
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "methods: 104 of 290 searches, 5 failed" in lines[0]
    running = [name for name, each in study.conditions.items() if each[2].state == State.RUNNING]
    glued = re.sub(r"\s", "", text)
    for name in running:
        assert name[:20] in glued, "what is under way is shown first"
    shown = sum(bool(re.search(r" \d/5 ", line)) for line in lines)
    rest = re.search(r"and (\d+) more conditions: (.*)", text)
    if rest is None:
        assert shown == len(study.conditions)
    else:
        assert shown + int(rest[1]) == len(study.conditions)
        counts = sum(map(int, re.findall(r"(\d+) [a-z]", rest[2])))
        assert counts == int(rest[1])
    assert f"failed: {list(study.conditions)[25]}_s" in text
    assert lines[-1].strip() == "note"


def test_a_row_says_it_all(tmp_path: Path) -> None:
    place = Place(tmp_path, seeds=16)
    for seed in range(15):
        place.done(NAME.format(seed))
    last = NAME.format(15)
    place.says(last, standing(last, 12, 8, gap=-0.25).line)
    study = place.study()
    study.look(NOW)
    lines = drawn(study, Size(80, 24))
    row = next(line for line in lines if line.startswith("E1_dsnas"))
    said = ["E1_dsnas_single_digits", "15/16", "s15", "12/20", "4/5", "-0.250"]
    assert row.split() == [*said, "0:08"]
    assert "about 1:06:40 left" in lines[0]
    narrow = drawn(study, Size(60, 24))
    row = next(line for line in narrow if line.startswith("E1_dsnas"))
    assert row.split() == said


def test_a_long_name_is_folded_not_cut(tmp_path: Path) -> None:
    name = "a-variant-with-a-name-so-long-that-it-cannot-stand-in-one-line"
    place = Place(tmp_path, variants={name: {}})
    study = place.study()
    lines = drawn(study, Size(60, 24))
    whole = next(iter(study.conditions))
    head = next(n for n, line in enumerate(lines) if line.startswith("condition"))
    assert whole in "".join(line.partition(" ")[0] for line in lines[head + 1 : -1])
    assert max(map(len, lines)) <= 60


def test_a_line_an_end_where_there_is_no_terminal(place: Place) -> None:
    place.says(S0, standing(S0).line)
    place.done(S0)
    place.says(S1, f"{S1}: the loss is nan", level="ERROR")
    study = place.study()
    done, failed = study.look(NOW)
    assert ended(study, done, 90.0) == (
        f"{S0}  done  edges kept 4/5  gap +0.125  tiny: 1 of 2 searches, 1 failed"
    )
    assert ended(study, failed, None).startswith(f"failed: {S1}: the loss is nan; tiny: 1 of 2")


def test_plain_lines_to_the_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wiring.watch.run.EVERY", 0.0)
    monkeypatch.chdir(place.root)
    place.done(S0)
    looks = []
    monkeypatch.setattr("time.sleep", lambda _: looks.append(place.done(S1)))
    result = CliRunner().invoke(app, ["watch", str(place.file)])
    assert result.exit_code == 0, result.output
    first, second = result.output.strip().splitlines()
    assert first.startswith("tiny: 1 of 2 searches, about 1:08 left")
    assert second == f"{S1}  done  tiny: 2 of 2 searches"
    assert len(looks) == 1


# In a terminal.


def runs(program: str) -> tuple[str, ...]:
    return ("--", sys.executable, "-c", program)


@pytest.mark.slow
def test_a_command_runs_behind_the_view(place: Place) -> None:
    place.done(S0)
    say = "print('spoken behind'); import sys; sys.exit(3)"
    terminal = Terminal(place.root, *command("watch", str(place.file), *runs(say)))
    assert terminal.end() == 3
    said = terminal.said.decode()
    assert "tiny: 1 of 2 searches" in said
    log = place.root / f"logs/tiny/{Path(sys.executable).name}.log"
    assert log.read_text() == "spoken behind\n"
    shown = said.partition("spoken behind")[2]
    assert "ended with 3" in shown, "a failure shows the end of what was said"


@pytest.mark.slow
def test_after_the_searches_it_counts_the_steps(place: Place) -> None:
    place.done(S0)
    place.done(S1)
    said = "2 of 9 steps (22%) done\n3 of 9 steps (33%) done\na job: 8 of 9 steps"
    say = f"import time; print({said!r}, flush=True); time.sleep(3)"
    terminal = Terminal(place.root, *command("watch", str(place.file), *runs(say)), columns=100)
    terminal.read(b"figures and pages, 3 of 9 steps (")
    assert terminal.end() == 0
    assert b"8 of 9" not in terminal.said


@pytest.mark.slow
def test_ctrl_c_reaches_the_command_once_and_is_waited_for(place: Place) -> None:
    program = (
        "import signal, sys, time\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(1))\n"
        "open('ready', 'w').close()\n"
        "while not got: time.sleep(0.05)\n"
        "time.sleep(1.0)\n"
        "print('ended', len(got), flush=True)\n"
        "sys.exit(7)\n"
    )
    terminal = Terminal(place.root, *command("watch", str(place.file), *runs(program)))
    terminal.read(b"Ctrl-C stops all")
    until = time.monotonic() + 60
    while not (place.root / "ready").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    os.write(terminal.file, b"\x03")
    assert terminal.end() == 7
    log = place.root / f"logs/tiny/{Path(sys.executable).name}.log"
    assert log.read_text() == "ended 1\n"
    assert b"Traceback" not in terminal.said


@pytest.mark.slow
@pytest.mark.parametrize("term", ["pipe", "dumb"])
def test_without_a_terminal_it_is_the_command(place: Place, term: str) -> None:
    say = "print('spoken'); import sys; sys.exit(3)"
    words = command("watch", str(place.file), *runs(say))
    if term == "dumb":
        terminal = Terminal(place.root, *words, term="dumb")
        assert terminal.end() == 3
        assert terminal.said.split() == [b"spoken"]
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, cwd=place.root, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "spoken\n")
    assert not (place.root / "logs").exists()


@pytest.mark.slow
def test_a_view_alone_follows_a_study_to_its_end(place: Place) -> None:
    place.says(S0, standing(S0).line, at=time.time())
    terminal = Terminal(place.root, *command("watch", str(place.file)), columns=60)
    terminal.read(b"s0 5/20")
    place.done(S0)
    place.done(S1)
    assert terminal.end() == 0
    assert b"tiny: 2 of 2 searches" in terminal.said


@pytest.mark.slow
def test_ctrl_c_ends_a_view_alone(place: Place) -> None:
    terminal = Terminal(place.root, *command("watch", str(place.file)))
    terminal.read(b"Ctrl-C ends this view")
    os.write(terminal.file, b"\x03")
    assert terminal.end() == 128 + signal.SIGINT
    assert b"Traceback" not in terminal.said
    assert terminal.said.count(b"\x1b[?25l") == terminal.said.count(b"\x1b[?25h"), (
        "a cursor is lost"
    )


def test_no_such_command(place: Place) -> None:
    result = CliRunner().invoke(app, ["watch", str(place.file), "--", "no-such-program"])
    assert result.exit_code == 2
    assert "no-such-program: no such program here" in result.output


def test_it_waits_for_no_torch() -> None:
    ask = "import sys, wiring.watch.run, wiring.watch.state; print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    said = subprocess.check_output([sys.executable, "-c", ask], env=environment, text=True)
    assert said == "False\n"


def test_make_reproduce_watches_the_scale_that_snakemake_runs() -> None:
    watched = re.search(
        r"wiring watch config/(.+?)\.yaml -- snakemake", (ROOT / "Makefile").read_text()
    )
    assert watched is not None
    assert watched[1] == WorkflowConfig().scale
