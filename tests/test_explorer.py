"""The explorer: its numbers are the tables', it fits its size, and a browser draws all of it."""

import hashlib
import json
import re
import zlib
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests import synthetic
from tools.browser import CHROMIUM, opened
from wiring import explorer
from wiring.cli import BAD_INPUT, app
from wiring.config import load_scale
from wiring.dynamics import edge_table, op_table, statistics_table
from wiring.errors import InputError
from wiring.explorer.page import LIMIT, page
from wiring.explorer.record import LEVELS, Record, _starts, _thin
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
SHIPPED = Path(explorer.__file__).parent
FULL = {"space": {"cells": 1, "nodes": 4, "channels": 4}, "seed": 1}


class Scripts(HTMLParser):
    """The content of each script, as a browser parts them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], str]] = []
        self.inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script"
        if self.inside:
            self.found.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.inside:
            attributes, text = self.found[-1]
            self.found[-1] = attributes, text + data

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "script"


def data_of(text: str) -> dict[str, Any]:
    (content,) = [data for attributes, data in Scripts(text).found if attributes.get("id")]
    found: dict[str, Any] = json.loads(content)
    return found


def unpacked(data: dict[str, Any], search: dict[str, Any]) -> dict[str, np.ndarray]:
    """The series of a search, by name: what the page's script does, in other words."""
    raw = zlib.decompress(b64decode(search["data"]))
    edges, ops, points = len(search["edges"]), len(search["ops"]), len(search["step"])
    rows = [(name, (edges, ops)) for name in data["layout"]["op"]]
    rows += [(name, (edges,)) for name in data["layout"]["edge"]]
    rows += [(name, ()) for name in data["layout"]["number"]]
    count = sum(int(np.prod(shape)) for _, shape in rows)
    size = np.frombuffer(raw, "<f4", count)
    low, high = np.frombuffer(raw, np.uint8, offset=4 * count).reshape(2, count, points)
    levels = (low.astype(np.uint16) + 256 * high.astype(np.uint16)).view(np.int16).cumsum(axis=1)
    values = np.where(levels == data["nothing"], np.nan, levels * size[:, None].astype(float))
    found, place = {}, 0
    for name, shape in rows:
        part = values[place : place + int(np.prod(shape))]
        found[name] = part.reshape(*shape, points)
        place += len(part)
    return found


def same(found: np.ndarray, expected: np.ndarray) -> None:
    """Within half a level of each series, and NaN where it is NaN."""
    assert found.shape == expected.shape
    largest = np.nanmax(np.abs(expected), axis=-1, keepdims=True)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    wrong = np.abs(found - expected) > 0.5001 * largest / LEVELS + 1e-7 * largest
    assert not wrong.any()


@pytest.mark.parametrize("level", ["single", "bi"])
def test_numbers_are_those_of_the_tables(tmp_path: Path, level: str) -> None:
    search = synthetic.config(level=level)
    path = synthetic.write_search(tmp_path, search, noise=0.01, inner=0.02)
    whole = Trajectory.read(path)
    # An op that was never drawn in a window has no cost there.
    count = whole.array("count").copy()
    names = ("cost_mean", "direct_mean", "cost_correct", "cost_wrong")
    cost = {name: whole.array(name).copy() for name in names}
    generator = np.random.default_rng(0)
    if level == "single":
        for values in cost.values():
            values += generator.normal(0, 0.01, values.shape)
            values[4, :, 1, 2] = np.nan
        count[4, 1, 2] = 0
        whole = synthetic.altered(whole, count=count, **cost)
    text = page([Record.of(whole)])
    data = data_of(text)
    (shown,) = data["searches"]
    found = unpacked(data, shown)
    ops, edges = op_table(whole), edge_table(whole)
    shape = (len(shown["step"]), len(shown["edges"]), len(shown["ops"]))

    def column(frame: pd.DataFrame, name: str, axes: tuple[int, ...]) -> np.ndarray:
        return np.moveaxis(frame[name].to_numpy().reshape(axes), 0, -1)

    same(found["probability"], column(ops, "probability", shape))
    direct, path_ = found["direct"], found["path"]
    both = column(ops, "cost_mean", shape)
    assert np.allclose(direct + path_, both, atol=1e-3, equal_nan=True)
    same(found["correct"], column(ops, "cost_correct", shape))
    same(found["wrong"], column(ops, "cost_wrong", shape))
    for way in ("direct", "path"):
        same(found[f"credit_{way}"], column(edges, f"credit_{way}", shape[:2]))
    statistics = statistics_table(whole)
    own = statistics[statistics["split"] == search.learning_split]
    for name in data["layout"]["number"]:
        same(found[name], own[name].to_numpy())
    assert shown["step"] == own["step"].tolist()
    assert shown["windows"] == len(own)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.data(),
)
def test_thinning_is_a_weighted_mean_of_whole_parts(
    windows: int, points: int, data: st.DataObject
) -> None:
    first = _starts(windows, points)
    assert len(first) == min(windows, points)
    number = st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3))
    values = np.array(data.draw(st.lists(number, min_size=windows, max_size=windows)))
    weights = np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=windows, max_size=windows)), float
    )
    (mean,) = _thin(values[:, None], first, weights)
    (last,) = _thin(values[:, None], first, None)
    ends = [*first[1:], windows]
    for part, (start, end) in enumerate(zip(first, ends, strict=True)):
        kept = [
            (value, weight)
            for value, weight in zip(values[start:end], weights[start:end], strict=True)
            if weight and not np.isnan(value)
        ]
        total = sum(weight for _, weight in kept)
        expected = sum(v * w for v, w in kept) / total if kept else float("nan")
        assert mean[part] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
        assert last[part] == pytest.approx(values[end - 1], nan_ok=True)


def noisy(seed: int, condition: str = "E1_a", points: int = 400) -> Record:
    """A search of 14 edges whose numbers do not compress."""
    generator = np.random.default_rng(seed)
    edges, ops = [f"0-{place}" for place in range(14)], [f"op{place}" for place in range(8)]
    about = {
        "search": f"{condition}_s{seed}",
        "condition": condition,
        "experiment": "E1",
        "seed": seed,
        "edges": edges,
        "ops": ops,
    }
    rows = 14 * 8 * 5 + 14 * 2 + 7
    return Record(
        about,
        1000,
        np.arange(points),
        np.arange(points) / 10,
        np.ones(points),
        generator.normal(size=(rows, points)).astype(np.float32),
    )


@pytest.mark.parametrize(
    ("conditions", "seeds", "says"),
    [
        (1, 1, ["Thinned to 400 points a search, up to 3 windows each"]),
        (1, 5, ["Thinned to "]),
        (4, 10, ["Thinned to ", " of 40 searches are here"]),
        (200, 1, ["Thinned to 10 points", " of 200 searches are here"]),
    ],
)
def test_a_page_fits_and_says_what_it_leaves_out(
    conditions: int, seeds: int, says: list[str]
) -> None:
    records = [
        noisy(seed, f"E1_{condition:03}")
        for condition in range(conditions)
        for seed in range(seeds)
    ]
    text = page(records)
    assert len(text.encode()) <= LIMIT
    for each in says:
        assert each in " ".join(text.split())
    shown = data_of(text)["searches"]
    assert len(shown) == conditions * seeds or "searches are here" in text
    assert shown


def test_what_fits_is_whole(tmp_path: Path) -> None:
    path = synthetic.write_search(tmp_path, synthetic.config())
    explorer.write([path], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert "Thinned" not in text
    assert "searches are here" not in text


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--<script>", '"&amp;'])
def test_no_text_can_leave_its_place(text: str) -> None:
    record = noisy(0, points=3)
    evil = replace(record, about={**record.about, "words": text, "experiment": text})
    plain, other = page([record]), page([evil])
    assert len(Scripts(other).found) == len(Scripts(plain).found) == 4
    assert data_of(other)["searches"][0]["words"] == text


def test_a_page_asks_nobody_for_anything() -> None:
    text = page([noisy(0, points=3)])
    assert all("src" not in attributes for attributes, _ in Scripts(text).found)
    assert "default-src 'none'" in text
    assert not re.search(r"<(link|img|iframe)\b", text.split("<script")[0])
    # MLflow shows it in a sandbox, in which no Blob of the page's own can be read.
    assert "new Blob" not in (SHIPPED / "explorer.js").read_text()


def test_the_charting_library_is_the_one_that_is_pinned() -> None:
    """The files that npm has of these versions, with the licences that they ask to be kept."""
    words = (SHIPPED / "vendor/SOURCES.LICENSE").read_text()
    stated = {name: digest for digest, name in re.findall(r"^([0-9a-f]{64}) +(\S+)$", words, re.M)}
    files = {path.name for path in (SHIPPED / "vendor").iterdir()} - {"SOURCES.LICENSE"}
    assert set(stated) == files >= {"d3.min.js", "d3.LICENSE", "plot.umd.min.js", "plot.LICENSE"}
    for name, digest in stated.items():
        assert hashlib.sha256((SHIPPED / "vendor" / name).read_bytes()).hexdigest() == digest


def test_searches_are_given_as_folders_or_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scale = ROOT / "config/smoke.yaml"
    every = load_scale(scale).searches()
    home = tmp_path / "results/smoke/experiments/E1/trajectories"
    wanted = [search for search in every.values() if search.experiment == "E1"][:2]
    paths = [str(synthetic.write_search(home, search)) for search in wanted]

    def shown(*words: str) -> list[str]:
        done = CliRunner().invoke(app, ["show", *words])
        assert done.exit_code == 0, done.output
        searches = data_of(Path("explorer.html").read_text())["searches"]
        return [search["search"] for search in searches]

    ids = [search.id for search in wanted]
    assert shown(*paths) == ids
    assert shown(str(scale)) == ids
    assert shown(str(scale), "E1") == ids
    assert shown(str(scale), ids[1]) == ids[1:]
    assert shown(str(scale), str(wanted[0].condition)) == ids


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["nowhere"],
            "nowhere: is neither a finished search's folder nor a file, expected folders",
        ),
        (["E1_dsnas", "nowhere.yaml"], "or a scale file and then names"),
        (["SCALE", "E9"], "no 'E9', expected an id of a search, a condition or an experiment"),
        (["SCALE", "E2"], "none of these searches is finished"),
    ],
)
def test_bad_input_ends_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.replace("SCALE", str(ROOT / "config/smoke.yaml")) for word in words]
    done = CliRunner().invoke(app, ["show", *words])
    assert done.exit_code == BAD_INPUT
    assert says in done.output
    assert not Path("explorer.html").exists()


def test_a_page_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = synthetic.write_search(tmp_path, synthetic.config())
    (tmp_path / "taken").mkdir()
    done = CliRunner().invoke(app, ["show", str(path), "--out", str(tmp_path / "taken")])
    assert done.exit_code == BAD_INPUT
    assert done.output.strip() == f"{tmp_path / 'taken'}: Is a directory"


def test_a_search_is_given_once(tmp_path: Path) -> None:
    path = synthetic.write_search(tmp_path, synthetic.config())
    with pytest.raises(InputError, match="given twice"):
        explorer.write([path, path], tmp_path / "page.html")
    with pytest.raises(InputError, match="no search was given"):
        explorer.write([], tmp_path / "page.html")


# What is wrong with a page once all is drawn: texts out of their picture or upon each other, or too
# pale; a page wider than the window; charts without lines; a table that is cut.
LOOK = """(() => {
  const wrong = [];
  if (document.documentElement.scrollWidth > innerWidth)
    wrong.push(`page is ${document.documentElement.scrollWidth} wide in ${innerWidth}`);
  const charts = [...document.querySelectorAll(".view svg[viewBox]")];
  for (const svg of charts) {
    const box = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      const own = text.getBoundingClientRect();
      if (own.width && (own.left < box.left - 1 || own.right > box.right + 1
        || own.top < box.top - 1 || own.bottom > box.bottom + 1))
        wrong.push(`${text.textContent} leaves its picture`);
    }
  }
  for (const chart of document.querySelectorAll(".view svg[aria-label]:not([role])"))
    if (![...chart.querySelectorAll("path")].some((path) => path.getTotalLength() > 50))
      wrong.push(`${chart.getAttribute("aria-label")} is empty`);
  const names = [...document.querySelectorAll("[aria-label=text] text")];
  names.forEach((one, at) => names.slice(at + 1).forEach((other) => {
    const [a, b] = [one, other].map((each) => each.getBoundingClientRect());
    const beside = a.right <= b.left || b.right <= a.left;
    if (!beside && a.top + 4 < b.bottom && b.top + 4 < a.bottom)
      wrong.push(`${one.textContent} is upon ${other.textContent}`);
  }));
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((x) => x / 255)
      .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const text of document.querySelectorAll(".view svg text")) {
    const color = getComputedStyle(text).fill, ratio = 1.05 / (light(color) + 0.05);
    if (text.textContent && color !== "rgb(255, 255, 255)" && ratio < 4.5)  // white is on a mark
      wrong.push(`${text.textContent}: contrast ${ratio.toFixed(2)}`);
  }
  for (const table of document.querySelectorAll(".scroll"))
    if (table.scrollWidth > table.clientWidth && getComputedStyle(table).backgroundImage === "none")
      wrong.push("a table that does not show that it scrolls");
  return { charts: charts.length, wrong };
})()"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_draws_all_of_it(tmp_path: Path, width: int) -> None:
    rises = synthetic.write_search(tmp_path, synthetic.config(), synthetic.grows, noise=0.01)
    full = synthetic.config(level="bi", **FULL)
    falls = synthetic.write_search(tmp_path, full, synthetic.fails, noise=0.01)
    explorer.write([rises, falls], tmp_path / "page.html")
    with opened(width, 3000) as browser:
        address = (tmp_path / "page.html").as_uri()
        browser.go(f"{address}#{full.id},{synthetic.config().id}")
        browser.until("document.body.dataset.ready === 'yes'")
        assert browser.ask("innerWidth") == width
        found = browser.ask(LOOK)
        said = browser.ask("document.documentElement.outerHTML")
    assert found["charts"] == 8  # a cell and three charts a search
    assert found["wrong"] == []
    # Every edge of the full cell is there to be chosen by key, with its numbers in words.
    assert len(set(re.findall(r'aria-label="(Edge [^"]+, credit [^"]+)"', said))) >= 14


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_cells_of_other_edges_stand_side_by_side(tmp_path: Path) -> None:
    whole = synthetic.config()
    space = {"cells": 2, "nodes": 2, "channels": 4, "delete_edges": ["0-2"]}
    cut = synthetic.config(variant="cut", space=space)
    written = [synthetic.write_search(tmp_path, one, synthetic.grows) for one in (whole, cut)]
    explorer.write(written, tmp_path / "page.html")
    with opened(1400, 1000) as browser:
        browser.go(f"{(tmp_path / 'page.html').as_uri()}#{whole.id},{cut.id}")
        browser.until("document.body.dataset.ready === 'yes'")
        browser.ask("""[...document.querySelectorAll('.edge')]
          .find((each) => each.getAttribute('aria-label').startsWith('Edge 0-2'))
          .dispatchEvent(new MouseEvent('click', { bubbles: true }))""")
        assert browser.ask("document.querySelector('#edge').value") == "0-2"
        tables = browser.ask("[...document.querySelectorAll('.panel')].map((e) => e.innerText)")
    lacks = ["This cell has no free edge 0-2." in text for text in tables]
    assert lacks == [False, True]
    rows = ["none" in text.partition("Edge 0-2 at this time")[2] for text in tables]
    assert rows == [True, False]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_all_of_it_is_done_by_keys(tmp_path: Path) -> None:
    one, other = synthetic.config(), synthetic.config(variant="other")
    written = [synthetic.write_search(tmp_path, each, synthetic.grows) for each in (one, other)]
    explorer.write(written, tmp_path / "page.html")
    with opened(1400, 1000) as browser:
        browser.go((tmp_path / "page.html").as_uri())
        browser.until("document.body.dataset.ready === 'yes'")

        def press(key: str, text: str = "") -> None:
            for kind in ("keyDown", "keyUp"):
                told = {"type": kind, "key": key, "text": text if kind == "keyDown" else ""}
                browser.call("Input.dispatchKeyEvent", **told)

        def value(name: str) -> str:
            return str(browser.ask(f"document.querySelector('{name}').value"))

        edge = value("#edge")
        press("]", "]")
        assert value("#edge") != edge
        press("[", "[")
        assert value("#edge") == edge
        press("ArrowLeft")
        assert value("#time") == "995"
        press("c", "c")
        browser.until("document.querySelectorAll('.panel').length === 2")
        # A choice by keys leaves the keyboard where it is.
        browser.ask("document.querySelector('[aria-label=condition]').focus()")
        before = value("[aria-label=condition]")
        browser.ask("""{ const at = document.querySelector('[aria-label=condition]');
          at.selectedIndex = 1 - at.selectedIndex;
          at.dispatchEvent(new Event('change')); }""")
        browser.until(f"document.querySelector('.about').innerText.indexOf('{before}_s') < 0")
        assert browser.ask("document.activeElement.getAttribute('aria-label')") == "condition"
        # An edge of the cell is chosen by Enter, and is seen to be where the keyboard is.
        browser.ask("document.querySelector('.edge').focus()")
        press("Enter", "\r")
        assert value("#edge") == "0-2"
        ring = "getComputedStyle(document.querySelector('.edge:focus .ring')).stroke"
        chosen = (
            "getComputedStyle(document.querySelector('.panel:last-child .chosen .ring')).stroke"
        )
        assert browser.ask(ring) != browser.ask(chosen)
        browser.ask("document.activeElement.blur()")
        press("ArrowRight")
        press(" ", " ")
        assert browser.ask("document.querySelector('#play').innerText") == "Pause"
