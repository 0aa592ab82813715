"""What the documentation's site is made of: a hook of MkDocs (see mkdocs.yml).

The site has the repository's own files at their own paths: README.md and all that is reached from
it by links. Nothing is copied and no link is rewritten. Each package of `wiring` has a page more,
from its docstrings.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src/wiring"
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`|<!--.*?-->", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)>?[^)]*\)")


def prose(page: Path) -> str:
    """A page without its code and comments."""
    return CODE.sub("`", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures within the repository."""
    found = LINK.findall(prose(page))
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def reached(start: Path) -> list[Path]:
    """A page, and every file that it leads to."""
    found = [start]
    for page in found:  # grows
        if page.suffix == ".md":
            targets = [target.partition("#")[0] for target in links(page)]
            files = [(page.parent / target).resolve() for target in targets if target]
            found += dict.fromkeys(path for path in files if path not in found and path.is_file())
    return found


def modules(part: Path) -> list[str]:
    """A package and its modules, or a module, by name; those with an underscore are left out."""
    files = sorted(part.rglob("*.py")) or [part]
    names = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in files]
    names = [name.removesuffix(".__init__") for name in names]
    return [name for name in names if "._" not in name]


def api() -> dict[str, str]:
    """The pages of the API: path and content."""
    parts = [*PACKAGE.glob("*/__init__.py"), *PACKAGE.glob("[!_]*.py")]
    tops = sorted(part.parent if part.name == "__init__.py" else part for part in parts)
    pages = {}
    for top in tops:
        package, *rest = modules(top)
        own = "\n    options: {members: false, heading_level: 1}" if rest else ""
        blocks = [f"::: {package}{own}", *(f"::: {name}" for name in rest)]
        pages[f"api/{top.stem}.md"] = "\n\n".join(blocks) + "\n"
    return pages


def on_config(config: MkDocsConfig) -> None:
    """List the pages of the API."""
    config.nav.append({"API": [{Path(path).stem: path} for path in api()]})


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Take the repository's files in place of those of `docs`."""
    from mkdocs.structure.files import File

    for file in list(files):
        if file.src_dir == config.docs_dir and file.src_uri not in config.extra_css:
            files.remove(file)
    for path in reached(ROOT / "README.md"):
        uri = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    for uri, content in api().items():
        files.append(File.generated(config, uri, content=content))
