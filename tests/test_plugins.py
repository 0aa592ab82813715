"""What docs/method.md says that another package may bring is taken, as the page has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from tests.shared import forget, plugged
from wiring.cli import BAD_INPUT, app
from wiring.config import load_scale
from wiring.data.prepare import prepare
from wiring.methods.check import _Walk, faults, faults_of
from wiring.methods.darts import DARTS
from wiring.methods.protocol import load_method

PAGE = (Path(__file__).parents[1] / "docs/method.md").read_text()
METHOD, MIXTURE, SETTINGS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
POINTS = "\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.S))
TAKES_SETTINGS = """
class Mine(Mine):
    def __init__(self, settings):
        self.settings = settings
"""
SOURCE = '''
from pydantic import PositiveInt

from wiring.config.model import Model
from wiring.data.sources.source import Content, Facts, Samples, Source


class StripesSettings(Model):
    width: PositiveInt = 1


class Mine(Source):
    """Noise under stripes of either direction."""

    tested = True
    model = StripesSettings

    def facts(self):
        return Facts(40, 2, 20, (1, 8, 6))

    def read(self, cache):
        import numpy as np

        def samples(count):
            images = np.random.default_rng(count).integers(0, 99, (count, 1, 8, 6), np.uint8)
            labels = np.arange(count) % 2
            images[labels == 0, :, :: 2 * self.settings.width] = 255
            images[labels == 1, :, :, :: 2 * self.settings.width] = 255
            return Samples(images, labels)

        return Content(samples(40), samples(20), ("lying", "standing"))
'''
SCALE = """
scale: mine
datasets:
  stripes: {source: mine, settings: {width: 2}}
methods:
  mine: {settings: {sharpness: 2.0}}
experiments:
  E1: {title: Mine, methods: [mine], levels: [single], datasets: [stripes], seeds: [0]}
defaults: {train: {batch_size: 10, epochs: 1}}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's package, as its installation leaves it."""
    home = tmp_path / "my_package"
    home.mkdir()
    plugged(tmp_path, POINTS.replace("project.entry-points.", "").replace('"', ""))
    (home / "__init__.py").touch()
    (home / "method.py").write_text(METHOD + TAKES_SETTINGS)
    (home / "settings.py").write_text(SETTINGS)
    (home / "data.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    forget("my_package")
    yield tmp_path
    monkeypatch.undo()
    forget("my_package")


@pytest.mark.parametrize(("text", "name"), [(METHOD, "Mine"), (MIXTURE, "Mixture")])
def test_the_three_functions_of_the_page_are_a_method(text: str, name: str) -> None:
    found: dict[str, type] = {}
    exec(text, found)
    assert faults_of("mine", found[name]) == ()


def test_the_pages_mixture_is_darts() -> None:
    found: dict[str, type] = {}
    exec(MIXTURE, found)
    walks = [_Walk(method()) for method in (found["Mixture"], DARTS)]
    for walk in walks:
        walk.epoch()
    assert torch.equal(walks[0].alpha, walks[1].alpha)


def test_a_package_brings_a_method_its_settings_and_a_source(package: Path) -> None:
    assert faults("mine") == ()
    (package / "scale.yaml").write_text(SCALE)
    scale = load_scale(package / "scale.yaml")
    (search,) = scale.searches().values()
    assert search.settings == {"sharpness": 2.0}
    assert load_method("mine", search.method_settings).settings.sharpness == 2  # type: ignore[attr-defined]
    said = CliRunner().invoke(app, ["validate", str(package / "scale.yaml")])
    assert said.output.startswith("E1: 1 searches (Mine)")
    prepare(scale.datasets["stripes"], package / "stripes", package)
    manifest = json.loads((package / "stripes/manifest.json").read_text())
    assert manifest["config"]["settings"] == {"width": 2}
    assert (manifest["shape"], manifest["class_names"]) == ([1, 8, 6], ["lying", "standing"])


@pytest.mark.parametrize(
    ("own", "wrong", "place"),
    [
        ("sharpness: 2.0", "sharpness: -1", "settings.sharpness: "),
        ("sharpness: 2.0", "sharp: 2", "settings.sharp: "),
        ("width: 2", "width: 0", "datasets.stripes.settings.width: "),
        ("source: mine", "source: yours", "datasets.stripes.source: unknown source, expected"),
    ],
)
def test_settings_of_others_are_checked_where_they_stand(
    package: Path, own: str, wrong: str, place: str
) -> None:
    (package / "scale.yaml").write_text(SCALE.replace(own, wrong))
    said = CliRunner().invoke(app, ["validate", str(package / "scale.yaml")])
    assert said.exit_code == BAD_INPUT
    assert place in said.output
    assert said.output.count("\n") == 1


WRONG = [
    (
        "class MineSettings(BaseModel):\n    sharpness: float = 1.0",
        "expected a subclass of wiring.",
    ),
    ("class MineSettings:\n    sharpness = 1.0", "expected a subclass of wiring.config.search."),
    ("MineSettings = MethodSettings()", "expected a subclass of wiring.config.search."),
    (
        "class MineSettings(MethodSettings):\n    sharpness: PositiveFloat = -1.0",
        "sharpness does not take its own default: Input should be greater than 0, got -1.0",
    ),
    (
        "class MineSettings(MethodSettings):\n    sharpness: float = 'sharp'",
        "sharpness does not take its own default: Input should be a valid number",
    ),
    (
        "import torch\nclass MineSettings(MethodSettings): ...",
        "it imports torch, which scale files",
    ),
]


@pytest.mark.parametrize(("source", "sentence"), WRONG)
def test_a_model_of_settings_that_is_none_is_a_sentence_for_check_and_for_a_scale(
    package: Path, source: str, sentence: str
) -> None:
    imports = "from pydantic import BaseModel, PositiveFloat\n" + SETTINGS.partition("class")[0]
    (package / "my_package/settings.py").write_text(imports + source)
    (package / "scale.yaml").write_text(SCALE.replace("{settings: {sharpness: 2.0}}", "{}"))
    for words, code in ((("check", "mine"), 1), (("validate", str(package / "scale.yaml")), 2)):
        said = CliRunner().invoke(app, words)
        assert said.exit_code == code, said.output
        assert sentence in said.output
        assert "mine: " in said.output
        assert said.output.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "sentences"),
    [
        ("    sharpness: PositiveFloat", ["settings: sharpness: Field required"]),
        (
            "    def misfit(self, search): return search.nosuch",
            ["settings: misfit raises AttributeError: 'SearchConfig' object has no attribute"],
        ),
        ("    def idle(self, search): return []", ["settings: idle returns list, expected a dict"]),
        (
            "    def idle(self, search): return {}[search.level]",
            [f"settings: idle raises KeyError: '{level}'" for level in ("single", "bi")],
        ),
    ],
)
def test_check_tries_what_settings_say_of_searches(
    package: Path, body: str, sentences: list[str]
) -> None:
    text = f"{SETTINGS.partition('class')[0]}class MineSettings(MethodSettings):\n{body}\n"
    text += "    exact: bool = True\n"
    (package / "my_package/settings.py").write_text(text)
    found = faults("mine")
    assert len(found) == len(sentences)
    for said, sentence in zip(found, sentences, strict=True):
        assert said.startswith(f"mine: {sentence}")


@pytest.mark.parametrize(
    ("points", "name", "sentence"),
    [
        ("mine = my_package.method", "mine", "mine: the entry point my_package.method of wiring."),
        (
            "mine = :Mine",
            "mine",
            "mine: the entry point :Mine of wiring.methods is no module:Class",
        ),
        ("a/b = my_package.method:Mine", "a/b", "'a/b' becomes part of file names, expected at"),
        ("my own = my_package.method:Mine", "my own", "'my own' becomes part of file names"),
        (".. = my_package.method:Mine", "..", "'..' becomes part of file names, expected at most"),
    ],
)
def test_an_entry_point_that_is_none_is_a_sentence_for_check_and_for_a_scale(
    package: Path, points: str, name: str, sentence: str
) -> None:
    entries = package / "mine-0.dist-info/entry_points.txt"
    sources = "[wiring.sources]\nmine = my_package.data:Mine\n"
    entries.write_text(f"[wiring.methods]\n{points}\n{sources}")
    scale = SCALE.replace("[mine]", f"[{name!r}]").partition("methods:")
    experiments = scale[2].partition("experiments:")
    (package / "scale.yaml").write_text(scale[0] + "".join(experiments[1:]))
    for words, code in ((("check", name), 1), (("validate", str(package / "scale.yaml")), 2)):
        said = CliRunner().invoke(app, words)
        assert said.exit_code == code, said.output
        assert sentence in said.output
        assert said.output.count("\n") == 1


def test_settings_for_no_method_are_named(package: Path) -> None:
    entries = package / "mine-0.dist-info/entry_points.txt"
    entries.write_text(entries.read_text().replace("mine = my_package.s", "mime = my_package.s"))
    (package / "my_package/method.py").write_text(METHOD)  # which takes none
    said = CliRunner().invoke(app, ["check", "mine"])
    assert said.exit_code == 1
    assert said.output.startswith("mime: has settings (wiring.method_settings) and is no method")
    assert CliRunner().invoke(app, ["check", "darts"]).exit_code == 0  # of another package
