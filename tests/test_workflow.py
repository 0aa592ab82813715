"""The real workflow at the smoke scale, in a copy of the repository: what it makes and remakes."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests import forks
from tests.code_edits import METHOD, ROLES, other_layout, other_meaning, other_words
from tests.code_edits import edited as changed
from tests.ports import answers, other_addresses, silent_port
from tests.shared import copied, once, pipeline_of
from wiring.config import load_scale
from wiring.figures.catalogue import of_study, paths_of
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
PARTS = (
    "Snakefile",
    "workflow",
    "profiles",
    "config",
    "src",
    "dvc.yaml",
    "tools",
)
SMOKE = load_scale(ROOT / "config/smoke.yaml")
SEARCHES = SMOKE.searches()
RESULTS = Path("results/smoke")
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
(PUBLISHED,) = PIPELINE["vars"]
COMMANDS = {
    command
    for path in (ROOT / "workflow/rules").glob("*.smk")
    if SMOKE.audit or path.name != "audit.smk"
    for command in re.findall(r"wiring ((?:track )?\w+) ", path.read_text())
}
"""What rules and hooks start `wiring` for."""
SCALES = ", ".join(path.stem for path in sorted((ROOT / "config").glob("*.yaml")))
NO_SCALE = f"scale=huge: no such file from {{}}, expected a path from there, or one of {SCALES}"


def following(*experiments: str) -> dict[str, int]:
    """What has to be made again when searches (or the tables) of these experiments change."""
    count = len(experiments)
    return {
        "_tables": count,
        "_metrics": 1,
        "_series": 1,
        "_claims": count,
        **{f"_figures_{name}": 1 for name in experiments},
        "_overview": 1,
        "_index": 1,
        "_page": count,
        "_explorer": count,
        "_default": 1,
    }


def searching(*experiments: str, method: str | None = None) -> dict[str, int]:
    """The same, and the searches of these experiments (or those of a method): a job a condition."""
    conditions = {
        search.condition
        for search in SEARCHES.values()
        if search.experiment in experiments and method in (None, search.method)
    }
    jobs = Counter(f"_search_{condition.experiment}" for condition in conditions)
    return {**jobs, **following(*experiments)}


EXPERIMENTS = tuple(SMOKE.experiments)
READING = {rule: n for rule, n in following(*EXPERIMENTS).items() if rule != "_explorer"}
JUDGING = {"_claims": len(EXPERIMENTS), "_index": 1, "_page": len(EXPERIMENTS), "_default": 1}
DRAWING = {
    **{f"_figures_{name}": 1 for name in EXPERIMENTS},
    "_index": 1,
    "_page": len(EXPERIMENTS),
    "_default": 1,
}

pytestmark = pytest.mark.slow


def home(experiment: str) -> Path:
    return RESULTS / "experiments" / experiment


def trajectory_of(name: str) -> Path:
    return home(SEARCHES[name].experiment) / "trajectories" / name


def first_of(experiment: str) -> str:
    """The id of an experiment's first search."""
    return next(name for name, search in SEARCHES.items() if search.experiment == experiment)


def copy(place: Path) -> Path:
    """A copy of the repository without results, with what Numba has compiled of it."""
    forks.begin()
    copied(ROOT, PARTS, place, "*.pyc")
    return place


def environment(place: Path, *, forked: bool = True) -> dict[str, str]:
    """The environment in which the commands of this Python run the package of `place`.

    Where a command is `forked`, it finds imported what is not the project's.
    """
    folders = [forks.commands()] if forked else []
    folders.append(Path(sys.executable).parent)
    variables = {
        **os.environ,
        "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
        "PYTHONPATH": str(place / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    variables.pop("MLFLOW_TRACKING_URI", None)
    return variables


def run(
    place: Path, *words: str, code: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run words in a place, by the code of that copy or of another, with more variables."""
    variables = {**environment(code or place), **more}
    return subprocess.run(
        words, cwd=place, env=variables, capture_output=True, text=True, timeout=600
    )


def snakemake(
    place: Path, *words: str, code: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return forks.snakemake(place, words, environment(code or place))


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
def edited(path: Path, old: str, new: str, *, old_time: bool = False) -> Iterator[None]:
    """A file with a text replaced, for a while."""
    text, times = path.read_text(), path.stat()
    assert old in text
    path.write_text(text.replace(old, new))
    if old_time:
        os.utime(path, (0, 0))
    try:
        yield
    finally:
        path.write_text(text)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the smoke scale has run: of all workers, so nobody may change it."""

    def make(place: Path) -> None:
        copy(place)
        words = (sys.executable, "-m", "snakemake", "--config", "scale=smoke", "--cores", "2")
        first = tmp_path_factory.mktemp("first")
        done = run(place, *words, FIRST_FOR_REAL=str(first))
        assert done.returncode == 0, done.stdout + done.stderr
        assert {path.name.replace("-", " ") for path in first.iterdir()} == COMMANDS
        # Searches say how far they are while they run.
        assert re.search(r"epoch \d+/\d+ .* left", done.stderr), done.stderr
        assert "tracking:" not in done.stderr  # what goes wrong there is only a warning

    return once(tmp_path_factory, "workflow", make)


@pytest.fixture(scope="module")
def project(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This worker's copy of it, in which tests change something for a while."""
    place = tmp_path_factory.mktemp("project") / "project"
    return Path(shutil.copytree(made, place, symlinks=True))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("bare") / "project")


def test_everything_is_there(made: Path) -> None:
    for name, search in SEARCHES.items():
        trajectory = Trajectory.read(made / trajectory_of(name))
        assert trajectory.config == search
        assert trajectory.manifest["scale"] == "smoke"
        log = f"logs/smoke/experiments/{search.experiment}/{search.condition}-0.log"
        assert re.search(rf"{name}  epoch \d+/\d+ ", (made / log).read_text())
    assert not list((made / RESULTS).glob("checkpoints/*"))
    for name in EXPERIMENTS:
        own = [each for each, search in SEARCHES.items() if search.experiment == name]
        searches = pd.read_parquet(made / home(name) / "tables/searches.parquet")
        assert list(searches["search"]) == sorted(own)
        assert json.loads((made / home(name) / "claims.json").read_text())["verdicts"]
        for figure in paths_of(SMOKE, name):
            assert (made / home(name) / "figures" / figure).stat().st_size > 0
        page = (made / home(name) / "index.html").read_text()
        assert all(each in page for each in own)
        for each in own:
            run_id = json.loads((made / trajectory_of(each) / "manifest.json").read_text())[
                "mlflow_run_id"
            ]
            assert run_id in page
    assert "Where each pattern appears" in (made / RESULTS / "index.html").read_text()


def test_the_study_has_every_verdict_of_its_experiments(made: Path) -> None:
    index = (made / RESULTS / "index.html").read_text()
    found = [
        json.loads((made / home(name) / "claims.json").read_text())["verdicts"]
        for name in EXPERIMENTS
    ]
    assert sum(map(len, found)) > 50
    for verdict in (verdict for verdicts in found for verdict in verdicts):
        link = f'href="experiments/{verdict["experiment"]}/index.html#{verdict["condition"]}"'
        assert link in index
    for path in set(re.findall(r'href="(experiments/[^"#]+)', index)):
        assert (made / RESULTS / path).is_file()


PAGES = (RESULTS / "index.html", *(home(name) / "index.html" for name in EXPERIMENTS))


def targets(page: Path) -> set[str]:
    """The files that a page links to or shows, relative to it."""
    return set(map(unquote, re.findall(r'\b(?:href|src)="(?!http)([^"#]+)', page.read_text())))


def check_links(place: Path, *, of_the_store: bool = True) -> None:
    """What the pages link to is there; where no store is at hand, its page is not."""
    absent = set() if of_the_store else {"../../runs.html"}
    for page in PAGES:
        for link in targets(place / page) - absent:
            assert ((place / page).parent / link).is_file(), f"{page}: {link}"


def test_what_pages_link_to_is_there(made: Path) -> None:
    check_links(made)
    for name in EXPERIMENTS:
        own = {f"figures/{path}" for path in paths_of(SMOKE, name)}
        searches = [each for each, search in SEARCHES.items() if search.experiment == name]
        own |= {f"trajectories/{each}/manifest.json" for each in searches}
        assert own <= targets(made / home(name) / "index.html")


def test_each_figure_is_there_once(made: Path) -> None:
    for page in PAGES:
        assert "data:image" not in (made / page).read_text()


def test_mlflow_shows_every_row_of_the_trajectories(made: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{made}/mlflow.db")
    for name, search in SEARCHES.items():
        experiment = client.get_experiment_by_name(f"smoke/{search.experiment}")
        assert experiment is not None
        (found,) = client.search_runs([experiment.experiment_id], f"tags.search = '{name}'")
        assert found.info.status == "FINISHED"
        folder = made / trajectory_of(name)
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["mlflow_run_id"] == found.info.run_id
        rows = pq.read_table(folder / "windows.parquet").to_pandas()
        for split, part in rows.groupby("split"):
            history = client.get_metric_history(found.info.run_id, f"{split}/loss")
            shown = sorted((metric.step, metric.value) for metric in history)
            assert shown == list(zip(part["step"], part["loss"].astype(float), strict=True))


def test_mlflow_shows_the_figures_of_each_search(made: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{made}/mlflow.db")
    for name in SMOKE.experiments:
        experiment = client.get_experiment_by_name(f"smoke/{name}")
        assert experiment is not None
        every = paths_of(SMOKE, name)
        for run in client.search_runs([experiment.experiment_id]):
            own = str(SEARCHES[run.data.tags["search"]].condition)
            found = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
            wanted = [path for path in every if path.startswith(f"{own}/") or "/" not in path]
            assert found == {f"figures/{Path(path).name}" for path in wanted}


def test_a_second_run_has_nothing_to_do(project: Path) -> None:
    assert planned(project) == {}


def test_an_experiment_is_a_target(project: Path) -> None:
    assert planned(project, "E1") == {}


NOTHING: dict[str, int] = {}
# E0 too says which searches have the settings that it measured.
MEASURED = {"_claims": 2, "_page": 2}
SEEDS = "datasets: [digits]\n    seeds: [0, 1]\n"


@pytest.mark.parametrize(
    ("old", "new", "plan"),
    [
        ("lr: 0.01", "lr: 0.02", searching("E1", "E5", "E7")),
        (
            "title: Bi-level search",
            "title: Bi-level search\n    overrides: [{method: darts, set: {alpha: {beta1: 0.6}}}]",
            searching("E5", method="darts"),
        ),
        (
            "title: Bi-level search\n    methods: [dsnas, darts]",
            "title: Bi-level search\n    methods: [dsnas, darts, snas]",
            {"_search_E5": 1, **following("E5"), **MEASURED},
        ),
        (
            "free: {}",
            "free: {space: {delete_edges: [0-2]}}",
            {"_search_E7": 1, **following("E7"), **MEASURED},
        ),
        ("epochs: 2,", "epochs: 3,", searching(*EXPERIMENTS)),
        (
            "train_samples: 96",
            "train_samples: 96, label_noise: 0.1",
            {"_dataset": 1, **searching(*EXPERIMENTS)},
        ),
        ("scale: smoke", "scale: smoke\nclaims: {thresholds: {growth: 0.06}}", JUDGING),
        ("scale: smoke", "scale: smoke\nreadings: {bi: 2.0}", READING),
        ("scale: smoke", "scale: smoke\nreport: {snapshots: [0.5]}", DRAWING),
        ("scale: smoke", "# A comment.\nscale: smoke", NOTHING),
        ("epochs: 2,", "epochs:   2 ,", NOTHING),
        ("title: Bi-level search", "title: Other words", {"_index": 1, "_page": 1, "_default": 1}),
    ],
    ids=[
        *("rate", "override", "method", "intervention", "epochs", "noise"),
        *("threshold", "reading", "snapshots", "comment", "blanks", "title"),
    ],
)
def test_a_change_of_the_scale_reruns_what_it_touches(
    project: Path, old: str, new: str, plan: Mapping[str, int]
) -> None:
    with edited(project / "config/smoke.yaml", old, new):
        assert planned(project) == plan


def test_a_seed_added_runs_its_searches_only(project: Path) -> None:
    one = "title: Interventions\n    methods: [dsnas]\n    levels: [single]\n    " + SEEDS
    more = one.replace("[0, 1]", "[0, 1, 2]")
    with edited(project / "config/smoke.yaml", one, more):
        assert planned(project) == searching("E7")


def test_a_seed_removed_runs_no_search(project: Path) -> None:
    one = "title: Interventions\n    methods: [dsnas]\n    levels: [single]\n    " + SEEDS
    with edited(project / "config/smoke.yaml", one, one.replace("[0, 1]", "[0]")):
        assert planned(project) == following("E7")


# Old times of a search's, a table's and of no result's code; of the rest by `make test-all`.
OLD = ("supernet", "a pattern", "tracking")
CODE: list[tuple[str, Mapping[str, int]]] = [
    ("supernet", searching(*EXPERIMENTS)),
    ("costs", searching(*EXPERIMENTS)),
    ("writer", searching(*EXPERIMENTS)),
    ("a method", searching("E1", "E5", "E7", method=METHOD)),
    ("preparing", {"_dataset": 1, **searching(*EXPERIMENTS)}),
    ("settings", searching(*EXPERIMENTS)),  # of searches: no data is made by them
    ("a pattern", following(*EXPERIMENTS)),
    ("a verdict", JUDGING),
    ("scale", {**JUDGING, **DRAWING, "_overview": 1}),
    ("a figure", {**DRAWING, "_overview": 1}),
    ("style of pages", {"_index": 1, "_page": len(EXPERIMENTS), "_default": 1}),
    ("tracking", NOTHING),
    ("file handling", NOTHING),
    ("progress", NOTHING),
    ("command line", NOTHING),
]


@pytest.mark.parametrize(
    ("role", "plan", "old_time"),
    [
        pytest.param(
            role,
            plan,
            old_time,
            id=f"{role}-{'old' if old_time else 'new'} time",
            marks=[pytest.mark.long] if old_time and role not in OLD else [],
        )
        for role, plan in CODE
        for old_time in (False, True)
    ],
)
def test_changed_code_reruns_what_it_computes(
    project: Path, role: str, plan: Mapping[str, int], old_time: bool
) -> None:
    with changed(project / "src/wiring" / ROLES[role], other_meaning, old_time=old_time):
        assert planned(project) == plan


def test_a_learning_rate_of_the_code_reruns_every_search(project: Path) -> None:
    def other_rates(content: bytes) -> bytes:
        return re.sub(rb"(?m)^( +lr: \w+ = )[\d.e-]+", rb"\g<1>0.007", content)

    with changed(project / "src/wiring" / ROLES["settings"], other_rates):
        assert planned(project) == searching(*EXPERIMENTS)


def test_other_layout_comments_and_texts_rerun_nothing(project: Path) -> None:
    """In every module at once, errors and messages included."""
    with ExitStack() as edits:
        for path in (project / "src/wiring").rglob("*.py"):
            other = other_layout(other_words(path.read_text())).encode()
            edits.enter_context(changed(path, lambda _, other=other: other))
        (project / "README.md").write_text("edited")
        assert planned(project) == NOTHING


def test_what_is_new_reruns_no_search(project: Path) -> None:
    """A method, registered as an installed package has it; a verdict, a pattern and a figure."""
    source = project / "src"
    info = source / "novel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: novel\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wiring.methods]\nnovel = wiring.methods.novel:Novel\n")

    def novel(role: str) -> Path:
        return (source / "wiring" / ROLES[role]).with_name("novel.py")

    try:
        for role in ("a method", "a verdict"):
            novel(role).write_text("NOVEL = 1\n")
        assert planned(project) == NOTHING
        # Patterns and figures are collected: tables, verdicts, figures and pages, but no search.
        for role in ("a pattern", "a figure"):
            novel(role).write_text("NOVEL = 1\n")
        assert planned(project) == following(*EXPERIMENTS)
    finally:
        shutil.rmtree(info)
        for path in source.rglob("novel.py"):
            path.unlink()


def test_the_content_of_an_input_counts_and_its_time_does_not(project: Path) -> None:
    table = project / RESULTS / "datasets/digits/train.parquet"
    kept, times = table.read_bytes(), table.stat()
    table.touch()
    assert planned(project) == NOTHING
    table.write_bytes(kept + b"x")
    plan = planned(project)
    table.write_bytes(kept)
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert plan == searching(*EXPERIMENTS)


@pytest.mark.parametrize("file", ["windows.parquet", "manifest.json"])
def test_a_lost_trajectory_is_made_again(project: Path, file: str) -> None:
    lost = project / trajectory_of(first_of("E7")) / file
    kept, times = lost.read_bytes(), lost.stat()
    lost.unlink()
    plan = planned(project)
    lost.write_bytes(kept)
    os.utime(lost, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert plan == {"_search_E7": 1, **following("E7")}


def test_touched_code_reruns_nothing(project: Path) -> None:
    for path in (project / "src/wiring").rglob("*.py"):
        path.touch()
    (project / "config/smoke.yaml").touch()
    (project / "README.md").write_text("edited")
    assert planned(project) == NOTHING


def test_a_lost_figure_is_drawn_again(project: Path) -> None:
    figure = project / RESULTS / "overview.svg"
    kept = figure.read_bytes(), figure.stat()
    figure.unlink()
    plan = planned(project)
    figure.write_bytes(kept[0])
    os.utime(figure, ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))
    assert plan == {"_overview": 1, "_index": 1, "_default": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"serch": {}}, "serch: unknown key"),
        ({"defaults": {"space": {"cell": 2}}}, "defaults.space.cell: unknown key"),
        ({"defaults": {"train": {"epochs": "two"}}}, "defaults.train.epochs"),
        (
            {"defaults": {"space": {"fix_edges": {"0-2": "conv"}}}},
            "space.fix_edges.0-2: unknown op",
        ),
        ({"defaults": {"space": {"delete_edges": ["0-9"]}}}, "unknown edge 0-9"),
        ({"defaults": {"weights": {"lr": -0.1}}}, "defaults.weights.lr"),
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
    assert NO_SCALE.format(bare) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("sclae=smoke", "--config: sclae: unknown key, expected scale, seeds_per_job"),
        ("epochs=3", "--config: epochs: unknown key, expected scale, seeds_per_job"),
        ("scale=", "--config: scale: Input should be a valid string, got None"),
        ("scale=[a,b]", "--config: scale: Input should be a valid string"),
        ("seeds_per_job=0", "--config: seeds_per_job: Input should be greater than 0, got 0"),
        ("seeds_per_job=-3", "--config: seeds_per_job: Input should be greater than 0, got -3"),
        ("seeds_per_job=1.5", "--config: seeds_per_job: Input should be a valid integer, got 1.5"),
        (
            "seeds_per_job=all",
            "--config: seeds_per_job: Input should be a valid integer, got 'all'",
        ),
    ],
)
def test_what_snakemake_is_told_changes_something_or_is_refused(
    bare: Path, word: str, says: str
) -> None:
    done = snakemake(bare, "--dry-run", "--config", word)
    assert done.returncode != 0
    assert says in done.stderr.splitlines()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "scale", sorted(path.stem for path in (ROOT / "config").glob("*.yaml") if path.stem != "smoke")
)
def test_every_scale_is_planned_by_the_same_rules(bare: Path, scale: str) -> None:
    file = bare / f"config/{scale}.yaml"
    # Pictures of the user's own are not here: the archive, by the one line that the file names.
    own, archive = "source: folder, path: data/cifar10", "source: cifar10"
    with edited(file, own, archive) if own in file.read_text() else nullcontext():
        done = snakemake(bare, "--dry-run", "--config", f"scale={scale}")
    assert done.returncode == 0, done.stderr
    rules = set(re.findall(r"^([\w-]+) +\d+$", done.stdout + done.stderr, flags=re.MULTILINE))
    design = load_scale(ROOT / f"config/{scale}.yaml")
    experiments = design.experiments
    searches = {
        rule for rule in rules if re.fullmatch(rf"_search\d*_({'|'.join(experiments)})", rule)
    }
    assert len(searches) >= len(experiments)
    audit = {"_audit", "_charges"} if design.audit else set()
    assert rules - searches == {"_dataset", *following(*experiments), *audit, "total"}


def test_any_name_is_an_experiments(bare: Path) -> None:
    """Names of commands, rules, files and folders, and of another experiment's rules.

    And titles that would be wildcards, options or code.
    """
    names = ("all", "metrics", "search", "Index", "A", "A_figures", "figures_A", "tables", "1_A")
    title = "{x} {{experiment}} {wildcards.x} --all $HOME `date` 'a' \"b\" %s \\n <b>"
    design = {"title": title, "methods": ["dsnas"], "levels": ["single"], "seeds": [0]}
    experiments = {name: {**design, "datasets": ["digits"]} for name in names}
    datasets = {"digits": {"source": "digits", "test_fraction": 0.2}}
    text = yaml.safe_dump({"scale": "names", "datasets": datasets, "experiments": experiments})
    (bare / "names.yaml").write_text(text)
    for name in names:
        done = snakemake(bare, name, "--dry-run", "--config", "scale=names.yaml")
        assert done.returncode == 0, done.stderr
        plan = set(re.findall(r"^([\w-]+) +\d+$", done.stdout + done.stderr, flags=re.MULTILINE))
        own = {f"_search_{name}", f"_figures_{name}", name}
        own |= {"_tables", "_claims", "_page", "_explorer"}
        assert plan == {"_dataset", *own, "total"}
    done = snakemake(bare, "--dry-run", "--config", "scale=names.yaml")
    assert done.returncode == 0, done.stderr


def test_dvc_asks_snakemake_and_names_no_code_of_its_own() -> None:
    stage = PIPELINE["stages"]["study"]
    assert stage["do"]["cmd"][0] == "snakemake --config scale=${item}"
    assert stage["do"]["deps"] == ["src/wiring", "workflow"]
    assert stage["do"]["params"] == [{"config/${item}.yaml": None}]


def test_dvc_knows_which_published_scales_have_an_audit() -> None:
    found = [name for name in PUBLISHED["scales"] if load_scale(ROOT / f"config/{name}.yaml").audit]
    assert found == PUBLISHED["audits"] != []


@pytest.mark.parametrize(
    ("scale", "stages"), [("smoke", ["study"]), (PUBLISHED["audits"][0], ["study", "audit"])]
)
def test_dvc_records_every_result_of_snakemake(bare: Path, scale: str, stages: list[str]) -> None:
    outs = {
        path.replace("${item}", scale)
        for stage in stages
        for out in PIPELINE["stages"][stage]["do"]["outs"]
        for path in out
    }
    done = snakemake(bare, "--summary", "--config", f"scale={scale}")
    made = [line.split("\t")[0] for line in done.stdout.splitlines()[1:]]
    assert len(made) > 100
    for path in made:
        assert any(Path(path).is_relative_to(out) for out in outs), path


def test_dvc_shows_every_published_scale() -> None:
    plots = {
        name for plot in PIPELINE["plots"] for name in ([plot] if isinstance(plot, str) else plot)
    }
    for scale in PUBLISHED["scales"]:
        assert f"results/{scale}/metrics" in PIPELINE["metrics"]
        searches = load_scale(ROOT / f"config/{scale}.yaml").searches().values()
        learns = any(search.alpha.lr for search in searches)
        parts = ("overview.svg", "dose.svg", "series/gap", *(["series/none"] if learns else []))
        for part in parts:
            assert f"results/{scale}/{part}" in plots


def test_what_is_not_published_is_pictures_of_others_and_tables_of_some_scales() -> None:
    """Of a set that does not come with a package DVC tracks the manifest, and no pixels."""
    shipped = {"digits", "digit-pairs", "fashion"}
    ignored = (ROOT / ".dvcignore").read_text()
    of_pages = set(re.findall(r"^results/([\w-]+)/\*\*/\*\.parquet$", ignored, flags=re.MULTILINE))
    assert of_pages < set(PUBLISHED["scales"])
    tracked, kept_out = [], []
    for file in (ROOT / "config").glob("*.yaml"):
        scale = load_scale(file)
        results = Path("results", scale.scale)
        for name, dataset in scale.datasets.items():
            folder = results / "datasets" / name
            tracked.append(folder / "manifest.json")
            parts = [folder / "train.parquet", folder / "test.parquet"]
            whole = dataset.source in shipped and scale.scale not in of_pages
            (tracked if whole else kept_out).extend(parts)
        for experiment in scale.experiments:
            home = results / "experiments" / experiment
            tracked += [home / "index.html", home / "trajectories/a/manifest.json"]
            parts = [home / "tables/searches.parquet", home / "trajectories/a/windows.parquet"]
            (kept_out if scale.scale in of_pages else tracked).extend(parts)
    words = [
        str(Path(sys.executable).parent / "dvc"),
        "check-ignore",
        *map(str, (*tracked, *kept_out)),
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert len(kept_out) > len(of_pages) > 0
    assert done.stdout.split() == list(map(str, kept_out))


ELSEWHERE = {
    "another folder": ["-s", "{checkout}/Snakefile"],
    "workflow/Snakefile": ["-s", "{checkout}/workflow/Snakefile"],
    "--directory": ["-s", "{checkout}/Snakefile", "--directory", "{there}"],
    "a link to the checkout": ["-s", "{link}/Snakefile"],
}


@pytest.mark.parametrize("words", ELSEWHERE.values(), ids=ELSEWHERE)
def test_it_is_run_from_anywhere(
    bare: Path, tmp_path: Path, empty_store: Path, words: list[str]
) -> None:
    """Scales, profile, conda file and captions are beside the Snakefile, results are not."""
    places = {"checkout": bare, "there": tmp_path / "there", "link": tmp_path / "link"}
    places["there"].mkdir()
    shutil.copy2(empty_store, places["there"])
    places["link"].symlink_to(bare)
    options = [word.format(**places) for word in words]
    cwd = bare if "--directory" in words else places["there"]
    done = snakemake(cwd, *options, "-n", "--config", "scale=smoke", code=bare)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Using workflow specific profile" in said
    assert re.search(rf"^_page +{len(EXPERIMENTS)}$", said, re.MULTILINE)
    done = snakemake(cwd, *options, "-n", "--config", "scale=huge", code=bare)
    assert NO_SCALE.format(places["there"]) in done.stderr
    dataset = "results/smoke/datasets/digits/manifest.json"
    words = [dataset, "--config", "scale=smoke", "--cores", "1"]
    done = snakemake(cwd, *options, *words, code=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (places["there"] / dataset).is_file()
    with closing(sqlite3.connect(places["there"] / "mlflow.db")) as store:
        assert store.execute("select 1 from experiments where name = 'smoke/E1'").fetchone()
    assert not (bare / "results").exists()
    assert not (bare / "mlflow.db").exists()


def test_another_workflow_uses_it_as_a_module(
    bare: Path, tmp_path: Path, empty_store: Path
) -> None:
    """As the docs have it; one experiment is run, its page used, and handlers do their part."""
    shutil.copy2(empty_store, tmp_path)
    text = (ROOT / "docs/scales.md").read_text()
    example = text[text.index("module wiring:") :].partition("```")[0]
    snakefile = '"wiring/workflow/Snakefile"'
    assert snakefile in example
    (tmp_path / "Snakefile").write_text(example.replace(snakefile, f'"{bare}/workflow/Snakefile"'))
    done = snakemake(tmp_path, "--cores", "2", code=bare)
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(home("E3") / "index.html") in (tmp_path / "mine.txt").read_text()
    Trajectory.read(tmp_path / trajectory_of(first_of("E3")))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as store:
        found = {name for (name,) in store.execute("select name from experiments")}
    assert found >= {f"smoke/{name}" for name in EXPERIMENTS}


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
    assert "Probability of each operation on each edge" in text, "no captions"
    assert "Overview" in text, "no categories"


def searched(place: Path, *experiments: str) -> dict[str, bytes]:
    """Search -> its manifest, which says when it was run."""
    own = [name for name, search in SEARCHES.items() if search.experiment in experiments]
    return {name: (place / trajectory_of(name) / "manifest.json").read_bytes() for name in own}


def test_a_killed_run_is_unlocked_and_goes_on(tmp_path: Path, empty_store: Path) -> None:
    """SIGKILL to Snakemake and its searches, of which the first of a condition are finished.

    A lock is left, which the next run names; the finished searches are not run again.
    """
    place = copy(tmp_path / "project")
    shutil.copy2(empty_store, place)
    words = [sys.executable, "-m", "snakemake", "E7", "--config", "scale=smoke", "--cores", "2"]
    running = subprocess.Popen(
        words,
        cwd=place,
        env=environment(place, forked=False),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    done = place / RESULTS / "checkpoints/finished"
    # What is still being written has a name that begins with a dot, which `*` matches too.
    while running.poll() is None and not list(done.glob("[!.]*/manifest.json")):
        time.sleep(0.05)
    assert running.poll() is None, "it ended before it could be killed"
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    first = {path.relative_to(done): path.read_bytes() for path in done.glob("[!.]*/*")}
    assert first
    locked = snakemake(place, "E7", "--config", "scale=smoke", "--cores", "2")
    assert locked.returncode != 0
    assert "--unlock" in locked.stdout + locked.stderr
    assert snakemake(place, "--config", "scale=smoke", "--unlock").returncode == 0
    again = snakemake(place, "E7", "--config", "scale=smoke", "--cores", "2")
    assert again.returncode == 0, again.stderr
    for name, search in SEARCHES.items():
        if search.experiment == "E7":
            Trajectory.read(place / trajectory_of(name))
    for path, content in first.items():
        assert (place / home("E7") / "trajectories" / path).read_bytes() == content
    assert not done.exists()


def test_a_killed_job_loses_no_finished_seed(made: Path, tmp_path: Path) -> None:
    """Snakemake itself goes on, and removes all that the job was to make."""
    place = Path(shutil.copytree(made, tmp_path / "project", symlinks=True))
    names = [name for name, search in SEARCHES.items() if search.experiment == "E5"][:2]
    first, second = names
    assert SEARCHES[first].condition == SEARCHES[second].condition
    before = searched(place, "E5")
    shutil.rmtree(place / trajectory_of(second))
    # What runs the seeds is no code that results depend on, so that it can be made to die.
    job = place / "src/wiring/job/condition.py"
    begins = "        try:\n            run("
    dies = (
        "        if config.seed:\n            import signal\n\n            signal.raise_signal(9)\n"
    )
    with edited(job, begins, dies + begins):
        killed = snakemake(place, "E5", "--config", "scale=smoke", "--cores", "2")
        assert killed.returncode != 0
        assert not (place / trajectory_of(first) / "manifest.json").exists()
    done = snakemake(place, "E5", "--config", "scale=smoke", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    after = searched(place, "E5")
    assert {name for name in before if before[name] != after[name]} == {second}
    for name in names:
        Trajectory.read(place / trajectory_of(name))


def test_only_what_is_missing_is_searched(made: Path, tmp_path: Path) -> None:
    """A seed more, and a trajectory that is lost: the other seeds of the jobs are taken over."""
    place = Path(shutil.copytree(made, tmp_path / "project", symlinks=True))
    before = searched(place, "E3", "E7")
    lost = first_of("E7")
    shutil.rmtree(place / trajectory_of(lost))
    smoke = place / "config/smoke.yaml"
    head, e3, tail = smoke.read_text().partition("  E3:\n")
    smoke.write_text(head + e3 + tail.replace("seeds: [0]", "seeds: [0, 1]", 1))
    done = snakemake(place, "E3", "E7", "--config", "scale=smoke", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    after = searched(place, "E3", "E7")
    assert {name for name in before if before[name] != after[name]} == {lost}
    more = place / trajectory_of(first_of("E3"))
    Trajectory.read(more.with_name(more.name.replace("_s0", "_s1")))
    assert planned(place, "E3", "E7") == NOTHING


def test_how_seeds_are_shared_out_changes_no_result(project: Path) -> None:
    done = snakemake(project, "-n", "--config", "scale=smoke", "seeds_per_job=1")
    assert "Nothing to be done" in done.stdout + done.stderr
    with edited(project / "config/smoke.yaml", "lr: 0.01", "lr: 0.02"):
        done = snakemake(project, "-n", "--config", "scale=smoke", "seeds_per_job=1")
    plan = re.findall(r"^(_search\w+) +(\d+)$", done.stdout.split("Job stats:")[-1], re.MULTILINE)
    assert sum(int(count) for _, count in plan) == 8 + 4 + 4


SUFFIXES = {".csv", ".gif", ".html", ".json", ".parquet", ".svg"}
TEXTS = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())
DVC = (sys.executable, "-m", "dvc")
LOCKED = ("pyproject.toml", *(path.name for path in sorted(ROOT.glob("requirements*.txt"))))
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@localhost")


def ok(place: Path, *words: str) -> str:
    done = run(place, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def lend_environment(place: Path, *, forked: bool = True) -> None:
    """Let `make` take this very environment for the one that it would set up.

    Where it is `forked`, its Snakemake and its `wiring` are.
    """
    (place / ".venv").mkdir()
    for name in ("lib", "pyvenv.cfg"):
        (place / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    programs = {path.name: path for path in (Path(sys.prefix) / "bin").iterdir()}
    if forked:
        programs |= {path.name: path for path in forks.snakemakes().iterdir()}
    (place / ".venv/bin").mkdir()
    for name, path in programs.items():
        (place / ".venv/bin" / name).symlink_to(path)
    (place / ".venv/.installed").touch()


def test_the_ui_is_reached_from_this_machine_only(tmp_path: Path, empty_store: Path) -> None:
    """127.0.0.2 is this machine too: what listens on all addresses answers there."""
    place = tmp_path / "project"
    place.mkdir()
    for name in ("Makefile", *LOCKED):
        shutil.copy2(ROOT / name, place / name)
    shutil.copy2(empty_store, place)
    lend_environment(place, forked=False)
    with silent_port() as port:
        pass  # held no longer
    server = subprocess.Popen(
        ["make", "ui", f"PORT={port}"],
        cwd=place,
        env=environment(place),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answered = False
        while not answered:
            assert server.poll() is None, "it ended"
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as r:
                answered = r.status == 200
            time.sleep(0.1)
        assert [address for address in other_addresses() if answers(address, port)] == []
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def cloned(published: Path, place: Path, *, link: str = "copy") -> Path:
    """A clone into which the results have been pulled, as `make pull` does it."""
    ok(published, *GIT, "clone", "--quiet", str(published), str(place))
    (place / ".dvc/config.local").write_text(f"[cache]\n    type = {link}\n")
    ok(place, *DVC, "pull")
    for path in (place / RESULTS).rglob("*"):  # out of the cache in any order
        os.utime(path, (random.randrange(10**9, 2 * 10**9),) * 2)
    ok(place, sys.executable, "-m", "tools.pull")
    return place


@pytest.fixture(scope="module")
def published(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which the smoke scale is published: of all workers, nobody may change it."""

    def make(place: Path) -> None:
        shutil.copytree(made, place, symlinks=True)
        (place / "dvc.yaml").write_text(pipeline_of("smoke"))
        (place / ".dvc").mkdir()
        (place / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
        files = (".dvc/config", ".dvc/.gitignore", ".dvcignore", ".gitignore", "Makefile")
        for name in (*files, *LOCKED):
            shutil.copy2(ROOT / name, place / name)
        ok(place, "git", "init", "--quiet")
        for key in ("user.name", "user.email"):
            ok(place, "git", "config", key, "test@localhost")
        lend_environment(place, forked=False)
        ok(place, *GIT, "add", "--all")
        ok(place, *GIT, "commit", "--quiet", "--message", "code")
        ok(place, "make", "publish")

    return once(tmp_path_factory, "published", make)


def owned(published: Path, place: Path) -> Path:
    """A copy of one's own of what is published; what `make` starts in it is forked."""
    shutil.copytree(published, place, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    lend_environment(place)
    return place


def test_publishing_records_code_results_and_provenance_together(published: Path) -> None:
    listed = ok(published, *GIT, "show", "--stat=200", "--format=%s", "HEAD")
    assert listed.startswith("Results: smoke")
    for part in ("dvc.lock", "artifacts/files/md5"):
        assert part in listed
    tracked = ok(published, *GIT, "ls-files")
    assert "results/" not in tracked
    assert ".snakemake/" not in tracked
    listed = ok(published, *DVC, "list", ".", "results/smoke", "--dvc-only")
    assert "provenance.json" in listed.split()
    assert "up to date" in ok(published, *DVC, "status")
    assert planned(published) == NOTHING, "recording the results must not make them stale"
    assert ok(published, *GIT, "status", "--porcelain") == ""


def said_by(path: Path) -> str:
    """All the text in a file: of a table, its names, its metadata and its columns of text."""
    if path.suffix != ".parquet":
        return path.read_bytes().decode("utf-8", "replace")
    table = pq.read_table(path)
    columns = [table[field.name] for field in table.schema if field.type in TEXTS]
    said = [each for column in columns for each in column.unique().to_pylist()]
    return "\n".join([str(table.schema), str(pq.read_metadata(path).metadata), *map(str, said)])


def test_the_test_of_paths_sees_them(tmp_path: Path) -> None:
    table = pa.table({"text": ["in a column"], "n": [1]}, metadata={"k": "in the metadata"})
    pq.write_table(table, tmp_path / "t.parquet", compression="zstd")
    (tmp_path / "p.html").write_text("in a page")
    assert "in a page" in said_by(tmp_path / "p.html")
    for words in ("in a column", "in the metadata"):
        assert words in said_by(tmp_path / "t.parquet")


def test_no_path_of_this_machine_is_published(made: Path, published: Path) -> None:
    jobs = json.loads((published / RESULTS / "provenance.json").read_text())
    conditions = {str(search.condition) for search in SEARCHES.values()}
    # The dataset; of an experiment tables, claims, figures, explorer and page; of the study four.
    assert len(jobs) == 1 + len(conditions) + 5 * len(EXPERIMENTS) + 4
    tracked = ok(published, *GIT, "ls-files", "-z").split("\0")[:-1]
    code = [published / path for path in tracked if not path.startswith("artifacts/")]
    kept = [path for path in (published / RESULTS).rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} <= SUFFIXES
    names = [str(path) for path in (made, made.parent, ROOT, Path.home(), sys.prefix)]
    for path in (*filter(Path.is_file, code), *kept):
        content = said_by(path)
        assert [name for name in names if name in content] == [], path


def test_a_users_own_run_leaves_no_litter(
    published: Path, tmp_path: Path, empty_store: Path
) -> None:
    place = cloned(published, tmp_path / "clone")
    shutil.copy2(empty_store, place)
    with edited(
        place / "config/smoke.yaml",
        "scale: smoke",
        "scale: smoke\nclaims: {thresholds: {growth: 0.06}}",
    ):
        done = snakemake(place, "--config", "scale=smoke", "--cores", "2")
        assert done.returncode == 0, done.stderr
    assert ok(place, *GIT, "status", "--porcelain") == ""


@pytest.mark.parametrize("task", ["pull", "publish"])
def test_without_git_a_sentence_says_what_works(tmp_path: Path, task: str) -> None:
    """What a ZIP of the repository holds."""
    place = copy(tmp_path / "zip")
    done = run(place, sys.executable, "-m", f"tools.{task}")
    assert done.returncode != 0
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith(
        f"{task}: .git, .dvc/config, dvc.lock missing here: `make reproduce`"
    )
    assert "git clone" in sentence


@pytest.mark.parametrize("task", ["pull", "publish"])
def test_a_damaged_setting_of_dvcs_ends_in_a_sentence(tmp_path: Path, task: str) -> None:
    place = copy(tmp_path / "clone")
    for name in (".git", ".dvc"):
        (place / name).mkdir()
    (place / "dvc.lock").touch()
    for setting, said in (
        (b"garbage [", "Invalid line"),
        (b"\xff\xfe", "codec can't decode"),
        (b"[core]\n    colour = red\n", "extra keys not allowed"),
    ):
        (place / ".dvc/config").write_bytes(setting)
        done = run(place, sys.executable, "-m", f"tools.{task}")
        assert done.returncode != 0
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith(f"{task}: DVC's setting (.dvc/config, or one of your own): ")
        assert said in sentence


def test_publishing_drops_the_objects_of_former_results(published: Path, tmp_path: Path) -> None:
    place = owned(published, tmp_path / "project")
    before = {path for path in (place / "artifacts").rglob("*") if path.is_file()}
    former = place / "artifacts/files/md5/00/112233445566778899aabbccddeeff"
    former.parent.mkdir(exist_ok=True)
    former.write_text("of a run before")
    ok(place, "make", "publish")
    assert {path for path in (place / "artifacts").rglob("*") if path.is_file()} == before


def test_of_a_scale_the_pages_alone_can_be_published(published: Path, tmp_path: Path) -> None:
    place = owned(published, tmp_path / "project")
    with (place / ".dvcignore").open("a") as file:
        file.write("results/smoke/**/*.parquet\n")
    ok(place, *GIT, "commit", "--all", "--quiet", "--message", "its pages")
    ok(place, "make", "publish")
    assert len(list((place / RESULTS).rglob("*.parquet"))) > 100
    lend_environment(clone := cloned(place, tmp_path / "clone"))
    assert list((clone / RESULTS).rglob("*.parquet")) == []
    check_links(clone, of_the_store=False)
    assert planned(clone) == searching(*EXPERIMENTS) | {"_dataset": 1}
    # A publication from there leaves it alone, whatever the code has become, unless it was changed.
    with edited(clone / "src/wiring/patterns/growth.py", "RISE = 0.05", "RISE = 0.06"):
        ok(clone, *GIT, "commit", "--all", "--quiet", "--message", "another code")
        head = ok(clone, *GIT, "rev-parse", "HEAD")
        ok(clone, "make", "publish")
        assert ok(clone, *GIT, "rev-parse", "HEAD") == head
        page = clone / RESULTS / "index.html"
        page.chmod(0o644)
        page.write_text(page.read_text() + "<p>mine")
        assert "missing or stale" in run(clone, "make", "publish").stderr


def with_a_second_scale(published: Path, place: Path) -> Path:
    """A repository that publishes two scales, of which one is small, as a server offers it."""
    owned(published, place)
    pipeline = yaml.safe_load((place / "dvc.yaml").read_text())
    pipeline["vars"][0]["scales"].append("small")
    (place / "dvc.yaml").write_text(yaml.safe_dump(pipeline))
    shutil.copy2(place / "config/smoke.yaml", place / "config/small.yaml")
    for folder in ("datasets", "experiments", "metrics", "series"):
        (place / "results/small" / folder).mkdir(parents=True)
        (place / "results/small" / folder / "one.json").write_text(json.dumps(folder))
    for name in ("overview.svg", "dose.svg", "index.html"):
        (place / "results/small" / name).write_text(name)
    (place / "results/small/provenance.json").write_text("[]")
    ok(place, *DVC, "commit", "--force", "study@small")
    ok(place, *DVC, "push")
    ok(place, *GIT, "add", "--all")
    ok(place, *GIT, "commit", "--quiet", "--message", "two scales")
    ok(place, *GIT, "config", "uploadpack.allowFilter", "true")
    return place


def test_a_light_clone_has_no_result_but_those_that_are_pulled(
    published: Path, tmp_path: Path
) -> None:
    """As docs/dvc-mlflow.md tells it."""
    place = with_a_second_scale(published, tmp_path / "project")
    clone = tmp_path / "clone"
    words = ("--quiet", "--filter=blob:none", "--no-checkout", place.as_uri(), str(clone))
    ok(tmp_path, *GIT, "clone", *words)
    ok(clone, *GIT, "sparse-checkout", "set", "--no-cone", "/*", "!/artifacts/")
    ok(clone, *GIT, "checkout", "--quiet", ok(place, *GIT, "branch", "--show-current").strip())
    lend_environment(clone)
    assert not (clone / "artifacts").exists()
    objects = ok(clone, *GIT, "rev-list", "--objects", "--missing=print", "HEAD")
    assert objects.count("\n?") > 100, "objects of results came with the clone"

    assert "no scale 'nosuch' is published, but smoke, small" in (
        run(clone, "make", "pull", "SCALE=nosuch").stderr
    )
    assert "8 files checked" in ok(clone, "make", "pull", "SCALE=small")
    assert [path.name for path in (clone / "results").iterdir()] == ["small"]
    assert len([path for path in (clone / "artifacts").rglob("*") if path.is_file()]) == 12
    assert "git sparse-checkout disable" in run(clone, "make", "publish").stderr

    ok(clone, "make", "pull")
    assert planned(clone) == NOTHING
    assert ok(clone, *GIT, "status", "--porcelain") == ""
    assert ok(clone, *GIT, "sparse-checkout", "disable") == ""
    assert ok(clone, *GIT, "status", "--porcelain") == ""


def test_a_checkout_that_is_sparse_by_folders_is_told_what_to_add(
    published: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    ok(tmp_path, *GIT, "clone", "--quiet", "--sparse", str(published), str(clone))
    ok(clone, *GIT, "sparse-checkout", "set", "--cone", ".dvc", "config", "src", "tools")
    said = run(clone, sys.executable, "-m", "tools.pull").stderr
    assert "`git sparse-checkout add artifacts`, then pull" in said
    ok(clone, *GIT, "sparse-checkout", "add", "artifacts")
    assert "checked" in ok(clone, sys.executable, "-m", "tools.pull")


def test_publishing_moves_to_another_remote(published: Path, tmp_path: Path) -> None:
    place, remote = owned(published, tmp_path / "project"), tmp_path / "remote"
    ok(place, "make", "publish", f"REMOTE={remote}")
    assert len([path for path in remote.rglob("*") if path.is_file()]) > 100
    assert ok(place, *GIT, "status", "--porcelain") == ""
    clone = tmp_path / "clone"
    ok(place, *GIT, "clone", "--quiet", str(place), str(clone))
    shutil.rmtree(clone / "artifacts")
    ok(clone, sys.executable, "-m", "tools.pull")
    assert planned(clone) == NOTHING


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("tree", "the tree has changes"),
        ("stale", "results of smoke are missing or stale"),
        ("damaged", "SHA-256 is"),
        ("stray", "nothing in smoke makes these files any more"),
    ],
)
def test_publishing_refuses(published: Path, tmp_path: Path, fault: str, says: str) -> None:
    place = owned(published, tmp_path / "project")
    if fault == "tree":
        (place / "Snakefile").write_text((place / "Snakefile").read_text() + "\n")
    elif fault == "stale":
        config = place / "config/smoke.yaml"
        config.write_text(config.read_text().replace("lr: 0.01", "lr: 0.02"))
        ok(place, *GIT, "commit", "--all", "--quiet", "--message", "another rate")
    elif fault == "stray":
        (place / home("E1") / "trajectories/E1_of_old").mkdir()
        (place / home("E1") / "trajectories/E1_of_old/windows.parquet").touch()
    else:
        # With its old time, so that only the manifest can tell.
        file = place / trajectory_of(next(iter(SEARCHES))) / "windows.parquet"
        times = file.stat()
        file.chmod(0o644)
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    head = ok(place, *GIT, "rev-parse", "HEAD")
    done = run(place, "make", "publish")
    assert done.returncode != 0
    assert says in done.stdout + done.stderr
    assert ok(place, *GIT, "rev-parse", "HEAD") == head


@pytest.mark.parametrize("clones", [1, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_a_fresh_clone_has_nothing_to_do_and_misses_no_change(
    published: Path, tmp_path: Path, link: str, clones: int
) -> None:
    for number in range(clones):
        place = cloned(published, tmp_path / f"another place {number}", link=link)
        assert planned(place) == NOTHING
    with edited(place / "config/smoke.yaml", "lr: 0.01", "lr: 0.02"):
        assert planned(place) == searching("E1", "E5", "E7")
    with changed(place / "src/wiring" / ROLES["a pattern"], other_meaning, old_time=True):
        assert planned(place) == following(*EXPERIMENTS)


def test_a_pull_brings_every_byte_and_dvc_agrees(published: Path, tmp_path: Path) -> None:
    clone = cloned(published, tmp_path / "clone")
    for path in (published / RESULTS).rglob("*"):
        inside = path.relative_to(published / RESULTS).parts[0]
        if path.is_file() and inside not in {"checkpoints", "runs.html"}:
            assert (clone / path.relative_to(published)).read_bytes() == path.read_bytes()
    check_links(clone, of_the_store=False)
    assert "up to date" in ok(clone, *DVC, "status")
    assert "snakemake" not in ok(clone, *DVC, "repro", "--dry")
    metrics = json.loads(ok(clone, *DVC, "metrics", "show", "--json"))
    shown = metrics[""]["data"]
    files = sorted((published / RESULTS / "metrics").iterdir())
    assert len(files) == len({str(search.condition) for search in SEARCHES.values()})
    for file in files:
        known = {k: v for k, v in json.loads(file.read_text()).items() if v is not None}
        assert shown[str(file.relative_to(published))]["data"] == known


def test_mlflow_is_rebuilt_from_a_pull_once(
    published: Path, tmp_path: Path, empty_store: Path
) -> None:
    from mlflow import MlflowClient

    clone = cloned(published, tmp_path / "clone")
    shutil.copy2(empty_store, clone)
    folders = [str(clone / trajectory_of(name)) for name in SEARCHES]
    client = MlflowClient(f"sqlite:///{clone}/mlflow.db")
    for _ in range(2):
        ok(clone, "wiring", "track", "replay", *folders)
        found = {}
        for name in SMOKE.experiments:
            experiment = client.get_experiment_by_name(f"smoke/{name}")
            assert experiment is not None
            for one in client.search_runs([experiment.experiment_id], "tags.kind = 'search'"):
                assert one.data.tags["search"] not in found, "shown twice"
                found[one.data.tags["search"]] = one.data.tags["recorded_run_id"]
        assert found == {
            Path(folder).name: json.loads(Path(folder, "manifest.json").read_text())[
                "mlflow_run_id"
            ]
            for folder in folders
        }


def test_dvc_tells_what_changed_between_two_commits(published: Path, tmp_path: Path) -> None:
    place = owned(published, tmp_path / "project")
    config = place / "config/smoke.yaml"
    one = "title: Interventions\n    methods: [dsnas]\n    levels: [single]\n    " + SEEDS
    config.write_text(config.read_text().replace(one, one.replace("[0, 1]", "[0]")))
    assert "study@smoke" in ok(place, *DVC, "status")
    ok(place, *GIT, "commit", "--all", "--quiet", "--message", "one seed")
    done = snakemake(place, "--config", "scale=smoke", "--cores", "2")
    assert done.returncode == 0, done.stderr
    for of_old in (place / home("E7") / "trajectories").glob("E7_*_s1"):
        shutil.rmtree(of_old)
    ok(place, "make", "publish")
    params = json.loads(ok(place, *DVC, "params", "diff", "HEAD~2", "--json"))
    assert list(params) == ["config/smoke.yaml"]
    assert list(params["config/smoke.yaml"]) == ["experiments.E7.seeds"]
    metrics = json.loads(ok(place, *DVC, "metrics", "diff", "HEAD~2", "--json"))
    conditions = {Path(path).stem for path in metrics}
    assert conditions == {c for c in conditions if c.startswith("E7_")} != set()
    ok(place, *DVC, "plots", "diff", "HEAD~2", "-o", "plots")
    assert len(list((place / "plots").rglob("*.svg"))) == 2 * len(of_study(SMOKE))
    plots = json.loads(ok(place, *DVC, "plots", "diff", "HEAD~2", "--json", "-o", "plots"))
    assert "errors" not in plots
    charts = {path: shown for path, (shown, *_) in plots["data"].items() if path.endswith(".csv")}
    files = sorted((place / RESULTS).glob("series/*/*.csv"))
    assert sorted(charts) == [str(path.relative_to(place)) for path in files]
    for chart in charts.values():
        assert set(chart["revisions"]) == {"HEAD~2", "workspace"}


def test_a_damaged_artifact_is_named_and_made_again_alone(published: Path, tmp_path: Path) -> None:
    place = owned(published, tmp_path / "project")
    name = first_of("E7")
    file = place / trajectory_of(name) / "windows.parquet"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    done = snakemake(place, "--config", "scale=smoke", "--cores", "2")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert re.search(rf"{name}/windows.parquet: SHA-256 is \w+, expected", said), said
    shutil.rmtree(file.parent)
    plan = planned(place)
    assert plan.pop("_search_E7") == 1
    assert plan == following("E7")


@pytest.mark.parametrize(
    ("path", "plan"),
    [
        ("overview.svg", {"_overview": 1, "_index": 1, "_default": 1}),
        (
            f"experiments/E3/figures/{paths_of(SMOKE, 'E3')[0]}",
            {"_figures_E3": 1, "_page": 1, "_index": 1, "_default": 1},
        ),
    ],
    ids=["a file of its own", "a file of a folder"],
)
def test_what_was_damaged_on_its_way_is_removed_and_made_again_alone(
    published: Path, tmp_path: Path, path: str, plan: Mapping[str, int]
) -> None:
    """DVC links a folder's files without a look at what it fetched."""
    clone = tmp_path / "clone"
    ok(published, *GIT, "clone", "--quiet", str(published), str(clone))
    lend_environment(clone)
    assert "checked" in ok(clone, "make", "pull")
    assert planned(clone) == NOTHING
    figure = clone / RESULTS / path
    md5 = hashlib.md5(figure.read_bytes(), usedforsecurity=False).hexdigest()
    shutil.rmtree(clone / ".dvc/cache")
    shutil.rmtree(clone / "results")
    object_ = clone / "artifacts/files/md5" / md5[:2] / md5[2:]
    object_.chmod(0o644)
    object_.write_bytes(object_.read_bytes()[:-1] + b"x")
    done = run(clone, "make", "pull")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert f"{RESULTS}/{path}: not what was published (MD5" in said, said
    assert not figure.exists()
    assert planned(clone) == plan
