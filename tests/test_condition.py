"""The seeds of a condition in one process: each as if alone, and none run twice."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from typer.testing import CliRunner

from wiring.cli import app
from wiring.config import DatasetConfig, SearchConfig
from wiring.data.prepare import prepare
from wiring.files import link_dir
from wiring.job import condition
from wiring.job.condition import run_condition
from wiring.job.run import SearchError, StoppedError, run
from wiring.job.stops import SIGNALS, Stops
from wiring.trajectory import Trajectory


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    config = DatasetConfig(source="digits", test_fraction=0.2, train_samples=96)
    prepare(config, folder / "digits", folder / "cache")
    return folder / "digits"


@pytest.fixture(autouse=True)
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were really run; MLflow has tests of its own."""
    monkeypatch.setattr("wiring.job.run.Tracker", lambda *_: Mock(run_id=None))
    seeds: list[int] = []

    def noted(config: SearchConfig, *rest: Any) -> None:
        seeds.append(config.seed)
        run(config, *rest)

    monkeypatch.setattr(condition, "run", noted)
    return seeds


def config(seed: int, **changes: Any) -> SearchConfig:
    raw = {
        "experiment": "E1",
        "dataset": "digits",
        "method": "dsnas",
        "level": "single",
        "seed": seed,
        "space": {"cells": 1, "nodes": 2, "channels": 2},
        "alpha": {"lr": 0.05},
        "train": {"epochs": 1, "batch_size": 24},
    }
    return SearchConfig.model_validate({**raw, **changes})


def job(data: Path, root: Path, *seeds: int, **changes: Any) -> None:
    configs = [config(seed, **changes) for seed in seeds]
    run_condition(configs, "test", data, root / "out", root / "checkpoints")


def made(root: Path, seed: int) -> Trajectory:
    return Trajectory.read(root / "out" / config(seed).id)


def test_each_seed_is_as_if_it_ran_alone(data: Path, tmp_path: Path, ran: list[int]) -> None:
    job(data, tmp_path, 0, 1, 2)
    assert ran == [0, 1, 2]
    run(config(2), "test", data, tmp_path / "alone", tmp_path / "c")
    assert (
        made(tmp_path, 2).manifest["files"] == Trajectory.read(tmp_path / "alone").manifest["files"]
    )
    assert (
        len({made(tmp_path, seed).manifest["files"]["windows.parquet"] for seed in (0, 1, 2)}) == 3
    )


def test_a_job_whose_results_were_removed_runs_nothing_again(
    data: Path, tmp_path: Path, ran: list[int]
) -> None:
    """As a scheduler does when the job was killed after its work was done."""
    job(data, tmp_path, 0, 1)
    first = made(tmp_path, 0).manifest
    for seed in (0, 1):
        for file in (tmp_path / "out" / config(seed).id).iterdir():
            file.unlink()
    job(data, tmp_path, 0, 1)
    assert ran == [0, 1]
    assert made(tmp_path, 0).manifest == first


def test_a_seed_that_fails_stops_no_other_and_is_run_again_alone(
    data: Path, tmp_path: Path, ran: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = condition.run

    def fails(config: SearchConfig, *rest: Any) -> None:
        if config.seed == 1:
            raise SearchError("the loss is inf")
        noted(config, *rest)

    monkeypatch.setattr(condition, "run", fails)
    with pytest.raises(SearchError, match=r"1 of 3 searches failed \(E1_dsnas_single_digits_s1\)"):
        job(data, tmp_path, 0, 1, 2)
    assert ran == [0, 2]
    assert not (tmp_path / "out").exists(), "a scheduler takes what is there for all there is"
    monkeypatch.setattr(condition, "run", noted)
    job(data, tmp_path, 0, 1, 2)
    assert ran == [0, 2, 1]
    assert [made(tmp_path, seed).config.seed for seed in (0, 1, 2)] == [0, 1, 2]


def test_a_stop_stops_all(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []

    def stops(config: SearchConfig, *_: Any) -> None:
        seeds.append(config.seed)
        raise StoppedError("stopped", 15)

    monkeypatch.setattr(condition, "run", stops)
    with pytest.raises(StoppedError):
        job(data, tmp_path, 0, 1)
    assert seeds == [0]


def test_a_stop_in_the_last_epoch_of_a_seed_begins_no_other(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search is whole by then, so it does not stop; it must not be the next that does."""
    stops, begun = Stops(patient=True), []

    def run_and_be_asked(config: SearchConfig, *args: Any) -> None:
        begun.append(config.seed)
        run(config, *args)
        stops.asked = 15

    monkeypatch.setattr(condition, "run", run_and_be_asked)
    configs = [config(seed) for seed in (0, 1)]
    places = (data, tmp_path / "out", tmp_path / "checkpoints")
    with pytest.raises(StoppedError, match="_s1: stopped by SIGTERM before it began") as stopped:
        run_condition(configs, "test", *places, stops)
    assert stopped.value.signal == 15
    assert begun == [0]
    stops.asked = None
    run_condition(configs, "test", *places, stops)
    assert begun == [0, 1]


def other_code(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").unlink()  # a link leads to what is at its place
    (folder / "manifest.json").write_text(json.dumps({**manifest, "code_sha256": "0" * 64}))


def other_data(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["dataset"]["files"]["train.parquet"] = "0" * 64
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def damage(folder: Path) -> None:
    content = (folder / "windows.parquet").read_bytes()
    (folder / "windows.parquet").unlink()
    (folder / "windows.parquet").write_bytes(content[:-1] + b"x")


def incomplete(folder: Path) -> None:
    (folder / "epochs.parquet").unlink()


@pytest.mark.parametrize("fault", [other_code, other_data, damage, incomplete])
def test_what_was_made_otherwise_is_made_again(
    data: Path, tmp_path: Path, ran: list[int], fault: Callable[[Path], None]
) -> None:
    job(data, tmp_path, 0)
    fault(tmp_path / "checkpoints/finished" / config(0).id)
    job(data, tmp_path, 0)
    assert ran == [0, 0]
    assert made(tmp_path, 0).config == config(0)


def test_other_settings_are_searched_again(data: Path, tmp_path: Path, ran: list[int]) -> None:
    job(data, tmp_path, 0)
    job(data, tmp_path, 0, alpha={"lr": 0.06})
    assert ran == [0, 0]
    assert made(tmp_path, 0).config.alpha.lr == 0.06


def test_a_folder_is_linked_whole_and_copied_where_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("a")
    (source / "b").symlink_to(source / "a")  # as DVC may have put it
    link_dir(source, tmp_path / "linked")
    assert (tmp_path / "linked/a").samefile(source / "a")
    assert not (tmp_path / "linked/b").is_symlink()

    def cannot(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("wiring.files.os.link", cannot)
    link_dir(source, tmp_path / "linked")
    assert not (tmp_path / "linked/a").samefile(source / "a")
    assert {path.name: path.read_text() for path in (tmp_path / "linked").iterdir()} == {
        "a": "a",
        "b": "a",
    }


def test_one_search_by_name(
    tmp_path: Path, ran: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`wiring search SCALE ID`: dataset and results are where the workflow has them."""
    monkeypatch.chdir(tmp_path)
    design = {
        "scale": "mine",
        "datasets": {"digits": {"source": "digits", "test_fraction": 0.2, "train_samples": 96}},
        "defaults": {
            "space": {"cells": 1, "channels": 2},
            "train": {"epochs": 1, "batch_size": 24},
        },
        "experiments": {
            "E1": {
                "title": "One",
                "methods": ["dsnas"],
                "levels": ["single"],
                "datasets": ["digits"],
                "seeds": [4, 5],
            }
        },
    }
    Path("mine.yaml").write_text(yaml.safe_dump(design))
    name = "E1_dsnas_single_digits_s5"
    handlers = [signal.getsignal(number) for number in SIGNALS]
    done = CliRunner().invoke(app, ["search", "mine.yaml", name])
    assert done.exit_code == 0, done.output
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
    assert ran == [5]
    (place,) = (line for line in done.output.splitlines() if line.endswith(name))
    assert Path(place) == Path(f"results/mine/experiments/E1/trajectories/{name}")
    assert Trajectory.read(Path(place)).config.seed == 5
    assert Path("results/mine/datasets/digits/manifest.json").is_file()
