"""What a module of a package depends on in it, worked out from import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from wiring.provenance.meaning import Import, Meaning, imports_of, is_silent, meaning


class Closure(NamedTuple):
    """What is behind some modules.

    Attributes:
        modules: themselves and all that they import, whose meaning counts.
        excluded: modules that they import, which do not count, with the reason.
        escapes: what may make a difference and neither counts nor is excluded, a sentence each.
    """

    modules: set[str]
    excluded: dict[str, str]
    escapes: list[str]


class Package:
    """A package on the disk; none of it is imported.

    Args:
        root: its folder, whose name is the package's.
        excluded: module or package -> why it does not count; the root's name is its `__init__`.
        groups: groups of entry points whose members are looked after elsewhere.
        collectors: module that imports all modules of a package -> that package.
    """

    def __init__(
        self,
        root: Path,
        excluded: Mapping[str, str] | None = None,
        groups: Iterable[str] = (),
        collectors: Mapping[str, str] | None = None,
    ) -> None:
        self.root, self.name = root, root.name
        self.excluded, self.collectors = excluded or {}, collectors or {}
        self.groups = set(groups)
        # Of each module once, for many stages ask.
        self._trees: dict[str, list[ast.stmt]] = {}
        self._meanings: dict[str, Meaning] = {}
        self._needed: dict[str, set[str]] = {}
        self._escaped: dict[str, list[str]] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """All its modules, by name."""
        found = {}
        for path in sorted(self.root.rglob("*.py")):
            parts = path.relative_to(self.root.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    @cached_property
    def _shipped(self) -> list[Path]:
        """Its files that are not code."""
        every = (path for path in self.root.rglob("*") if path.parent.name != "__pycache__")
        return sorted(path for path in every if path.suffix != ".py" and path.is_file())

    def closure(self, roots: Iterable[str]) -> Closure:
        """What is behind modules.

        Args:
            roots: their names; a package stands for all that its `__init__` hands on.
        """
        found = Closure(set(), {}, [])
        waiting = [(each, root) for root in roots for each in self._whole(root)]
        while waiting:
            module, whence = waiting.pop()
            if module in found.modules or module in found.excluded:
                continue
            if reason := self.reason(module):
                found.excluded[module] = reason
            elif module not in self.modules:
                found.escapes.append(f"{whence}: no module {module} is there")
            else:
                found.modules.add(module)
                found.escapes.extend(self._escapes(module))
                waiting += [(each, module) for each in self._needs(module)]
        # An __init__ that only hands on names has no meaning of its own.
        found.modules.difference_update({m for m in found.modules if not self._code(m)})
        return found

    def reason(self, module: str) -> str | None:
        """Why a module does not count; None if it does."""
        parts = module.split(".")
        above = [".".join(parts[:count]) for count in range(len(parts), 1, -1)]
        for name in above or [module]:
            if name in self.excluded:
                return self.excluded[name]
        return None

    def meaning(self, module: str) -> Meaning:
        """What a module means; of an `__init__`, what it does besides handing on names."""
        if module not in self._meanings:
            code = self._code(module)
            found = meaning(code, self._package(module), self.origin)
            if self._is_package(module):
                used = [
                    statement
                    for statement in self._tree(module)
                    if any(each.bound in found.names for each in self._imports(module, statement))
                ]
                found = meaning([*used, *code], self._package(module), self.origin)
            self._meanings[module] = found
        return self._meanings[module]

    def files(self, modules: Iterable[str]) -> list[Path]:
        """Files that modules name and that are shipped beside them, or below."""
        found: dict[Path, None] = {}
        for module in modules:
            names = {string.rpartition("/")[2] for string in self.meaning(module).strings}
            named = [path for path in self._shipped if path.name in names]
            if not named:
                continue
            folder = self.modules[module].parent
            beside = [path for path in self._shipped if path.is_relative_to(folder)]
            waiting = [path for path in named if path in beside]
            while waiting:
                path = waiting.pop()
                if path not in found:
                    found[path] = None
                    # A template names others.
                    content = path.read_bytes()
                    waiting += [each for each in beside if each.name.encode() in content]
        return sorted(found)

    def origin(self, wanted: Import) -> Import:
        """Where an imported name is defined, past the packages that hand it on."""
        module, name, bound = wanted
        if name is None or not self._is_package(module) or self.reason(module):
            return wanted
        handed: dict[str, Import] = {}
        for statement in self._tree(module):
            handed |= {each.bound: each for each in self._imports(module, statement)}
        if name in handed and handed[name][:2] != (module, name):
            return self.origin(handed[name])._replace(bound=bound)
        if f"{module}.{name}" in self.modules:
            return Import(f"{module}.{name}", None, bound)
        return wanted

    def _needs(self, module: str) -> set[str]:
        """The modules of the package that a module needs directly."""
        if module not in self._needed:
            self._needed[module] = self._find_needs(module)
        return self._needed[module]

    def _find_needs(self, module: str) -> set[str]:
        found: set[str] = set()
        for origin in map(self.origin, self.meaning(module).imports):
            found |= self._whole(origin.module) if origin.name is None else {origin.module}
        if module in self.collectors:
            below = self.collectors[module] + "."
            found.update(each for each in self.modules if each.startswith(below))
        # Python runs the __init__ of every package that a module lies in.
        parts = module.split(".")
        found.update(".".join(parts[:count]) for count in range(1, len(parts)))
        return {each for each in found if each.split(".")[0] == self.name}

    def _whole(self, module: str) -> set[str]:
        """A module as a value; of a package, any name that it hands on may be meant."""
        if not self._is_package(module):
            return {module}
        handed = [each for s in self._tree(module) for each in self._imports(module, s)]
        return {module, *(self.origin(each).module for each in handed)}

    def _escapes(self, module: str) -> list[str]:
        if module not in self._escaped:
            self._escaped[module] = self._find_escapes(module)
        return self._escaped[module]

    def _find_escapes(self, module: str) -> list[str]:
        found = self.meaning(module)
        said = []
        if module not in self.collectors:
            said += [
                f"{module}: {each} reaches what no import names" for each in sorted(found.dynamic)
            ]
        said += [
            f"{module}: entry points of {group or 'any group'} are not looked after"
            for group in found.groups - self.groups
        ]
        for origin in map(self.origin, found.imports):
            if origin.name is not None and not self._defines(origin.module, origin.name):
                said.append(f"{module}: {origin.module} does not say what {origin.name} is")
        return said

    def _defines(self, module: str, name: str) -> bool:
        """Whether a name is a module's own; what is no package is not looked into."""
        if not self._is_package(module) or self.reason(module):
            return True
        code = self._code(module)
        defined = {s.name for s in code if isinstance(s, ast.FunctionDef | ast.ClassDef)}
        return name in meaning(code, module).names | defined

    def _code(self, module: str) -> list[ast.stmt]:
        """The statements of a module; of an `__init__`, those that do not just hand on names."""
        tree = self._tree(module)
        if not self._is_package(module):
            return tree
        return [
            statement
            for statement in tree
            if not isinstance(statement, ast.Import | ast.ImportFrom)
            and not is_silent(statement)
            and not (
                isinstance(statement, ast.Assign)
                and getattr(statement.targets[0], "id", "") == "__all__"
            )
        ]

    def _imports(self, module: str, statement: ast.stmt) -> list[Import]:
        return imports_of(statement, self._package(module))

    def _tree(self, module: str) -> list[ast.stmt]:
        if module not in self._trees:
            self._trees[module] = ast.parse(self.modules[module].read_bytes()).body
        return self._trees[module]

    def _is_package(self, module: str) -> bool:
        return module in self.modules and self.modules[module].name == "__init__.py"

    def _package(self, module: str) -> str:
        return module if self._is_package(module) else module.rpartition(".")[0]
