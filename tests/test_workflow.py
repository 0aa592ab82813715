"""The real workflow at the smoke scale, in a copy of the repository: what it makes and remakes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from wiring.config import load_scale
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
PARTS = ("Snakefile", "workflow", "profiles", "config", "src", "environment.yml", "dvc.yaml")
SMOKE = load_scale(ROOT / "config/smoke.yaml")
SEARCHES = SMOKE.searches()
CONDITIONS = {name.rpartition("_s")[0] for name in SEARCHES}
RESULTS = Path("results/smoke")
# What follows from any search: every table, verdict and figure.
FOLLOWS = {
    "dynamics": 1,
    "experiment_dynamics": len(SMOKE.experiments),
    "claims": 1,
    "draw": len(CONDITIONS),
    "overview": 1,
    "report": 1,
    "all": 1,
}

# One worker, or each would run the workflow for itself.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workflow")]


def copy(place: Path) -> Path:
    """A copy of the repository without results."""
    place.mkdir(parents=True)
    for name in PARTS:
        if (ROOT / name).is_dir() and not (ROOT / name).is_symlink():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    return place


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(place / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(
        words, cwd=place, env=environment, capture_output=True, text=True, timeout=600
    )


def snakemake(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(place, sys.executable, "-m", "snakemake", *words)


def planned(place: Path, *words: str) -> dict[str, int]:
    """Rule -> how many of its jobs a run would do."""
    done = snakemake(place, *words, "--dry-run", "--config", "scale=smoke")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    if "Nothing to be done" in text:
        return {}
    rows = re.findall(r"^(\w+) +(\d+)$", text.split("Job stats:")[-1], flags=re.MULTILINE)
    return {rule: int(count) for rule, count in rows if rule != "total"}


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """A file with a text replaced, for a while."""
    text, times = path.read_text(), path.stat()
    assert old in text
    path.write_text(text.replace(old, new))
    yield
    path.write_text(text)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the smoke scale has run."""
    place = copy(tmp_path_factory.mktemp("workflow") / "project")
    done = snakemake(place, "--config", "scale=smoke", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    # Searches say how far they are while they run.
    assert re.search(r"epoch \d+/\d+ .* left", done.stderr), done.stderr
    assert "tracking:" not in done.stderr  # what goes wrong there is only a warning
    return place


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("bare") / "project")


def test_everything_is_there(project: Path) -> None:
    for name in SEARCHES:
        trajectory = Trajectory.read(project / RESULTS / "trajectories" / name)
        assert trajectory.config == SEARCHES[name]
        assert trajectory.manifest["scale"] == "smoke"
        assert (project / f"logs/smoke/searches/{name}.log").read_text()
    assert not list((project / RESULTS).glob("checkpoints/*"))
    searches = pd.read_parquet(project / RESULTS / "dynamics/searches.parquet")
    assert set(searches["search"]) == set(SEARCHES)
    assert json.loads((project / RESULTS / "claims/claims.json").read_text())["verdicts"]
    for condition in CONDITIONS:
        names = {path.name for path in (project / RESULTS / "figures" / condition).iterdir()}
        assert names == {
            "probability.svg",
            "cost.svg",
            "statistics.svg",
            "wiring.svg",
            "wiring.gif",
        }
    report = (project / RESULTS / "report/index.html").read_text()
    assert all(name in report for name in SEARCHES)


def test_an_experiments_tables_are_its_part_of_all(project: Path) -> None:
    whole = pd.read_parquet(project / RESULTS / "dynamics/searches.parquet")
    for name in SMOKE.experiments:
        part = pd.read_parquet(project / RESULTS / f"experiments/{name}/searches.parquet")
        assert part.equals(whole[whole["experiment"] == name].reset_index(drop=True))


def test_mlflow_shows_every_row_of_the_trajectories(project: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    for name, search in SEARCHES.items():
        experiment = client.get_experiment_by_name(f"smoke/{search.experiment}")
        assert experiment is not None
        (found,) = client.search_runs([experiment.experiment_id], f"tags.search = '{name}'")
        assert found.info.status == "FINISHED"
        rows = pq.read_table(project / RESULTS / f"trajectories/{name}/steps.parquet").to_pandas()
        for split, part in rows.groupby("split"):
            history = client.get_metric_history(found.info.run_id, f"{split}/loss")
            shown = sorted((metric.step, metric.value) for metric in history)
            assert shown == list(zip(part["step"], part["loss"].astype(float), strict=True))


def test_mlflow_shows_the_figures_of_each_experiment(project: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    for name in SMOKE.experiments:
        experiment = client.get_experiment_by_name(f"smoke/{name}")
        assert experiment is not None
        (parent,) = client.search_runs([experiment.experiment_id], "tags.kind = 'experiment'")
        shown = {
            Path(item.path).name
            for folder in client.list_artifacts(parent.info.run_id, "figures")
            for item in client.list_artifacts(parent.info.run_id, folder.path)
        }
        assert {"wiring.gif", "probability.svg"} <= shown


def test_a_second_run_has_nothing_to_do(project: Path) -> None:
    assert planned(project) == {}


def test_an_experiment_is_a_target(project: Path) -> None:
    assert planned(project, "E1") == {}


def test_a_search_setting_reruns_the_searches_and_what_follows(project: Path) -> None:
    with edited(project / "config/smoke.yaml", "lr: 0.01", "lr: 0.02"):
        assert planned(project) == {"search": len(SEARCHES), **FOLLOWS}


def test_a_setting_of_some_searches_reruns_only_those(project: Path) -> None:
    override = "seeds: [0, 1]\n    overrides: [{method: darts, set: {alpha: {beta1: 0.6}}}]"
    with edited(project / "config/smoke.yaml", "seeds: [0, 1]", override):
        darts = sum(search.method == "darts" for search in SEARCHES.values())
        assert 0 < darts < len(SEARCHES)
        assert planned(project) == {"search": darts, **FOLLOWS}


def test_a_data_setting_reruns_all(project: Path) -> None:
    with edited(project / "config/smoke.yaml", "train_samples: 96", "train_samples: 97"):
        assert planned(project) == {"prepare": 1, "search": len(SEARCHES), **FOLLOWS}


@pytest.mark.parametrize(
    ("setting", "rules"),
    [
        ("claims: {growth: 0.06}", {"claims": 1, "report": 1, "all": 1}),
        (
            "report: {moments: [0.5]}",
            {"draw": len(CONDITIONS), "report": 1, "all": 1},
        ),
    ],
)
def test_a_setting_of_judging_or_drawing_reruns_no_search(
    project: Path, setting: str, rules: Mapping[str, int]
) -> None:
    with edited(project / "config/smoke.yaml", "scale: smoke", f"scale: smoke\n{setting}"):
        assert planned(project) == rules


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("space/plan.py", {"search": len(SEARCHES), **FOLLOWS}),
        ("trajectory/writer.py", {"search": len(SEARCHES), **FOLLOWS}),
        ("dynamics/summary.py", FOLLOWS),
        ("claims/judge.py", {"claims": 1, "report": 1, "all": 1}),
        (
            "figures/style.py",
            {"draw": len(CONDITIONS), "overview": 1, "report": 1, "all": 1},
        ),
        ("report/style.css", {"report": 1, "all": 1}),
        ("tracking/view.py", {}),
        ("cli.py", {}),
    ],
)
def test_changed_code_reruns_what_it_computes(
    project: Path, module: str, rules: Mapping[str, int]
) -> None:
    path = project / "src/wiring" / module
    with edited(path, "\n", "\n\n"):
        assert planned(project) == rules


def test_touched_code_reruns_nothing(project: Path) -> None:
    (project / "src/wiring/space/plan.py").touch()
    assert planned(project) == {}


def test_a_lost_figure_is_drawn_again(project: Path) -> None:
    figure = project / RESULTS / "figures/overview.svg"
    kept = figure.read_bytes(), figure.stat()
    figure.unlink()
    plan = planned(project, str(RESULTS / "figures/overview.svg"))
    figure.write_bytes(kept[0])
    os.utime(figure, ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))
    assert plan == {"overview": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"serch": {}}, "serch: unknown key"),
        ({"search": {"space": {"cell": 2}}}, "experiments.E1.search.space.cell: unknown key"),
        ({"search": {"train": {"epochs": "two"}}}, "experiments.E1.search.train.epochs"),
        ({"search": {"space": {"fix_edges": {"0-2": "conv"}}}}, "space.fix_edges.0-2: unknown op"),
        ({"search": {"space": {"delete_edges": ["0-9"]}}}, "unknown edge 0-9"),
        ({"search": {"weights": {"lr": -0.1}}}, "experiments.E1.search.weights.lr"),
        (
            {"datasets": {"digits": {"source": "digits", "test_fraction": 1.5}}},
            "datasets.digits.test_fraction",
        ),
        (
            {
                "datasets": {
                    "digits": {"source": "digits", "test_fraction": 0.2, "train_samples": 9}
                }
            },
            "datasets.digits.train_samples: 9 is impossible",
        ),
        (
            {"datasets": {"other": {"source": "digits", "test_fraction": 0.2}}},
            "experiments.E1.datasets: unknown dataset 'digits'",
        ),
        (
            {"experiments": {"figures": SMOKE.experiments["E1"].model_dump(mode="json")}},
            "experiments.figures: is the name of a rule",
        ),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value.split(":")[0],
)
def test_a_faulty_scale_is_refused_before_any_job(
    bare: Path, change: Mapping[str, object], says: str
) -> None:
    smoke = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
    (bare / "mine.yaml").write_text(yaml.safe_dump({**smoke, **change}))
    done = snakemake(bare, "--config", "scale=mine.yaml", "--cores", "1")
    assert done.returncode != 0
    sentences = [line for line in done.stderr.splitlines() if line.startswith("mine.yaml: ")]
    assert any(says in sentence for sentence in sentences), done.stderr
    assert "Traceback" not in done.stderr
    assert not (bare / "results").exists()


def test_an_unknown_scale_is_refused(bare: Path) -> None:
    done = snakemake(bare, "--config", "scale=huge")
    assert done.returncode != 0
    assert "scale=huge: no such file, expected one or any of embedded, paper, smoke" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("scale", ["embedded", "paper"])
def test_every_scale_is_planned_by_the_same_rules(bare: Path, scale: str) -> None:
    done = snakemake(bare, "--dry-run", "--config", f"scale={scale}")
    assert done.returncode == 0, done.stderr
    rules = set(re.findall(r"^(\w+) +\d+$", done.stdout + done.stderr, flags=re.MULTILINE))
    assert rules == {"prepare", "search", *FOLLOWS, "total"}


def test_the_slurm_profile_is_read(bare: Path) -> None:
    profile = yaml.safe_load((bare / "profiles/slurm/config.yaml").read_text())
    default = yaml.safe_load((bare / "profiles/default/config.yaml").read_text())
    assert profile["executor"] == "slurm"
    shared = set(default) - {"cores", "resources", "default-resources"}
    assert {key: profile[key] for key in shared} == {key: default[key] for key in shared}


def test_lint_finds_nothing(bare: Path) -> None:
    done = snakemake(bare, "--lint")
    assert done.returncode == 0, done.stderr


def test_snakemakes_own_report_works_offline(project: Path) -> None:
    done = snakemake(project, "--config", "scale=smoke", "--report", "snakemake.html")
    assert done.returncode == 0, done.stderr
    text = (project / "snakemake.html").read_text()
    assert "probability of each operation on each edge" in text, "no captions"
    assert "Conditions" in text, "no categories"


def test_dvc_records_pushes_and_restores(project: Path, tmp_path: Path) -> None:
    pipeline = (project / "dvc.yaml").read_text()
    (project / "dvc.yaml").write_text(pipeline.replace("scale: embedded", "scale: smoke"))
    (project / ".dvc").mkdir()
    shutil.copy2(ROOT / ".dvc/config", project / ".dvc/config")
    shutil.copy2(ROOT / ".dvcignore", project / ".dvcignore")
    (project / ".gitignore").write_text((ROOT / ".gitignore").read_text())

    def ok(place: Path, *words: str) -> str:
        done = run(place, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    dvc = (sys.executable, "-m", "dvc")
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")
    ok(project, *git, "init", "--quiet")
    ok(project, *dvc, "commit", "--force")
    ok(project, *dvc, "push")
    assert "up to date" in ok(project, *dvc, "status")
    assert planned(project) == {}, "recording the results must not make them stale"
    ok(project, *git, "add", "--all")
    ok(project, *git, "commit", "--quiet", "--message", "results")
    listed = ok(project, *git, "ls-files")
    assert "artifacts/files/md5" in listed
    assert "results/" not in listed
    clone = tmp_path / "clone"
    ok(tmp_path, *git, "clone", "--quiet", str(project), str(clone))
    ok(clone, *dvc, "pull")
    for path in (project / RESULTS).rglob("*"):
        inside = path.relative_to(project / RESULTS).parts[0]
        if path.is_file() and inside not in {"checkpoints", "experiments"}:
            assert (clone / path.relative_to(project)).read_bytes() == path.read_bytes()
    assert "up to date" in ok(clone, *dvc, "status")
    assert "snakemake" not in ok(clone, *dvc, "repro", "--dry")
    metrics = json.loads(ok(clone, *dvc, "metrics", "show", "--json"))
    shown = metrics[""]["data"]
    files = sorted((project / RESULTS / "dynamics/metrics").iterdir())
    assert len(files) == 4
    for file in files:
        assert shown[str(file.relative_to(project))]["data"] == json.loads(file.read_text())
