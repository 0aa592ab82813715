"""Edits of code, for the tests of what makes results stale; and which module plays which role."""

from __future__ import annotations

import ast
import io
import os
import random
import tokenize
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

ROLES = {
    "a method": "methods/dsnas.py",
    "what methods share": "methods/common.py",
    "supernet": "space/supernet.py",
    "plan": "space/plan.py",
    "costs": "measure/probe.py",
    "settings": "config/search.py",
    "scale": "config/scale.py",
    "trainer": "search/search.py",
    "writer": "trajectory/writer.py",
    "preparing": "data/prepare.py",
    "a source": "data/sources/folder.py",
    "shipped data": "data/sources/fashion.npz",
    "a pattern": "patterns/growth.py",
    "a table": "dynamics/tables.py",
    "a verdict": "claims/judge.py",
    "a figure": "figures/phases.py",
    "style of figures": "figures/style.py",
    "style of pages": "report/style.css",
    "macros of pages": "report/macros.html.j2",
    "tracking": "tracking/view.py",
    "file handling": "files.py",
    "progress": "job/progress.py",
    "signals": "job/stops.py",
    "command line": "cli.py",
}
"""Role -> the file of `src/wiring` that plays it; what the tests say, they say of roles."""

METHOD = "dsnas"
"""The method whose file plays the role "a method"."""


@contextmanager
def edited(path: Path, edit: Callable[[bytes], bytes], *, old_time: bool = False) -> Iterator[None]:
    """A file whose content an edit has changed, for a while; its times come back too."""
    content, times = path.read_bytes(), path.stat()
    assert edit(content) != content
    path.write_bytes(edit(content))
    if old_time:
        os.utime(path, (0, 0))
    try:
        yield
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def other_meaning(content: bytes) -> bytes:
    """Code or data that is not the same."""
    return content + b"\nCHANGED = True\n"


def other_layout(source: str, seed: int = 0) -> str:
    """The same code: other layout, comments and docstrings, imports in another order."""
    chance = random.Random(seed)
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            if isinstance(body := getattr(node, name, None), list):
                setattr(node, name, _other_body(body, chance))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            if _is_docstring(node.body[0]):
                del node.body[0]
            if chance.random() < 0.7:
                node.body.insert(0, ast.Expr(ast.Constant("Other words.\n\nAnd more.")))
            node.body = node.body or [ast.Pass()]
    return commented(ast.unparse(ast.fix_missing_locations(tree)))


def commented(source: str) -> str:
    """The same code with a comment and a blank line after every line."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NEWLINE and token.start[0] <= len(lines):
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column] + "  # said\n"
    return "\n".join(lines) + "\n"


def other_words(source: str) -> str:
    """The same code with other texts of errors and messages."""

    class Errors(ast.NodeTransformer):
        def visit_Raise(self, node: ast.Raise) -> ast.AST:
            return Words().visit(node)

        def visit_Call(self, node: ast.Call) -> ast.AST:
            return (Words() if ast.unparse(node).startswith("log.") else super()).generic_visit(
                node
            )

    return ast.unparse(ast.fix_missing_locations(Errors().visit(ast.parse(source))))


class Words(ast.NodeTransformer):
    """Replaces every string."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("other words") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, _: ast.JoinedStr) -> ast.AST:
        return ast.Constant("other words")


def _other_body(body: list[ast.stmt], chance: random.Random) -> list[ast.stmt]:
    found: list[ast.stmt] = []
    for kind, run in groupby(body, lambda s: isinstance(s, ast.Import | ast.ImportFrom)):
        statements = list(run)
        if kind:
            for statement in statements:
                chance.shuffle(statement.names)  # type: ignore[attr-defined]
            chance.shuffle(statements)
            # Python wants these first.
            statements.sort(key=lambda s: getattr(s, "module", "") != "__future__")
        found += statements
    return found


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
