"""The command line: what it refuses and how it ends; config/README.md: that it tells all."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from tests import synthetic
from wiring import config
from wiring.cli import BAD_INPUT, app
from wiring.config import load_scale, plugins
from wiring.config import scale as design
from wiring.config.model import FileModel, Model
from wiring.config.search import settings_model
from wiring.data.sources.digit_pairs import DigitPairsSettings
from wiring.methods.settings import SNASSettings, Temperature

ROOT = Path(__file__).parents[1]
SMOKE = yaml.safe_load((ROOT / "config/smoke.yaml").read_text())
SECTIONS = {
    "Top level": design.ScaleConfig,
    "datasets": config.DatasetConfig,
    "digit-pairs": DigitPairsSettings,
    "experiments": design.Experiment,
    "overrides": design.Override,
    "search": config.SearchConfig,
    "space": config.SpaceConfig,
    "weights": config.WeightsConfig,
    "alpha": config.AlphaConfig,
    "settings": SNASSettings,
    "temperature": Temperature,
    "train": config.TrainConfig,
    "until": config.UntilConfig,
    "augment": config.AugmentConfig,
    "run": config.RunConfig,
    "report": design.ReportConfig,
    "readings": config.ReadingsConfig,
    "claims": design.ClaimsConfig,
    "regime": config.RegimeConfig,
    "audit": design.AuditConfig,
}
SCALES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
PAGE = ("--tables=d", "--claims=c", "--figures=f", "--out=o")
DRAWN = (f"{ROOT}/config/smoke.yaml", "E1")
JUDGED = (f"--scale-file={DRAWN[0]}", "--experiment=E1")
TABLES = ("--tables=nowhere", "--out=o")
FILLED_IN = {"experiment", "variant", "dataset", "method", "level", "seed"}


def wiring(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words: object) -> str:
    """What a command that must refuse its input says."""
    result = wiring(*words)
    assert result.exit_code == BAD_INPUT, result.output
    assert "Traceback" not in result.output
    return str(result.output)


@pytest.mark.parametrize("name", SCALES)
def test_validate_counts_the_searches(name: str) -> None:
    path = ROOT / f"config/{name}.yaml"
    result = wiring("validate", path)
    assert result.exit_code == 0, result.output
    counts = [int(count) for count in re.findall(r": (\d+) searches", result.output)]
    assert sum(counts) == len(load_scale(path).searches())


@pytest.mark.parametrize("name", SCALES)
def test_validate_says_whose_alpha_will_not_get_far_enough(tmp_path: Path, name: str) -> None:
    """Of the project's scales only those that are no studies: a test, and a slice of a search."""
    raw = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    for dataset in raw["datasets"].values():
        if dataset["source"] == "folder":  # whether it is there or not: the archive's size is known
            dataset["source"] = "cifar10"
            del dataset["path"]
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(raw))
    said = wiring("validate", path).output
    short = re.findall(r"^(\w\S+).*: alpha's displacement will be (\S+) of", said, re.MULTILINE)
    assert bool(short) == (name in {"smoke", "cifar-slice"})
    if name == "smoke":  # 8 steps of 0.01
        assert ("E1_dsnas_single_digits,", "0.08") in short


def test_schema_prints_the_one_that_editors_read() -> None:
    assert wiring("schema").output == (ROOT / "config/schema.json").read_text()


def test_verify_takes_whole_trajectories_and_names_a_damaged_file(tmp_path: Path) -> None:
    path = synthetic.write_search(tmp_path, synthetic.config(), synthetic.grows)
    assert "1 trajectories" in wiring("verify", path).output
    steps = path / "windows.parquet"
    steps.write_bytes(steps.read_bytes() + b"x")
    assert re.search(rf"{steps}.*SHA-256", refused("verify", path))


def test_validate_names_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**SMOKE, "defaults": {"alpha": {"lr": -1}}}))
    said = refused("validate", path)
    assert f"{path}: defaults.alpha.lr" in said
    assert "-1" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["validate", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["data", "{", "--out", "digits"], "datasets.digits"),
        (["data", '{"source": "mnist"}', "--out", "digits"], "datasets.digits: source"),
        (
            ["search", f"{ROOT}/config/smoke.yaml", "E9"],
            "no search 'E9', expected an id of its searches",
        ),
        (
            ["claims", f"--scale-file={DRAWN[0]}", "--experiment=E9", *TABLES],
            "no experiment 'E9', expected one of E0, E1",
        ),
        (
            ["searches", "[{}]", "--scale=x", "--data=d", "--out=o", "--checkpoints=c"],
            "searches: 0.method",
        ),
        (
            ["claims", *JUDGED, "--tables=nowhere", "--out=o"],
            "nowhere: searches.parquet is missing",
        ),
        (
            ["figures", *DRAWN, "--tables=nowhere", "--out=o"],
            "nowhere: searches.parquet is missing",
        ),
        (["dynamics", "nowhere", "--out", "o"], "nowhere"),
        (["overview", "--tables=nowhere", "--out=o"], "nowhere: searches.parquet is missing"),
        (
            ["page", f"{ROOT}/config/smoke.yaml", "E9", *PAGE],
            "no experiment 'E9', expected one of E0, E1",
        ),
        (["track", "replay", "nowhere"], "nowhere"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_input_ends_in_a_sentence(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in refused(*words)
    assert not list(tmp_path.iterdir()), "something was written"


@pytest.mark.parametrize(
    ("section", "words", "says"),
    [
        (
            {"claims": {"thresholds": {"sign": 2}}},
            ["claims", "--scale-file"],
            "claims.thresholds.sign",
        ),
        ({"report": {"snapshot": 1}}, ["figures"], "report.snapshot"),
    ],
)
def test_bad_thresholds_and_snapshots_end_in_a_sentence(
    section: dict[str, Any], words: list[str], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**SMOKE, **section}))
    experiment = ["--experiment=E1"] if words[0] == "claims" else ["E1"]
    assert f"{path}: {says}" in refused(*words, path, *experiment, "--tables=d", "--out=o")


def test_a_scale_is_valid_where_its_pictures_are_not(tmp_path: Path) -> None:
    """Other faults are told all the same, and what runs it asks for the pictures."""
    path = tmp_path / "mine.yaml"
    pictures = {"source": "folder", "path": str(tmp_path / "no")}
    path.write_text(yaml.safe_dump({**SMOKE, "datasets": {"digits": pictures}}))
    result = wiring("validate", path)
    assert result.exit_code == 0, result.output
    assert f"datasets.digits.path: {tmp_path}/no is not there" in result.output
    assert "no such folder" in refused("search", path, "E1_darts_single_digits_s0", "--results=r")
    assert "searches.parquet is missing" in refused("report", path, "--results=r", "--out=o")
    broken = {"digits": {**pictures, "shrink": 0}}
    path.write_text(yaml.safe_dump({**SMOKE, "datasets": broken}))
    assert "datasets.digits.shrink" in refused("validate", path)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wiring.cli.read_study", lambda path, **_: int("not bad input"))  # noqa: ARG005
    # int() has no frame of its own: the error is raised here, outside the package.
    result = wiring("validate", "x.yaml")
    assert isinstance(result.exception, ValueError)


def test_the_log_has_what_the_terminal_shows(tmp_path: Path) -> None:
    search = synthetic.config(seed=0).canonical
    log = tmp_path / "logs/search.log"
    words = ["--scale=smoke", f"--data={tmp_path}/no", f"--out={tmp_path}/out"]
    said = refused("searches", f"[{search}]", *words, f"--checkpoints={tmp_path}/c", "--log", log)
    assert said.strip()
    assert said.strip().splitlines()[-1] in log.read_text()


def test_a_bug_of_ours_is_in_the_log_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("edge")

    monkeypatch.setattr("wiring.job.condition.run_condition", broken)
    search, log = synthetic.config(seed=0), tmp_path / "search.log"
    words = ["--scale=smoke", "--data=d", "--out=o", "--checkpoints=c", "--log", log]
    result = wiring("searches", f"[{search.canonical}]", *words)
    assert isinstance(result.exception, KeyError)
    assert f"CRITICAL {search.id}: a fault of wiring: KeyError: 'edge'" in log.read_text()


@pytest.mark.parametrize(("package", "whose"), [("elsewhere", "the method"), ("other", "wiring")])
def test_a_bug_of_a_methods_is_said_to_be_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, whose: str
) -> None:
    """By the traceback: it passes the method's package, or it does not."""
    theirs: dict[str, Any] = {"__name__": f"{package}.method"}
    exec("def draw(*_, **__): raise ValueError('broken')", theirs)
    monkeypatch.setattr("wiring.job.condition.run_condition", theirs["draw"])
    monkeypatch.setattr("wiring.cli.package_of", lambda *_: "elsewhere")
    search, log = synthetic.config(seed=0), tmp_path / "search.log"
    words = ["--scale=smoke", "--data=d", "--out=o", "--checkpoints=c", "--log", log]
    result = wiring("searches", f"[{search.canonical}]", *words)
    assert isinstance(result.exception, ValueError)
    assert f"CRITICAL {search.id}: a fault of {whose}" in log.read_text()
    tried = f"(`wiring check {search.method}` tries it): ValueError: broken"
    assert (tried in log.read_text()) == (whose == "the method")


def study(folder: Path) -> Path:
    """A scale file of the search that :func:`synthetic.config` describes."""
    path = folder / "tiny.yaml"
    path.write_text(
        """
        scale: tiny
        datasets: {digits: {source: digits, test_fraction: 0.2}}
        experiments:
          E1: {title: T, methods: [dsnas], levels: [single], datasets: [digits], seeds: [0]}
        """
    )
    return path


def test_tables_claims_and_figures_by_command(tmp_path: Path) -> None:
    search = synthetic.config(seed=0)
    trajectory = synthetic.write_search(tmp_path, search)
    tables, claims = tmp_path / "dynamics", tmp_path / "claims.json"
    assert wiring("dynamics", trajectory, "--out", tables).exit_code == 0
    judged = ("claims", *JUDGED, "--tables", tables, "--out", claims)
    assert wiring(*judged).exit_code == 0
    assert {"P1", "F1"} <= {row["claim"] for row in json.loads(claims.read_text())["verdicts"]}
    figures = tmp_path / "figures"
    design = {**SMOKE["experiments"]["E1"], "methods": ["dsnas"], "seeds": [0]}
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({**SMOKE, "methods": {}, "experiments": {"E1": design}, "regime": None})
    )
    drawn = ("figures", tmp_path / "mine.yaml", "E1", "--tables", tables, "--out", figures)
    assert wiring(*drawn).exit_code == 0
    assert (figures / "E1_dsnas_single_digits/wiring.gif").stat().st_size > 0


def test_commands_start_without_the_heavy_packages() -> None:
    script = (
        "import sys; from wiring.cli import app; "
        "print([n for n in ('torch', 'mlflow', 'matplotlib', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def documented() -> dict[str, set[str]]:
    """Heading of config/README.md -> the fields that its table names."""
    parts = re.split(r"^#+ (.+)$", (ROOT / "config/README.md").read_text(), flags=re.MULTILINE)
    return {
        title: set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


@pytest.mark.parametrize(("title", "model"), SECTIONS.items(), ids=SECTIONS)
def test_every_field_is_documented(title: str, model: type[BaseModel]) -> None:
    fields = set(model.model_fields) - (FILLED_IN if model is config.SearchConfig else set())
    if title == "settings":  # one table for all methods
        for name in plugins.built_in(plugins.METHODS):
            fields |= set(settings_model(name).model_fields)
    assert documented()[title] == fields


@pytest.mark.parametrize(("title", "model"), SECTIONS.items(), ids=SECTIONS)
def test_documented_defaults_are_the_models(title: str, model: type[BaseModel]) -> None:
    table = (ROOT / "config/README.md").read_text().split(f"# {title}\n")[1].split("\n#")[0]
    for name, text in re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", table, flags=re.MULTILINE):
        assert model.model_fields[name].default == float(text), name


def test_every_model_is_documented() -> None:
    models = {
        model
        for model in {**vars(config), **vars(design)}.values()
        if isinstance(model, type) and issubclass(model, Model)
    } - {config.MethodSettings, Model, FileModel}
    assert models | {SNASSettings, Temperature, DigitPairsSettings} == set(SECTIONS.values())


def test_the_example_is_valid(tmp_path: Path) -> None:
    (example,) = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "config/README.md").read_text(), re.DOTALL
    )
    path = tmp_path / "mine.yaml"
    path.write_text(example)
    assert len(load_scale(path).searches()) == 12
