"""The report: complete, true to the tables, one file, and safe whatever its inputs are called."""

import json
import math
import os
import re
import shutil
import xml.etree.ElementTree as ET
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from tests import synthetic
from tests.looks import Look
from tests.shared import once
from tools.blocks import fill
from tools.browser import CHROMIUM
from tools.contrasts import table as contrast_table
from tools.findings import BLOCK, NOTHING, block
from tools.findings import main as rewrite
from wiring import explorer
from wiring.claims.contrasts import Contrast
from wiring.claims.judge import VERDICTS, Verdict, of_the_end
from wiring.claims.judgement import read as read_claims
from wiring.claims.judgement import write as write_claims
from wiring.config import ClaimsConfig, ScaleConfig
from wiring.dynamics import MEANINGS, Dynamics, build
from wiring.errors import InputError
from wiring.figures.catalogue import CONDITION, paths_of
from wiring.figures.catalogue import EXPERIMENT as EXPERIMENT_WIDE
from wiring.figures.catalogue import STUDY as STUDY_WIDE
from wiring.patterns import CLAIMS, PATTERNS
from wiring.report import write, write_page
from wiring.report.embed import data_uri, shrink, source
from wiring.report.story import findings, number

SVG = """<?xml version="1.0" encoding="utf-8" standalone="no"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 658.8">
 <metadata><x>made by a program</x></metadata>
 <g transform="translate(1.2345 2) scale(0.015625 -0.015625)">
  <path d="M 54 157.001653
L 256.222222 -61.2
z
" style="fill: #ffffff; opacity: 0.12345"/>
  <use x="63.191919" y="-0.004" width="1.23456"/>
  <text x="1e-05">P(none) &lt; 0.12345 100% "so"</text>
 </g>
</svg>
"""
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


EXPERIMENT = {
    "title": "Wiring trajectories",
    "methods": ["dsnas", "darts"],
    "levels": ["single", "bi"],
    "datasets": ["digits"],
    "seeds": [0, 1, 2],
    "variants": {"free": {}, "cut": {"train": {"followed_samples": 4, "frozen_epochs": 1}}},
}
HOME = "experiments/E1"
PAGE = f"{HOME}/index.html"
COURSES = {"free": synthetic.grows, "cut": synthetic.fails}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a scale: trajectories, tables, claims and figures of eight conditions.

    And its pages. They are of all workers, so nobody may change them.
    """
    return once(tmp_path_factory, "report", make_study)


def make_study(root: Path) -> None:
    home = root / HOME
    for search in scale().searches().values():
        synthetic.write_search(
            home / "trajectories", search, COURSES[search.variant or ""], noise=0.002
        )
    build(list((home / "trajectories").iterdir()), home / "tables")
    write_claims(ClaimsConfig(), tables(root), home / "claims.json")
    for figure in paths_of(scale(), "E1"):
        path = home / "figures" / figure
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"GIF89a") if path.suffix == ".gif" else path.write_text(SVG)
    for one in STUDY_WIDE:
        (root / one.file).write_text(SVG)
    explorer.write(sorted((home / "trajectories").iterdir()), home / "explorer.html")
    report(root, root / "index.html")
    experiment(root, root / PAGE)


def tables(root: Path) -> Dynamics:
    return Dynamics.read(root / HOME / "tables")


def scale(**changes: object) -> ScaleConfig:
    digits = {"source": "digits", "test_fraction": 0.2}
    raw = {
        "scale": "tiny",
        "datasets": {"digits": digits},
        "defaults": {"space": {"cells": 2, "channels": 4}, "train": {"epochs": 12}},
        "experiments": {"E1": {**EXPERIMENT, **changes}},
        # So that the page has every figure; whether alpha rests there a study checks.
        "regime": {"experiments": ["E1"], "measured_by": {"darts": "dsnas"}},
    }
    return ScaleConfig.model_validate(raw)


def report(root: Path, out: Path, *, standalone: bool = False, **changes: object) -> str:
    write(scale(**changes), root, out, standalone=standalone)
    return out.read_text()


def experiment(root: Path, out: Path, *, standalone: bool = False, **changes: object) -> str:
    inputs = (tables(root), root / HOME / "claims.json", root / HOME / "figures")
    write_page(scale(**changes), "E1", *inputs, out, standalone=standalone)
    return out.read_text()


@pytest.fixture(scope="module")
def text(study: Path) -> str:
    return (study / "index.html").read_text()


@pytest.fixture(scope="module")
def page_text(study: Path) -> str:
    return (study / PAGE).read_text()


@pytest.fixture(scope="module")
def pages(text: str, page_text: str) -> dict[str, Page]:
    return {"index.html": Page(text), PAGE: Page(page_text)}


def words(text: str) -> str:
    """The visible text, tags removed."""
    text = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).replace("\u200b", "").split())


HELD = ("data:image/svg+xml,", "data:image/gif;base64,")


def test_a_page_asks_nobody_for_anything(pages: dict[str, Page]) -> None:
    for page in pages.values():
        for tag in ("script", "link", "iframe"):
            assert not page.all(tag)
        for image in page.all("img"):
            assert urlsplit(image["src"])[:2] == ("", ""), "of another place"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("name", ["index.html", PAGE])
def test_a_browser_cuts_nothing(
    pages: dict[str, Page], study: Path, looked_at: Look, name: str, width: int
) -> None:
    assert name in pages
    texts, wrong = looked_at(study / name, width)
    assert texts > 100
    assert wrong == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ('<p style="color: #999">pale</p>', "pale: contrast 2.85"),
        ('<p style="background: #333; color: #555">dark</p>', "dark: contrast 1.69"),
        ('<p style="width: 3em; overflow: hidden; white-space: nowrap">a text cut off</p>', "cut"),
        ('<p style="white-space: nowrap">' + "long " * 200 + "</p>", "leaves the page"),
        ('<p>one</p><p style="margin-top: -2.3em">other</p>', "upon one"),
        ("<div><table><td>" + "0" * 900 + "</td></table></div>", "neither fits nor scrolls"),
        ('<table style="table-layout: fixed; width: 9em"><td>' + "0" * 40 + "</table>", "its cell"),
    ],
)
def test_a_page_that_looks_wrong_is_found_out(
    tmp_path: Path, looked_at: Look, body: str, what: str
) -> None:
    good = f"<!doctype html><meta charset=utf-8><title>x</title><p>fine</p><p>too</p>{body}"
    (tmp_path / "page.html").write_text(good)
    _, wrong = looked_at(tmp_path / "page.html", 400)
    assert any(what in each for each in wrong), wrong
    assert not any(each.startswith(("fine", "too")) for each in wrong)


def test_a_page_links_to_the_figures_beside_it(pages: dict[str, Page], study: Path) -> None:
    """Downwards only: the folder can be moved whole."""
    linked = {name: [image["src"] for image in page.all("img")] for name, page in pages.items()}
    for name, figures in linked.items():
        for figure in figures:
            assert ".." not in Path(figure).parts
            assert ((study / name).parent / unquote(figure)).is_file()
    assert sorted(linked[PAGE]) == sorted(f"figures/{path}" for path in paths_of(scale(), "E1"))
    assert {one.file for one in STUDY_WIDE if one.wanted(scale())} <= set(linked["index.html"])


@pytest.mark.parametrize("make", [report, experiment])
def test_a_standalone_page_holds_what_the_other_links_to(
    study: Path, tmp_path: Path, make: Callable[..., str]
) -> None:
    alone, linking = (
        make(study, tmp_path / f"{held}.html", standalone=held) for held in (True, False)
    )
    assert len(alone) > len(linking)
    for held, link in zip(Page(alone).all("img"), Page(linking).all("img"), strict=True):
        figure = tmp_path / unquote(link["src"])
        assert held == {**link, "src": data_uri(figure)}
        assert held["src"].startswith(HELD)


def test_a_link_leads_to_a_figure_of_any_name_in_any_place(tmp_path: Path) -> None:
    figure = tmp_path / 'a b#c%20"?&' / "f.svg"
    figure.parent.mkdir()
    figure.write_text(SVG)
    link = source(figure, tmp_path / "of/another/page.html", standalone=False)
    assert not set(link) & set(' "#?&<>')
    assert os.path.normpath(tmp_path / "of/another" / unquote(link)) == str(figure)


def test_every_link_leads_somewhere(pages: dict[str, Page], study: Path) -> None:
    """To an anchor of one of the pages, to a trajectory beside them, or to MLflow's own UI."""
    anchors = {}
    for name, page in pages.items():
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        anchors[name] = set(ids)
    for name, page in pages.items():
        for link in page.all("a"):
            target, _, anchor = link["href"].partition("#")
            if target.startswith("trajectories/") or target.endswith("explorer.html"):
                assert ((study / name).parent / target).is_file()
            elif target == "../../runs.html":  # written from the store at hand
                assert (study / HOME / "trajectories" / anchor).is_dir()
            else:
                path = os.path.normpath(Path(name).parent / target) if target else name
                assert path in pages
                assert not anchor or anchor in anchors[path], link


def test_every_figure_has_its_own_description(pages: dict[str, Page]) -> None:
    described = [image["alt"] for image in pages[PAGE].all("img")]
    assert len(described) == len(paths_of(scale(), "E1"))
    assert len(set(described)) == len(described)
    assert all(len(alt) > 40 for alt in described)
    shown = [image["alt"] for image in pages["index.html"].all("img")]
    # Those of the study, and one for each pattern that was judged.
    assert len(shown) >= len(STUDY_WIDE) + len(PATTERNS) - 3
    assert all(len(alt) > 40 for alt in shown)


def test_every_figure_has_a_title() -> None:
    drawn = {path.rpartition("/")[2] for path in paths_of(scale(), "E1")}
    instead = {"accuracy.svg"}  # of interventions.svg, where no alpha learns
    assert drawn == {one.file for one in (*CONDITION, *EXPERIMENT_WIDE)} - instead


def test_the_story_has_the_papers_order(pages: dict[str, Page]) -> None:
    ids = [section["id"] for section in pages["index.html"].all("section")]
    order = ["verdicts", "where", "searched", "regime", "growth", "width"]
    order += ["failure", "mechanism", "dose", "facts"]
    assert [each for each in ids if each in {*order, "all"}] == [*order, "all"]


def test_every_claim_is_told_once() -> None:
    told = [claim.id for pattern in PATTERNS for claim in pattern.claims]
    assert told == list(CLAIMS)
    assert {name for pattern in PATTERNS for name in pattern.columns} <= set(MEANINGS)


def test_every_verdict_is_shown_whichever_way_it_falls(study: Path, text: str) -> None:
    verdicts = json.loads((study / HOME / "claims.json").read_text())["verdicts"]
    assert {row["verdict"] for row in verdicts} >= {"reproduced", "not reproduced", "unfinished"}
    shown = words(text.split('<section id="all">')[1].split("</section>")[0])
    for row in verdicts:
        told = (row["claim"], row["condition"], row["reading"], row["verdict"])
        mark = " ".join((*told, number(row["effect"])))
        assert mark in shown
    counted = text.split('<section id="verdicts">')[1].split("</section>")[0]
    for claim in CLAIMS:
        (line,) = re.findall(rf"<b>{claim}</b>.*?</tr>", counted, re.DOTALL)
        expected = [
            sum(row["claim"] == claim and row["verdict"] == kind for row in verdicts)
            for kind in VERDICTS
        ]
        assert [int(count) for count in re.findall(r'<td class="n">(\d+)</td>', line)] == expected


def test_numbers_are_those_of_the_tables(study: Path, text: str) -> None:
    searches = tables(study).searches
    section = text.split('<section id="growth">')[1].split("</section>")[0]
    values = [
        row["growth"]
        for _, row in searches.iterrows()
        if row["condition"] == "E1_dsnas_single_digits_free"
    ]
    link = "experiments/E1/index.html#E1_dsnas_single_digits_free"
    row = rf'<tr><th scope="row"><a href="{link}.*?</tr>'
    (line,) = re.findall(row, section, re.DOTALL)
    shown = words(line)
    assert number(sum(values) / 3) in shown
    assert f"{number(min(values))} to {number(max(values))}" in shown
    # The claim is about single-level searches only.
    assert "E1_dsnas_bi_digits" not in section


def test_the_matrix_shows_every_verdict_in_its_place(study: Path, text: str) -> None:
    verdicts = json.loads((study / HOME / "claims.json").read_text())["verdicts"]
    matrix = text.split('<section id="where">')[1].split("</table>")[0]
    rows = re.findall(r"<tr class=.f0-\d+ f1-\d+.><th scope=.row.>(.*?)</tr>", matrix, re.DOTALL)
    assert len(rows) == 8
    seen = set()
    for row in rows:
        (condition,) = set(re.findall(r"#(\w+)", row))
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)[-len(CLAIMS) :]
        for claim, cell in zip(CLAIMS, cells, strict=True):
            labels = re.findall(r'aria-label="(.*?)"', cell)
            seen.update((claim, condition, label) for label in labels)
            assert [label.split(":")[0] for label in labels] in (
                *([], ["whole"], ["published", "settled"]),
            )
    assert seen == {
        (row["claim"], row["condition"], f"{row['reading']}: {row['verdict']}") for row in verdicts
    }


def test_what_its_seeds_could_have_seen_stands_beside_a_verdict(study: Path, text: str) -> None:
    verdicts = json.loads((study / HOME / "claims.json").read_text())["verdicts"]
    known = [row for row in verdicts if row["detectable"] is not None]
    assert {row["claim"] for row in known} >= {"P2"}
    lines = text.split('<section id="all">')[1].split("</tr>")[1:]
    for row, line in zip(verdicts, lines, strict=False):
        effect_size, detectable, seeds = re.findall(r'<td class="n">([^<]*)</td>', line)[-3:]
        expected = (row["effect_size"], row["detectable"], len(row["seeds"]))
        assert (effect_size, detectable, seeds) == tuple(map(number, expected))


def test_every_contrast_is_shown(study: Path, text: str, page_text: str) -> None:
    contrasts = json.loads((study / HOME / "claims.json").read_text())["contrasts"]
    assert contrasts
    for page in (text, page_text):
        shown = words(page.split('<section id="interventions">')[1].split("</section>")[0])
        for row in contrasts:
            place = f"{row['method']}, {row['level']}, {row['dataset']}"
            mark = f"{place} cut less free {row['statistic']} {number(row['effect'])}"
            assert mark in shown


def test_every_search_can_be_traced(study: Path, page_text: str) -> None:
    shown = words(page_text.split('<section id="searches">')[1].split("</section>")[0])
    for path in (study / HOME / "trajectories").iterdir():
        manifest = json.loads((path / "manifest.json").read_text())
        digest = manifest["files"]["windows.parquet"]
        assert f"{path.name} {manifest['mlflow_run_id']} {digest} " in shown


def test_it_says_on_what_the_searches_ran(study: Path, text: str) -> None:
    count = len(tables(study).searches)
    assert f"These searches ran on: cpu, 2 thread(s), AVX2, torch 2.0 ({count})." in words(text)


def test_the_config_is_shown(text: str) -> None:
    shown = unescape(text.split("<pre>")[1].split("</pre>")[0])
    assert yaml.safe_load(shown) == scale().model_dump(mode="json")


FREE_TEXTS = ("machine", "mlflow_run_id", "config_sha256", "windows_sha256")
NAMES = ("search", "experiment", "method", "level", "dataset", "variant")


def spoilt(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed, but for those that must be one of a few."""
    if isinstance(value, dict):
        kept = {"verdict", "reading", "side", "interval", "claim", "statistic", "baseline"}
        return {k: v if k in kept else spoilt(v, change) for k, v in value.items()}
    if isinstance(value, list):
        return [spoilt(each, change) for each in value]
    return change(value) if isinstance(value, str) else value


def both_pages(
    study: Path, out: Path, change: Callable[[str], str], standalone: bool
) -> list[Page]:
    """The pages where every free text of config, tables, claims and figures is changed.

    Conditions keep their names, by which their figures are found.
    """
    home = out / HOME
    shutil.copytree(study / HOME / "tables", home / "tables")
    found = tables(study)
    searches = found.searches.copy()
    for column in (*FREE_TEXTS, *NAMES):
        searches[column] = searches[column].map(change)
    found = replace(found, searches=searches)
    content = json.loads((study / HOME / "claims.json").read_text())
    config = content.pop("config")
    content = {"config": config, **spoilt(content, change)}
    (home / "claims.json").write_text(json.dumps(content))
    for path in [*study.rglob("*.svg"), *study.rglob("*.gif")]:
        drawn = out / path.relative_to(study)
        drawn.parent.mkdir(parents=True, exist_ok=True)
        drawn.write_bytes(b"GIF89a") if path.suffix == ".gif" else drawn.write_text(change(SVG))
    titled = scale(title=change("title"))
    # Reading refuses such names: the pages must not count on it.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dynamics, "read", lambda *_, **__: found)
        write(titled, out, out / "index.html", standalone=standalone)
    inputs = (found, home / "claims.json", home / "figures")
    write_page(titled, "E1", *inputs, out / PAGE, standalone=standalone)
    return [Page((out / name).read_text()) for name in ("index.html", PAGE)]


@pytest.fixture(scope="module", params=[False, True], ids=["linking", "standalone"])
def plain(
    request: pytest.FixtureRequest, study: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[bool, list[Page]]:
    """Whether they are standalone, and the pages where texts are changed but harmless."""
    out = tmp_path_factory.mktemp("plain")
    return request.param, both_pages(study, out, lambda old: "x" + old, request.param)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</style></title></pre><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        '" autofocus onfocus="alert(1)',
        "javascript:alert(1)//",
        "{{ 7 * 7 }}{% raw %}",
        "]]><!-- --><svg onload=alert(1)>",
        "&lt;b&gt;&#x3c;",
    ],
)
def test_no_text_can_change_a_page(
    study: Path, plain: tuple[bool, list[Page]], tmp_path: Path, text: str
) -> None:
    """Whatever config, tables and claims hold: the same elements, attributes and schemes."""

    def shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in page.elements]

    def schemes(page: Page) -> set[str]:
        links = [*page.all("a"), *page.all("img")]
        return {urlsplit(link.get("href", link.get("src", ""))).scheme for link in links}

    standalone, harmless = plain
    evil = both_pages(study, tmp_path, lambda old: text + old, standalone)
    for one, other in zip(harmless, evil, strict=True):
        assert shape(one) == shape(other)
        assert schemes(other) == schemes(one) <= {"", "data"}
        for image, usual in zip(other.all("img"), one.all("img"), strict=True):
            if standalone:
                assert image["src"].startswith(HELD)
            else:
                assert image["src"] == usual["src"]
        assert not other.all("svg")  # figures are images, in which no script runs
    for name in ("index.html", PAGE):
        assert escape(text) in (tmp_path / name).read_text()


@given(st.text())
def test_no_figure_can_leave_its_attribute(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.svg")
        path.write_text(text, encoding="utf-8", errors="replace")
        assert not set(data_uri(path)) & set('"<>&\n\r\t')


def test_equal_inputs_give_equal_bytes(
    study: Path, text: str, page_text: str, tmp_path: Path
) -> None:
    again = shutil.copytree(study, tmp_path / "another place")
    assert report(again, again / "index.html") == text
    assert experiment(again, again / PAGE) == page_text


@pytest.mark.parametrize("content", ["", "[]", '{"claims": {}}', "{"])
def test_a_damaged_claims_file_is_named(study: Path, tmp_path: Path, content: str) -> None:
    shutil.copytree(study / HOME / "tables", tmp_path / HOME / "tables")
    for one in STUDY_WIDE:
        shutil.copy(study / one.file, tmp_path)
    (tmp_path / HOME / "claims.json").write_text(content)
    with pytest.raises(InputError, match=r"claims\.json: "):
        write(scale(), tmp_path, tmp_path / "o.html")
    assert not (tmp_path / "o.html").exists()


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("verdicts/0/verdict", "proved", r"verdicts\.0\.verdict: .*'reproduced'"),
        ("verdicts/0/claim", "P9", r"verdicts\.0\.claim: 'P9', expected one of E0-growth, .*P1, "),
        ("verdicts/0/effect", "<b>", r"verdicts\.0\.effect: .*number"),
        ("verdicts/0/seeds", 1, r"verdicts\.0\.seeds: "),
        ("contrasts/0/low", [], r"contrasts\.0\.low: "),
        ("claims/P1/side", "left", r"claims\.P1\.side: "),
        (
            "claims/P1/statistic",
            "width",
            r"claims: expected E0-growth, .*, by their own statistics",
        ),
        ("claims/P9", None, r"claims\.P9: "),
        ("config/thresholds/growth", 2, r"config\.thresholds\.growth: expected 0 to 1, got 2"),
    ],
)
def test_a_foreign_claims_file_ends_in_a_sentence(
    study: Path, tmp_path: Path, place: str, value: object, says: str
) -> None:
    content = json.loads((study / HOME / "claims.json").read_text())
    *parents, last = (int(key) if key.isdigit() else key for key in place.split("/"))
    node = content
    for key in parents:
        node = node[key]
    node[last] = value
    path = tmp_path / "claims.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"claims\.json: {says}") as caught:
        read_claims(path)
    assert "\n" not in str(caught.value)


def test_a_missing_figure_leaves_no_report(study: Path, tmp_path: Path) -> None:
    claims = study / HOME / "claims.json"
    with pytest.raises(FileNotFoundError):
        write_page(scale(), "E1", tables(study), claims, tmp_path, tmp_path / "o.html")
    assert not list(tmp_path.iterdir())


def test_shrinking_keeps_what_is_seen() -> None:
    small = shrink(SVG)
    root = ET.fromstring(small)
    name = "{http://www.w3.org/2000/svg}"
    assert root.find(f".//{name}metadata") is None
    (group,) = root.iter(f"{name}g")
    assert group.attrib["transform"] == "translate(1.2345 2) scale(0.015625 -0.015625)"
    (path,) = root.iter(f"{name}path")
    assert path.attrib["d"].split() == ["M", "54", "157", "L", "256.22", "-61.2", "z"]
    assert path.attrib["style"] == "fill: #ffffff; opacity: 0.12345"
    (use,) = root.iter(f"{name}use")
    assert (use.attrib["x"], float(use.attrib["y"])) == ("63.19", 0)
    (label,) = root.iter(f"{name}text")
    assert label.attrib["x"] == "1e-05"
    assert label.text is not None
    assert label.text.startswith("P(none) < 0.12345 100%")
    assert len(small) < len(SVG)


@given(st.lists(st.floats(-2000, 2000), min_size=2, max_size=20))
def test_shrinking_moves_no_point_by_more_than_a_hundredth(values: list[float]) -> None:
    # As matplotlib writes them: up to six digits after the point.
    points = " ".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in values)
    small = ET.fromstring(shrink(f'<svg><path d="M {points}"/></svg>'))[0].attrib["d"]
    moved = [float(value) for value in small.split()[1:]]
    assert moved == pytest.approx(values, abs=0.00501)


def test_a_data_uri_gives_the_figure_back(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text(SVG)
    uri = data_uri(tmp_path / "a.svg")
    assert not set('"<>&#\n') & set(uri)
    assert unquote(uri.removeprefix("data:image/svg+xml,")) == shrink(SVG)
    (tmp_path / "a.gif").write_bytes(b"GIF89a\x00\xff")
    gif = data_uri(tmp_path / "a.gif").removeprefix("data:image/gif;base64,")
    assert b64decode(gif) == b"GIF89a\x00\xff"
    with pytest.raises(ValueError, match=r"a\.png: is neither SVG nor GIF"):
        data_uri(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (0.12345, "0.123"),
        (-0.00389, "−0.00389"),
        (1.0, "1"),
        (1234.5, "1234"),
        (31207.65, "3.1e+04"),
        (8.9e-7, "8.9e−07"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_numbers_can_be_read(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_the_first_screen_tells_each_pattern_from_the_verdicts(study: Path, text: str) -> None:
    """Counted once more, without `story`."""
    verdicts = json.loads((study / HOME / "claims.json").read_text())["verdicts"]
    story = words(text.split('<section id="story">')[1].split("</section>")[0])
    for claim, side in (("P1", max), ("P2", max), ("P3", max)):
        places: dict[str, dict[str, Any]] = {}
        for row in verdicts:
            if row["claim"] == claim:
                places.setdefault(row["condition"], {})[row["reading"]] = row
        rows = [
            place["published"]
            if place["settled"]["verdict"] == "unfinished" != place["published"]["verdict"]
            else place["settled"]
            for place in places.values()
        ]
        judged = [row for row in rows if row["verdict"] != "unfinished"]
        for kind in {row["verdict"] for row in rows}:
            count = sum(row["verdict"] == kind for row in rows)
            assert f"{kind} in {count} of {len(rows)} conditions".lower() in story.lower()
        effect = side(row["effect"] for row in judged or rows)
        assert f": {number(effect)} (" in story
    assert "A wiring that still moved at its end is judged at the published displacement." in story
    section = text.split('<section id="story">')[1].split("</section>")[0]
    assert section.count("<img ") == 3
    # Each leads to the searches that its picture is of.
    watched = [each["href"] for each in Page(section).all("a") if each.get("class") == "watch"]
    shown = [re.search(r"figures/([^/]+)/", each["src"]) for each in Page(section).all("img")]
    assert len(watched) == 3
    for link, figure in zip(watched, shown, strict=True):
        assert figure is not None
        assert link == f"{HOME}/explorer.html#{figure[1]}"
        assert (study / HOME / "trajectories" / f"{figure[1]}_s0").is_dir()


def test_a_finding_is_told_apart_by_whether_its_cause_is_there(study: Path) -> None:
    found = read_claims(study / HOME / "claims.json")
    (text,) = (each.text for each in findings(found) if each.claim == "P1")
    assert "whose setting" not in text
    rows = [row for row in found.verdicts if row.claim == "P1" and row.reading == "settled"]
    said: list[Verdict] = []
    for row, kind in zip(rows, ("reproduced", "not reproduced", "inconclusive"), strict=False):
        # What E0 says of other patterns' settings is not P1's affair.
        for claim, verdict in (("E0-growth", kind), ("E0-failure", "reproduced")):
            said.append(replace(row, claim=claim, verdict=verdict, reading="whole"))
    (text,) = (
        each.text
        for each in findings(replace(found, verdicts=[*found.verdicts, *said]))
        if each.claim == "P1"
    )
    places = [" ".join(row.condition.split("_")) for row in rows]
    assert len(places) == 4
    whose = (
        "whose setting gives it its cause",
        "whose setting does not",
        "of which that is undecided",
        "whose setting was not measured",
    )
    for place, words in zip(places, whose, strict=True):
        assert f" in 1 of 1 condition {words} ({place})" in text


def test_a_sentence_says_of_which_reading_its_number_is(study: Path) -> None:
    """A figure shows the end: where the verdict is of an earlier reading, both are told."""
    found = read_claims(study / HOME / "claims.json")
    row = next(row for row in found.verdicts if row.claim == "P3")

    def told(*kinds: tuple[str, float, str]) -> str:
        rows = [replace(row, reading=r, effect=e, verdict=v) for r, e, v in kinds]
        (text,) = [
            each.text
            for each in findings(replace(found, verdicts=rows))
            if each.pattern == "failure"
        ]
        return text

    early = ("published", 0.84, "inconclusive")
    text = told(early, ("settled", 1.0, "unfinished"))
    assert "0.84 (share of edges on which none wins, at the published displacement, " in text
    assert "displacement, and 1 at the end)" in text
    assert "at the published displacement)" in told(early, ("settled", 0.84, "unfinished"))
    text = told(early, ("settled", 1.0, "reproduced"))
    assert "1 (share of edges on which none wins, at the end)" in text


def test_every_part_of_the_story_has_a_figure_of_its_own(text: str) -> None:
    """Those of the settings are told with the regime, those of the variants with these."""
    sections = dict(re.findall(r'<section id="([\w-]+)">(.*?)</section>', text, re.DOTALL))
    figures = {name: Page(part).all("img") for name, part in sections.items()}
    learnt = [pattern.id for pattern in PATTERNS if pattern.claims] + ["dose"]
    assert all(figures[name] for name in learnt if "Strongest" in sections[name])
    assert {"growth", "width", "failure"} <= {name for name in figures if figures[name]}
    for name, part in figures.items():
        for figure in part:
            assert figure["src"].endswith("/regime.svg") <= (name == "regime")
            assert figure["src"].endswith(("/interventions.svg", "/accuracy.svg")) <= (
                name == "interventions"
            )
    assert any("/regime.svg" in figure["src"] for figure in figures["regime"])


def test_a_filter_hides_rows_and_columns_of_what_it_names(text: str) -> None:
    page = Page(text)
    boxes = [box["id"] for box in page.all("input")]
    assert len(boxes) == len(set(boxes)) == 2 + 1 + len(CLAIMS)
    for box in boxes:
        rule = f"body:has(#{box}:not(:checked)) .matrix .{box} {{ display: none; }}"
        assert text.count(rule) == 1
        assert any(box in each.get("class", "").split() for _, each in page.elements)


def test_a_page_is_told_what_was_found(study: Path, tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{block(NOTHING)}after\n")
    rewrite(study, page)
    found = page.read_text()
    assert found.startswith("before\n")
    assert found.endswith("after\n")
    for each in findings(read_claims(study / HOME / "claims.json")):
        assert f"- **{each.title}** {each.text}\n" in found
    searches = pq.read_table(study / HOME / "tables/searches.parquet").to_pandas()
    learning = searches[searches["alpha_learns"] & ~searches["intervened"]]
    for condition, seeds in learning.groupby("condition"):
        row = next(
            line
            for line in found.splitlines()
            if line.startswith(f"| {condition.replace('_', ' ')}")
        )
        assert f"({len(seeds)}) | {number(round(seeds['dropped_most'].mean(), 2))} | " in row
        assert row.endswith(f" {number(round(seeds['none_intermediate_final'].mean(), 2))} |")
    assert len(learning)
    rewrite(tmp_path, page)
    assert page.read_text() == f"before\n{block(NOTHING)}after\n"


def test_a_brief_page_counts_what_the_sentences_name(study: Path, tmp_path: Path) -> None:
    claims = study / HOME / "claims.json"
    content = json.loads(claims.read_text())
    place = tmp_path / HOME / "claims.json"
    shutil.copytree(study / HOME / "tables", place.parent / "tables")
    # One of P1's four conditions has its cause, one has not.
    p1 = [row for row in content["verdicts"] if (row["claim"], row["reading"]) == ("P1", "settled")]
    for row, verdict in zip(p1, ("reproduced", "not reproduced"), strict=False):
        content["verdicts"].append(
            {**row, "claim": "E0-growth", "reading": "whole", "verdict": verdict}
        )
    place.write_text(json.dumps(content))
    page = tmp_path / "README.md"
    page.write_text(block(NOTHING))
    rewrite(tmp_path, page, brief=True)
    rows = {
        cells[0]: cells[1:]
        for line in page.read_text().splitlines()
        if line.startswith("| ") and len(cells := line.strip("| ").split(" | ")) == 4
    }
    found = read_claims(place)
    for each in findings(found):
        there, others, most = rows[each.title]
        judged = [verdict for verdict in of_the_end(found.verdicts) if verdict.claim == each.claim]
        caused = {p1[0]["condition"]} if each.claim == "P1" else set()
        for cell, own in (
            (there, [row for row in judged if row.condition in caused]),
            (others, [row for row in judged if row.condition not in caused]),
        ):
            said = [part.split(" ", 1) for part in cell.split(", ")] if cell != "–" else []
            counts = Counter(row.verdict for row in own)
            assert {kind: int(count) for count, kind in said} == counts
        if each.strongest is not None:
            assert most.startswith(f"{number(each.strongest.effect)} in ")
            assert most.endswith(each.bound)


def test_a_page_takes_what_variants_change(tmp_path: Path) -> None:
    same = {"experiment": "E7", "level": "single", "dataset": "digits", "baseline": "free"}
    seeds = {"seeds": (0, 1), "values": (0.0, 0.0), "interval": "range", "note": ""}

    def one(method: str, variant: str, statistic: str, *numbers: float | bool | None) -> Contrast:
        effect, low, high, differs = numbers
        found = {"effect": effect, "low": low, "high": high, "differs": differs}
        names = {"method": method, "variant": variant, "statistic": statistic}
        return Contrast(**same, **seeds, **names, **found)

    told = contrast_table(
        [
            one("dsnas", "a", "width_gap", 0.25, 0.1, 0.4, True),
            one("dsnas", "a", "depth", 9.0, 9.0, 9.0, True),  # has no column
            one("dsnas", "b", "test_accuracy", -0.5, -1.0, 0.5, False),
            one("darts", "b", "regrown", 0.5, 0.25, 0.75, None),
            one("darts", "b", "edges_selected", 2.0, 2.0, 2.0, True),
            one("darts", "b", "test_accuracy", 1.0, None, None, None),
        ]
    )
    assert told.splitlines()[2:] == [
        "| dsnas single digits a | **+0.250** (+0.100 to +0.400) |  |  |  |",
        "| dsnas single digits b |  |  |  | -0.500 (-1.000 to +0.500) |",
        "| darts single digits b |  | … +0.500 (+0.250 to +0.750) | **+2.000** | … +1.000 |",
    ]
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- contrasts -->\nold\n<!-- /contrasts -->\nbelow\n")
    fill(page, "contrasts", told)
    assert page.read_text() == f"above\n<!-- contrasts -->\n{told}<!-- /contrasts -->\nbelow\n"
    with pytest.raises(SystemExit, match="has no <!-- field --> block"):
        fill(page, "field", told)


KINDS = ("cifar", "full", "methods", "protocols", "wide")
PAGES = ("results", *(f"results-{kind}" for kind in KINDS))


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in PAGES)])
def test_a_page_tells_what_the_tool_wrote(page: str) -> None:
    (found,) = BLOCK.finditer((Path(__file__).parents[1] / page).read_text())
    assert found[0] == block(found[2])
