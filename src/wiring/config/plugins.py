"""What other packages plug in by entry points, known without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

from pydantic import GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema

from wiring.config.model import Name
from wiring.errors import InputError, faults

METHODS, SETTINGS, SOURCES = "wiring.methods", "wiring.method_settings", "wiring.sources"
"""Groups: method -> its class; method -> its settings' model, if any; source of data -> its class.

A method's settings stand apart from it: a method imports torch, and a scale file is checked
without.
"""
A_NAME = "at most 64 letters, digits, `_`, `.` and `-`"
_NAME: TypeAdapter[str] = TypeAdapter(Name)


@cache
def _points(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    # Sorted, and each once: a package that is installed and on the path too is seen twice.
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: tuple(found[name].values()) for name in sorted(found)}


def names(group: str) -> tuple[str, ...]:
    """What is plugged into a group, sorted; reading it takes milliseconds and imports nothing."""
    return tuple(_points(group))


def built_in(group: str) -> tuple[str, ...]:
    """The part of :func:`names` that this package brings."""
    own = "wiring."
    return tuple(n for n, points in _points(group).items() if points[0].value.startswith(own))


def package_of(group: str, name: str) -> str:
    """The package that a plug-in says it is in, whether or not it can be imported."""
    return _points(group)[name][0].value.partition(":")[0].partition(".")[0]


class Completed:
    """Marks a name from a group: JSON schema offers the built-in ones and takes any other."""

    def __init__(self, group: str) -> None:
        self.group = group

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """What is installed beside this package does not change the schema."""
        return {"anyOf": [{"enum": list(built_in(self.group))}, handler(schema)]}


@cache
def load(group: str, name: str) -> Any:
    """Import what is plugged in.

    Raises:
        InputError: it is not there, or cannot be had as its entry point says.
    """
    if name not in _points(group):
        raise InputError(f"unknown {name!r}, expected one of {', '.join(names(group))}")
    said = fault(group, name)
    if said is not None:
        raise InputError(said)
    point = _points(group)[name][0]
    found = point.load()
    if group == SETTINGS:
        _check_settings(f"{name}: {point.value}", found)
    return found


def _check_settings(where: str, model: Any) -> None:
    """Check a model of settings, and each default by itself: pydantic takes those on trust.

    Raises:
        InputError: it is of another kind, or a field does not take its own default.
    """
    from wiring.config.search import MethodSettings  # which asks this module for such models

    if not (isinstance(model, type) and issubclass(model, MethodSettings)):
        raise InputError(f"{where}: expected a subclass of wiring.config.search.MethodSettings")
    for name, field in model.model_fields.items():
        if not field.is_required():
            default = field.get_default(call_default_factory=True)
            try:
                kind: Any = Annotated[field.annotation, field]
                TypeAdapter(kind).validate_python(default)
            except ValidationError as error:
                said = "; ".join(said for _, said in faults(error))
                raise InputError(f"{where}: {name} does not take its own default: {said}") from None


@cache
def fault(group: str, name: str) -> str | None:
    """Why an entry point cannot be loaded, as far as that is seen without importing it.

    Its module is looked for and its source read: the attribute must be defined there, and every
    package that the module imports at its top must be installed.

    Args:
        group: a group of entry points.
        name: one of :func:`names`.

    Returns:
        One sentence, or None where no fault is seen.
    """
    points = _points(group)[name]
    if len(points) > 1:
        values = " and ".join(point.value for point in points)
        return f"{name}: two packages bring it ({values}), expected one"
    (point,) = points
    if group == METHODS and not is_name(name):
        return f"{name!r} becomes part of file names, expected {A_NAME}"
    if point.pattern.match(point.value) is None or not point.attr:
        return f"{name}: the entry point {point.value} of {group} is no module:Class"
    where = f"{name}: the entry point {point.value} of {group} cannot be imported"
    spec = _spec(point.module)
    if spec is None:
        return f"{where}: no module {point.module}"
    if spec.origin is None or not spec.origin.endswith(".py"):
        return None  # compiled, or a folder without a file: its names are not to be read
    try:
        tree = ast.parse(Path(spec.origin).read_bytes(), spec.origin)
    except (OSError, SyntaxError, ValueError) as error:
        return f"{where}: {spec.origin}: {' '.join(str(error).split())}"
    for imported in _imports(tree):
        if find_spec(imported) is None:
            return f"{where}: it imports {imported}, which is not installed"
        if group == SETTINGS and imported == "torch":
            return f"{where}: it imports torch, which scale files are checked without"
    first = point.attr.partition(".")[0]
    defined = set(_definitions(tree.body))
    if first and not defined & {first, "*", "__getattr__"}:
        return f"{where}: {point.module} has no {first}"
    return None


def is_name(name: str) -> bool:
    """Whether it may become part of a file name: it is :data:`A_NAME`."""
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return True


def _spec(module: str) -> ModuleSpec | None:
    """Find a module without running its parents, which `importlib.util.find_spec` does."""
    top, *parts = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    name = top
    for part in parts:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def _imports(tree: ast.Module) -> Iterator[str]:
    """The packages without which a module's import fails: not those that it tries or defers."""
    for statement in tree.body:
        if isinstance(statement, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and not statement.level and statement.module:
            yield statement.module.partition(".")[0]


def _definitions(body: list[ast.stmt]) -> Iterator[str]:
    """The names that a module's statements bind; `*` for those of a star import."""
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                yield alias.asname or alias.name.partition(".")[0]
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id
                elif isinstance(node, ast.stmt) and node is not statement:
                    yield from _definitions([node])
