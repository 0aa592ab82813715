"""Digests of the code behind a stage, and behind a plug-in that it loads."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from importlib.util import find_spec
from pathlib import Path

from wiring.provenance.imports import Closure, Package
from wiring.provenance.meaning import Meaning, meaning
from wiring.provenance.stages import COLLECTORS, EXCLUDED, PLUGINS, STAGES

METHODS, SOURCES = "wiring.methods", "wiring.sources"
OURS = Package(Path(__file__).parents[1], EXCLUDED, PLUGINS, COLLECTORS)


@cache
def code_digest(stage: str) -> str:
    """SHA-256 of what the code behind a stage means, and of the files that it reads."""
    return _digest(_lines(OURS, _stage(stage).modules))


@cache
def plugin_digest(group: str, name: str) -> str:
    """SHA-256 of what a plug-in adds to the code of the stage that loads it.

    Args:
        group: its group of entry points, one of :data:`PLUGINS`.
        name: its name in the group.
    """
    point = _entry_point(group, name)
    _, lines = _plugin(point, PLUGINS[group])
    return _digest([point.value, *lines])


def method_digest(method: str) -> str:
    """SHA-256 of what a search method adds to the code of all searches."""
    return plugin_digest(METHODS, method)


@cache
def search_digest(method: str) -> str:
    """SHA-256 of all code behind a method's searches, as their manifests name it."""
    return _sha256(code_digest("trajectories") + method_digest(method))


def source_digest(source: str) -> str:
    """SHA-256 of what a source of data adds to the code of all datasets."""
    return plugin_digest(SOURCES, source)


def files_behind(stage: str, plugin: str | None = None) -> list[Path]:
    """The files that a stage's results depend on.

    Args:
        stage: one of :data:`STAGES`.
        plugin: a method (a source) of which the results are; without, those of all are meant.
    """
    modules = _stage(stage).modules
    found = {*(OURS.modules[module] for module in modules), *OURS.files(modules)}
    if plugin is not None:
        (group,) = (group for group, loader in PLUGINS.items() if loader == stage)
        found.update(_plugin(_entry_point(group, plugin), stage)[0])
    return sorted(found)


def excluded(stage: str) -> dict[str, str]:
    """Modules that a stage imports and that do not count for it -> why."""
    return dict(sorted(_stage(stage).excluded.items()))


def escapes(stage: str) -> list[str]:
    """What may change a stage's results and neither counts nor is excluded; empty when all is well.

    The plug-ins of this package that the stage loads are looked through too.
    """
    roots = {
        point.module
        for group, loader in PLUGINS.items()
        if loader == stage
        for point in _entry_points(group)
        if _is_ours(point.module)
    }
    return OURS.closure([*STAGES[stage], *sorted(roots)]).escapes


@cache
def _stage(stage: str) -> Closure:
    return OURS.closure(STAGES[stage])


def _is_ours(module: str) -> bool:
    return module.split(".")[0] == OURS.name


def _entry_point(group: str, name: str) -> EntryPoint:
    # A package that is installed and on the path too is seen twice.
    (point,) = {each.value: each for each in _entry_points(group).select(name=name)}.values()
    return point


@cache
def _entry_points(group: str) -> EntryPoints:
    """Looked for once: in the metadata of everything that is installed."""
    return entry_points(group=group)


def _plugin(point: EntryPoint, stage: str) -> tuple[list[Path], list[str]]:
    """The files of a plug-in that are not the stage's already, and a line for each.

    Of another package every file counts: which of them it uses is its own affair.
    """
    files: list[Path] = []
    lines: list[str] = []
    roots: set[str] = set()
    if _is_ours(point.module):
        roots.add(point.module)
    else:
        for name, path in _all_files(point.module.split(".")[0]):
            files.append(path)
            read = _read(path, name)
            lines.append(f"{name} {_sha256(path.read_bytes() if read is None else read.text)}")
            wanted = [] if read is None else map(OURS.origin, read.imports)
            roots.update(each.module for each in wanted if _is_ours(each.module))
    added = OURS.closure(sorted(roots)).modules - _stage(stage).modules
    files += [*(OURS.modules[module] for module in sorted(added)), *OURS.files(added)]
    return files, [*lines, *_lines(OURS, added)]


def _read(path: Path, name: str) -> Meaning | None:
    """What a file means; None if it is not Python."""
    if path.suffix != ".py":
        return None
    package = name.rpartition("/")[0].replace("/", ".")
    try:
        return meaning(ast.parse(path.read_bytes()).body, package, OURS.origin)
    except (SyntaxError, ValueError):
        return None


def _all_files(top: str) -> list[tuple[str, Path]]:
    """The files of a package or module, found and not imported, by their names from its parent."""
    spec = find_spec(top)
    if spec is None:
        return []
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    if not folders:
        return [] if spec.origin is None else [(Path(spec.origin).name, Path(spec.origin))]
    return [
        (path.relative_to(folder.parent).as_posix(), path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _lines(package: Package, modules: Iterable[str]) -> list[str]:
    """A line for each module, and for each file that they read."""
    modules = sorted(modules)
    files = package.files(modules)
    return [
        *(f"{module} {_sha256(package.meaning(module).text)}" for module in modules),
        *(
            f"{path.relative_to(package.root).as_posix()} {_sha256(path.read_bytes())}"
            for path in files
        ),
    ]


def _digest(lines: Iterable[str]) -> str:
    return _sha256("\n".join(lines))


def _sha256(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
