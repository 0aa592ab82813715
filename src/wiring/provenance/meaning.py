"""What Python code means: its syntax without words and layout, as a text that no Python changes.

The text is our own, since that of `ast.dump` differs between versions. It has the name of each
node and its fields, by name; empty fields are left out, so that one which a later Python adds
(`type_params` came with 3.12) changes nothing. It does not have:

* comments, layout, quotes, spelling of numbers: the syntax has none;
* docstrings, other strings that stand alone, and `pass`: they do nothing;
* the order of neighbouring imports, and where a package's `__init__` has a name from;
* what is under `if TYPE_CHECKING:`: it never runs;
* texts of errors (`raise`, `assert`) and of messages (a call on `log`): whoever reads them is a
  person, and no code of ours decides by them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple

LOGGERS = {"log", "logger"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
UNWRITTEN = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields that say nothing: ctx follows from the place, kind is the u of u""."""
DYNAMIC = {"importlib", "inspect", "pkgutil", "runpy", "exec", "eval", "__import__", "__doc__"}
"""What reaches code that no import names, or makes words mean something."""


class Import(NamedTuple):
    """A name that an import statement binds.

    Attributes:
        module: the module, by its whole name.
        name: what is taken from it; None when the module itself is.
        bound: the name that it gets here.
    """

    module: str
    name: str | None
    bound: str


class Meaning(NamedTuple):
    """What a piece of code means, and what it refers to.

    Attributes:
        text: the meaning.
        imports: what it imports, at its top or anywhere in it.
        names: every name that it uses.
        strings: every string that it holds.
        dynamic: what it uses to reach code without an import statement, or words.
        groups: the groups of entry points that it asks for; None for one that is not spelt out.
    """

    text: str
    imports: list[Import]
    names: set[str]
    strings: set[str]
    dynamic: set[str]
    groups: set[str | None]


def meaning(
    code: Iterable[ast.stmt],
    package: str,
    origin: Callable[[Import], Import] = lambda wanted: wanted,
) -> Meaning:
    """What statements mean.

    Args:
        code: the statements, as a module's body has them.
        package: the package that relative imports in them start from.
        origin: tells where an imported name is defined.
    """
    writer = _Writer(package, origin)
    text = writer.statements(code)
    return Meaning(
        text, writer.imports, writer.names, writer.strings, writer.dynamic, writer.groups
    )


def imports_of(statement: ast.stmt, package: str) -> list[Import]:
    """The names that a statement of a module of `package` imports; none if it is no import."""
    if isinstance(statement, ast.Import):
        return [Import(a.name, None, a.asname or a.name) for a in statement.names]
    if isinstance(statement, ast.ImportFrom):
        above = package.split(".")[: -statement.level + 1 or None] if statement.level else []
        module = ".".join([*above, *([statement.module] if statement.module else [])])
        return [Import(module, a.name, a.asname or a.name) for a in statement.names]
    return []


def is_silent(statement: ast.stmt) -> bool:
    """Whether a statement does nothing but speak to a reader."""
    if isinstance(statement, ast.Expr):
        value = statement.value
        return isinstance(value, ast.Constant) or (_is_message(value) and not _does(value))
    if isinstance(statement, ast.If) and not statement.orelse:
        return getattr(statement.test, "attr", getattr(statement.test, "id", "")) == "TYPE_CHECKING"
    return isinstance(statement, ast.Pass)


def _is_message(node: ast.expr) -> bool:
    """Whether it is a call on a logger."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    logger = getattr(node.func.value, "attr", getattr(node.func.value, "id", ""))
    return logger in LOGGERS and node.func.attr in LEVELS


def _does(message: ast.expr) -> bool:
    """Whether what a message is given does something: then the statement stays, without words."""
    doing = (ast.Call, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)
    return sum(isinstance(node, doing) for node in ast.walk(message)) > 1  # one is itself


@cache
def _written(fields: tuple[str, ...]) -> list[str]:
    return sorted({*fields} - UNWRITTEN)


class _Writer:
    """Writes nodes, and remembers what they refer to."""

    def __init__(self, package: str, origin: Callable[[Import], Import]) -> None:
        self.package, self.origin = package, origin
        self.imports: list[Import] = []
        self.names: set[str] = set()
        self.strings: set[str] = set()
        self.dynamic: set[str] = set()
        self.groups: set[str | None] = set()
        self.own: dict[type[ast.AST], Callable[[Any], str]] = {
            ast.Constant: self.constant,
            ast.JoinedStr: self.f_string,
            ast.Name: self.name,
            ast.Attribute: self.attribute,
            ast.Call: self.call,
            ast.Raise: self.without_words,
            ast.Assert: self.asserted,
        }
        # Inside an error or a message, where words are left out.
        self.wordless = False

    def write(self, node: object) -> str:
        if isinstance(node, list):
            if node and isinstance(node[0], ast.stmt):
                return self.statements(node)
            return f"[{','.join(map(self.write, node))}]"
        if isinstance(node, ast.AST):
            own = self.own.get(type(node))
            return self.plain(node) if own is None else own(node)
        return ascii(node)

    def plain(self, node: ast.AST) -> str:
        written = []
        for field in _written(node._fields):
            value = getattr(node, field, None)
            if value is not None and (text := self.write(value)) != "[]":
                written.append(f"{field}={text}")
        return f"{type(node).__name__}({','.join(written)})"

    def statements(self, statements: Iterable[ast.stmt]) -> str:
        written: list[str] = []
        neighbours: list[Import] = []
        for statement in statements:
            if found := imports_of(statement, self.package):
                neighbours += found
            elif not is_silent(statement):
                written += self.imported(neighbours)
                neighbours = []
                written.append(self.write(statement))
        return f"[{','.join([*written, *self.imported(neighbours)])}]"

    def imported(self, neighbours: list[Import]) -> list[str]:
        self.imports += neighbours
        for wanted in neighbours:
            if wanted.module != "importlib.metadata":
                self.dynamic |= {wanted.module.split(".")[0]} & DYNAMIC
        # Of two that bind one name the last counts: sorted by that name they keep their order.
        origins = [self.origin(wanted) for wanted in sorted(neighbours, key=lambda one: one.bound)]
        return [f"{one.bound} from {one.module}:{one.name or ''}" for one in origins]

    def constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, str):
            if self.wordless:
                return "words"
            self.strings.add(node.value)
        # Not repr: which characters it escapes depends on the version.
        return f"{type(node.value).__name__} {node.value!a}"

    def f_string(self, node: ast.JoinedStr) -> str:
        if self.wordless:
            return "words"
        # How a string is cut into pieces differs between versions.
        written: list[str] = []
        for is_text, parts in groupby(node.values, lambda part: isinstance(part, ast.Constant)):
            if not is_text:
                written += map(self.write, parts)
            elif text := "".join(part.value for part in parts):  # type: ignore[attr-defined]
                written.append(f"str {text!a}")
        if all(isinstance(part, ast.Constant) for part in node.values):
            return written[0] if written else "str ''"
        return f"JoinedStr({','.join(written)})"

    def name(self, node: ast.Name) -> str:
        self.names.add(node.id)
        if node.id in DYNAMIC:
            self.dynamic.add(node.id)
        return f"Name({node.id!a})"

    def attribute(self, node: ast.Attribute) -> str:
        if node.attr == "__doc__":
            self.dynamic.add(node.attr)
        return f"Attribute({self.write(node.value)}.{node.attr!a})"

    def call(self, node: ast.Call) -> str:
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if called == "entry_points":
            groups = [each.value for each in node.keywords if each.arg == "group"]
            found = getattr(groups[0], "value", None) if groups else None
            self.groups.add(found if isinstance(found, str) else None)
        return self.without_words(node) if _is_message(node) else self.plain(node)

    def asserted(self, node: ast.Assert) -> str:
        return f"Assert({self.write(node.test)})"

    def without_words(self, node: ast.AST) -> str:
        before, self.wordless = self.wordless, True
        try:
            return self.plain(node)
        finally:
            self.wordless = before
