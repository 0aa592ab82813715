"""What DVC shows between two commits, by the project's own dvc.yaml: of synthetic searches."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.shared import pipeline_of
from tests.synthetic import Course, config, fails, grows, stays, write_search
from wiring.dynamics import Dynamics, write_metrics, write_series
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
(SCALE, *_) = PIPELINE["vars"][0]["scales"]
RESULTS, FILE = Path("results", SCALE), Path("config", f"{SCALE}.yaml")
CHANGED, KEPT = "E1_dsnas_single_digits", "E5_dsnas_bi_digits"

pytestmark = pytest.mark.slow


def ask(place: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(place: Path, *words: str) -> Any:
    return json.loads(ask(place, sys.executable, "-m", "dvc", *words, "HEAD~1", "--json"))


def commit(place: Path, course: Course) -> None:
    """Commit the numbers of two conditions, one of which takes this course."""
    searches = [
        (config(), course),
        (config(seed=1), course),
        (config(experiment="E5", level="bi"), stays),
    ]
    folder = place.parent / course.__name__
    read = [Trajectory.read(write_search(folder, one, way)) for one, way in searches]
    write_metrics(Dynamics.of(read), place / RESULTS / "metrics")
    write_series(Dynamics.of(read), place / RESULTS / "series")
    shutil.copytree(place / RESULTS / "series", folder / "series")
    ask(place, sys.executable, "-m", "dvc", "commit", "--force", "--quiet")
    ask(place, "git", "add", "--all")
    ask(place, "git", "commit", "--quiet", "--message", course.__name__)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two commits: another course of one condition, another rate of all."""
    place = tmp_path_factory.mktemp("dvc") / "project"
    for name in (".dvc/config", ".dvcignore", ".gitignore", str(FILE)):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name)
    (place / "dvc.yaml").write_text(pipeline_of(SCALE))
    stage = PIPELINE["stages"]["study"]
    outs = [path.replace("${item}", SCALE) for out in stage["do"]["outs"] for path in out]
    for path in (place / name for name in [*stage["do"]["deps"], *outs]):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_text("<svg/>")
        else:
            path.mkdir()
            (path / "a").touch()
    ask(place, "git", "init", "--quiet")
    for key in ("user.name", "user.email"):
        ask(place, "git", "config", key, "test@localhost")
    commit(place, grows)
    text = (place / FILE).read_text()
    assert "\n  alpha: {lr: 0.01}\n" in text
    (place / FILE).write_text(text.replace("\n  alpha: {lr: 0.01}\n", "\n  alpha: {lr: 0.02}\n"))
    commit(place, fails)
    return place


def test_params_diff_names_the_field(place: Path) -> None:
    assert dvc(place, "params", "diff") == {
        str(FILE): {"defaults.alpha.lr": {"old": 0.01, "new": 0.02, "diff": 0.01}}
    }


def test_metrics_diff_names_the_condition_and_its_numbers(place: Path) -> None:
    found = dvc(place, "metrics", "diff")
    assert list(found) == [str(RESULTS / "metrics" / f"{CHANGED}.json")]
    (growth,) = (numbers["growth"] for numbers in found.values())
    assert growth["old"] > growth["new"] == 0


def test_plots_diff_draws_a_line_a_revision_and_class(place: Path) -> None:
    found = dvc(place, "plots", "diff", "-o", "plots")
    assert "errors" not in found
    charts = {path: shown for path, (shown, *_) in found["data"].items() if path.endswith(".csv")}
    series = RESULTS / "series"
    names = [f"{part}/{one}.csv" for part in ("gap", "none") for one in (CHANGED, KEPT)]
    assert sorted(charts) == [str(series / name) for name in names]
    courses = {"HEAD~1": grows.__name__, "workspace": fails.__name__}
    for name in names:
        content = charts[str(series / name)]["content"]
        points = pd.DataFrame(content["data"]["values"])
        assert set(points["rev"]) == set(courses)
        tables = [pd.read_csv(place.parent / one / "series" / name) for one in courses.values()]
        for revision, table in zip(courses, tables, strict=True):
            own = points[points["rev"] == revision]
            for column in table.columns[1:]:
                line = own[own["field"] == column] if "field" in own else own
                value = "dvc_inferred_y_value" if "field" in own else column
                for drawn, known in (("share", "share"), (value, column)):
                    shown = pd.to_numeric(line[drawn])
                    np.testing.assert_allclose(shown, table[known], rtol=1e-12)
        assert tables[0].equals(tables[1]) == (name != f"none/{CHANGED}.csv")
        assert content["encoding"]["x"]["title"] == "share of the search done"
