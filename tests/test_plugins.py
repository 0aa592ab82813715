"""What docs/method.md says that another package may bring is taken, as the page has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.shared import forget, plugged
from wiring.cli import BAD_INPUT, app
from wiring.config import load_scale
from wiring.data.prepare import prepare
from wiring.methods.check import faults, faults_of
from wiring.methods.protocol import load_method

PAGE = (Path(__file__).parents[1] / "docs/method.md").read_text()
METHOD, SETTINGS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
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


def test_the_three_functions_of_the_page_are_a_method() -> None:
    found: dict[str, type] = {}
    exec(METHOD, found)
    assert faults_of("mine", found["Mine"]) == ()


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
