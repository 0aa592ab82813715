"""The documentation: its links resolve, and what it says of versions and citations is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import wiring
from tools import pages

ROOT = Path(__file__).parents[1]
FOLDERS = ("", "docs/**/", "config/", "benchmarks/", "tests/**/", "src/**/")
PAGES = sorted(
    {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in ROOT.glob(f"{folder}*.md")}
)
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    found: dict[str, int] = {}
    text = re.sub(r"^(```|~~~).*?^\1", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ +(.+?)\s*$", text, flags=re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading)
        name = re.sub(r"[^\w\- ]", "", words).strip().lower().replace(" ", "-")
        found[name] = found.get(name, -1) + 1
    return {f"{name}-{n}" if n else name for name, last in found.items() for n in range(last + 1)}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in pages.links(path):
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.is_relative_to(ROOT), f"{target} leads out of the project"
        assert linked.is_file(), f"{target}: no such file"
        if anchor:
            assert anchor in anchors(linked), f"{target}: no such heading"


def test_the_test_of_links_sees_them() -> None:
    assert {"docs/science.md", "docs/wiring.gif", "LICENSE"} <= set(pages.links(ROOT / "README.md"))
    assert "run" in anchors(ROOT / "config/README.md")
    assert "fact-1-cost-loss-entropy" in anchors(ROOT / "docs/science.md")


def test_every_page_is_reached_from_readme_and_in_the_sites_menu() -> None:
    reached = [path.relative_to(ROOT).as_posix() for path in pages.reached(ROOT / "README.md")]
    assert len(set(reached)) == len(reached)
    menu = re.findall(r"'([^']+\.md)'", str(SITE["nav"]))
    assert sorted(menu) == sorted(path for path in reached if path.endswith(".md")) == PAGES


def test_every_module_has_a_place_in_the_api() -> None:
    content = "".join(pages.api().values())
    for path in (ROOT / "src/wiring").rglob("*.py"):
        module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        module = module.removesuffix(".__init__")
        if module != "wiring" and "._" not in module:
            assert re.search(rf"^::: {module}$", content, re.MULTILINE), module


def test_the_site_fetches_no_font() -> None:
    assert SITE["theme"]["font"] is False


@pytest.mark.parametrize("page", PAGES)
def test_no_formula_is_taken_for_a_tag(page: str) -> None:
    assert not re.findall(r"<[A-Za-z/][^>]*>", pages.prose(ROOT / page))


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 200


def test_docstrings_cite_pages_that_are_there() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for page in re.findall(r"[\w/.]+\.md\b", path.read_text("utf-8")):
            assert (ROOT / page).is_file() or (path.parent / page).is_file(), f"{path}: {page}"


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\S+)", changes, re.MULTILINE)
    assert newest
    assert {project["version"], citation["version"], newest[1]} == {wiring.__version__}
    assert citation["license"] == project["license"]


def test_citation_names_software_and_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors", "type"} <= citation.keys()
    (paper,) = citation["references"]
    assert paper["type"] == "conference-paper"
    assert [author["family-names"] for author in paper["authors"]] == [
        *("Xie", "Hu", "Wang", "Liu", "Shi", "Liu", "Lin")
    ]
    assert "2009.01272" in paper["url"]
