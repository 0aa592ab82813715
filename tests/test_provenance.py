"""What makes results stale: another meaning of the code behind them, and nothing else."""

import ast
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from tests.code_edits import (
    METHOD,
    ROLES,
    commented,
    edited,
    other_layout,
    other_meaning,
    other_words,
)
from wiring.cli import app
from wiring.config import load_scale
from wiring.config.plugins import SOURCES, built_in
from wiring.provenance import (
    EXCLUDED,
    STAGES,
    code_digest,
    digest,
    escapes,
    excluded,
    files_behind,
    method_digest,
    plugin_digest,
    source_digest,
)
from wiring.provenance.imports import Package
from wiring.provenance.meaning import meaning
from wiring.provenance.stages import COLLECTORS, PLUGINS

ROOT = Path(__file__).parents[1]
CODE = ROOT / "src/wiring"
MODULES = [path.relative_to(CODE).as_posix() for path in sorted(CODE.rglob("*.py"))]
METHODS = ("darts", "dsnas", "proxylessnas", "snas", "uniform")
COMMANDS = {
    "data": ["data"],
    "trajectories": ["_run"],
    "dynamics": ["dynamics", "metrics"],
    "series": ["series"],
    "claims": ["claims"],
    "figures": ["figures", "overview"],
    "charges": ["charges"],
    "explorer": ["show"],
    "report": ["page", "report", "answers"],
}
"""Stage -> the commands that its rules run."""


def text(source: str | ast.Module) -> str:
    tree = ast.parse(source) if isinstance(source, str) else source
    return meaning(tree.body, "package").text


# What a piece of code means.


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("module", MODULES)
def test_layout_comments_docstrings_and_the_order_of_imports_mean_nothing(
    module: str, seed: int
) -> None:
    source = (CODE / module).read_text()
    assert other_layout(source, seed) != source
    assert text(other_layout(source, seed)) == text(commented(source)) == text(source)


@pytest.mark.parametrize("module", MODULES)
def test_texts_of_errors_and_messages_mean_nothing(module: str) -> None:
    source = (CODE / module).read_text()
    assert text(other_words(source)) == text(source)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 'a'", 'x = "a"'),
        ("x = 'a' 'b'", "x = 'ab'"),
        ("x = u'a'", "x = 'a'"),
        ("x = f'a'", "x = 'a'"),
        ("x = f'a{y}' 'b' f'c'", "x = f'a{y}bc'"),
        ("x = 1_000 + 0x10", "x = 1000 + 16"),
        ("x = 1e3", "x = 1000.0"),
        ("x = (1)\ny = (1, 2,)", "x = 1; y = 1, 2"),
        ("with (a as b, c as d): f()", "with a as b, c as d:\n    f()"),
        ("class A: pass", "class A:\n    'It is said.'"),
        ("x: int = 1\n'''What it is.'''", "x: int = 1"),
        ("import a\nfrom b import c, d", "from b import d\nimport a\nfrom b import c"),
        ("from .a import b", "from package.a import b"),
        ("from typing import T\nif TYPE_CHECKING:\n    import a", "from typing import T"),
        ("def f():\n    raise E('a', 1)", "def f():\n    raise E(f'b {c}', 1)"),
        ("assert x, 'a'", "assert x"),
        ("log.info('a %s', f(x))", "log.info('b %s', f(x))"),
        ("if x:\n    y()\n    log.info('a %s', x)", "if x: y()"),
    ],
)
def test_the_same_in_other_words(one: str, other: str) -> None:
    assert text(one) == text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = 'None'", "x = None"),
        ("x = f'{y}'", "x = f'{y!r}'"),
        ("x = f'{y}'", "x = f'{y:.2f}'"),
        ("x = f'{y}'", "x = '{y}'"),
        ("x = {**y}", "x = {None: y}"),
        ("x = a[1:]", "x = a[:1]"),
        ("x = a, b", "x = [a, b]"),
        ("x = a - (b - c)", "x = a - b - c"),
        ("f(a, b)", "f(b, a)"),
        ("f(*a)", "f(a)"),
        ("f(a=1)", "f(b=1)"),
        ("def f(a): ...", "def f(a, /): ..."),
        ("def f(a=1): ...", "def f(*, a=1): ..."),
        ("def f(): ...", "async def f(): ..."),
        ("def f(x: int): ...", "def f(x: str): ..."),
        ("@a\n@b\ndef f(): ...", "@b\n@a\ndef f(): ..."),
        ("for x in y:\n    f()\nelse:\n    g()", "for x in y:\n    f()\ng()"),
        ("if a:\n    f()\ng()", "if a:\n    f()\n    g()"),
        ("import a as b", "import c as b"),
        ("from a import b", "from a import c as b"),
        ("from a import b\nfrom c import b", "from c import b\nfrom a import b"),
        ("from .a import b", "from ..a import b"),
        ("match x:\n    case None: f()", "match x:\n    case False: f()"),
        ("raise A('x')", "raise B('x')"),
        ("raise A('x', 1)", "raise A('x', 2)"),
        ("log.info('a')\nf()", "log.info('a', f())"),
        ("x = math.log('a')", "x = math.log('b')"),
        ("if not TYPE_CHECKING:\n    f()", "if not TYPE_CHECKING:\n    g()"),
        ("f('a')", "f('b')"),
    ],
)
def test_another_meaning(one: str, other: str) -> None:
    assert text(one) != text(other)


def lives(node: ast.AST) -> bool:
    """Whether a node does something, other than to speak."""
    if isinstance(node, ast.Expr):
        return not ast.unparse(node).startswith(("log.", "'", '"', "..."))
    if isinstance(node, ast.If):
        return ast.unparse(node.test) != "TYPE_CHECKING"
    return not isinstance(node, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom)


def live(node: ast.AST) -> Iterator[ast.AST]:
    for child in filter(lives, ast.iter_child_nodes(node)):
        yield child
        yield from live(child)


def swap(node: ast.AST) -> bool:
    """Two neighbouring statements change places."""
    body = getattr(node, "body", None)
    for place, (first, second) in enumerate(pairwise(body if isinstance(body, list) else ())):
        if lives(first) and lives(second) and ast.dump(first) != ast.dump(second):
            body[place : place + 2] = second, first
            return True
    return False


def set_(node: ast.AST, field: str, value: object) -> bool:
    setattr(node, field, value)
    return True


OTHER = {ast.Add: ast.Sub, ast.Eq: ast.NotEq, ast.And: ast.Or, ast.Not: ast.Invert}
MUTATIONS: dict[str, Callable[[ast.AST], bool]] = {
    "constant": lambda n: isinstance(n, ast.Constant) and set_(n, "value", f"not {n.value!r}"),
    "operator": lambda n: (
        isinstance(n, ast.BinOp | ast.BoolOp | ast.UnaryOp | ast.AugAssign)
        and set_(n, "op", OTHER.get(type(n.op), ast.Add)())
    ),
    "comparison": lambda n: (
        isinstance(n, ast.Compare) and set_(n, "ops", [OTHER.get(type(n.ops[0]), ast.Eq)()])
    ),
    "name": lambda n: isinstance(n, ast.Name) and set_(n, "id", n.id + "_"),
    "attribute": lambda n: isinstance(n, ast.Attribute) and set_(n, "attr", n.attr + "_"),
    "argument": lambda n: isinstance(n, ast.arg) and set_(n, "arg", n.arg + "_"),
    "default": lambda n: (
        isinstance(n, ast.arguments)
        and bool(n.defaults)
        and set_(n, "defaults", [*n.defaults[:-1], ast.Constant("another")])
    ),
    "keyword": lambda n: isinstance(n, ast.keyword) and set_(n, "arg", f"{n.arg}_"),
    "decorator": lambda n: (
        isinstance(n, ast.FunctionDef | ast.ClassDef)
        and set_(n, "decorator_list", [*n.decorator_list, ast.Name("another")])
    ),
    "base": lambda n: (
        isinstance(n, ast.ClassDef) and set_(n, "bases", [*n.bases, ast.Name("Another")])
    ),
    "order": swap,
    "annotation": lambda n: (
        isinstance(n, ast.AnnAssign | ast.arg) and set_(n, "annotation", ast.Name("Another"))
    ),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_other_change_means_something(mutation: str) -> None:
    """Each kind of change, at some places of every module."""
    tried = 0
    for module in MODULES:
        tree = ast.parse((CODE / module).read_text())
        before, nodes, left = text(tree), list(live(tree)), 3
        random.Random(module).shuffle(nodes)
        for node in nodes:
            kept = {k: list(v) if isinstance(v, list) else v for k, v in vars(node).items()}
            if MUTATIONS[mutation](node):
                assert text(tree) != before, f"{module}: {ast.unparse(node)}"
                vars(node).update(kept)
                left, tried = left - 1, tried + 1
            if not left:
                break
    assert tried >= 10


def pythons() -> Iterator[str]:
    """The other Pythons of this machine that the package supports."""
    places = os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")
    found = sorted(Path(places).glob("versions/3.1[1-9].*/bin/python"))
    for minor in range(11, 20):
        if (path := shutil.which(f"python3.{minor}")) is not None:
            found.append(Path(path))
    seen = {sys.version_info[:2]}
    for path in found:
        ask = [path, "-c", "import sys; print(*sys.version_info[:2])"]
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
        version = tuple(map(int, done.stdout.split()))
        if version and version not in seen:
            seen.add(version)  # type: ignore[arg-type]
            yield str(path)


def test_every_python_gives_the_same_digests() -> None:
    others = list(pythons())
    if not others:
        pytest.skip("no other Python is here")
    ask = "from wiring.provenance import *; print(*map(code_digest, STAGES))"
    environment = {**os.environ, "PYTHONPATH": str(CODE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    for python in others:
        said = subprocess.check_output([python, "-c", ask], env=environment, text=True)
        assert said.split() == [code_digest(stage) for stage in STAGES], python


def test_a_field_that_a_later_python_adds_means_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = (CODE / ROLES["supernet"]).read_text()
    before = text(source)
    for kind, empty in ((ast.FunctionDef, []), (ast.ClassDef, []), (ast.Call, None)):
        monkeypatch.setattr(kind, "_fields", ("added", *kind._fields))
        monkeypatch.setattr(kind, "added", empty, raising=False)
    assert text(source) == before


# What is behind a module.


def package(place: Path, files: Mapping[str, str], **tables: object) -> Package:
    for name, source in {"__init__.py": "", **files}.items():
        path = place / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return Package(place / "made", **tables)  # type: ignore[arg-type]


def behind(made: Package, *roots: str) -> set[str]:
    found = made.closure(roots)
    assert found.escapes == []
    return {module.removeprefix("made.") for module in found.modules}


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        {
            "a.py": "import made.b\nfrom . import c\ndef f():\n    from .d import x\nimport torch",
            "b.py": "x = 1",
            "c.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from made import e",
            "d.py": "x = 1",
            "e.py": "x = 1",
            "f.py": "x = 1",
        },
    )
    assert behind(made, "made.a") == {"a", "b", "c", "d"}


def test_a_name_leads_to_the_module_that_defines_it(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        {
            "a.py": "from made.p import x, whole",
            "p/__init__.py": "from made.p.one import x\nfrom made.p.two import y\n__all__ = ['x']",
            "p/one.py": "x = 1",
            "p/two.py": "y = 2",
            "p/whole.py": "z = 3",
        },
    )
    assert behind(made, "made.a") == {"a", "p.one", "p.whole"}
    assert behind(made, "made.p") == {"p.one", "p.two"}
    # From where a name is handed on does not matter; from where it comes does.
    before = made.meaning("made.a").text
    direct = {"b.py": "from made.p.one import x\nfrom made.p import whole"}
    assert package(tmp_path, direct).meaning("made.b").text == before
    moved = {"p/__init__.py": "from made.p.two import y as x"}
    assert package(tmp_path, moved).meaning("made.a").text != before


def test_an_init_counts_for_what_it_does(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        {
            "a.py": "from made.p.two import y",
            "p/__init__.py": "from made.p.one import x\nfrom made.p.three import z\nALL = [x]",
            "p/one.py": "x = 1",
            "p/two.py": "y = 2",
            "p/three.py": "z = 3",
        },
    )
    assert behind(made, "made.a") == {"a", "p", "p.one", "p.two"}


def test_files_that_are_named_count(tmp_path: Path) -> None:
    made = package(
        tmp_path,
        {
            "a.py": "x = open('p/page.j2')",
            "p/page.j2": "{% include 'style.css' %}",
            "p/style.css": "",
            "p/other.css": "",
            "b.py": "'''page.j2'''",
        },
    )
    assert [path.name for path in made.files(["made.a"])] == ["page.j2", "style.css"]
    assert made.files(["made.b"]) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("from made import absent", "made does not say what absent is"),
        ("import made.absent", "no module made.absent is there"),
        ("from made.b import *\nfrom made import *", "made does not say what \\* is"),
        ("from importlib import import_module", "importlib reaches what no import names"),
        ("import pkgutil", "pkgutil reaches what no import names"),
        ("x = __import__('made.b')", "__import__ reaches"),
        ("eval('1')", "eval reaches"),
        ("x = f.__doc__", "__doc__ reaches"),
        ("entry_points(group='others')", "entry points of others are not looked after"),
        ("entry_points()", "entry points of any group are not looked after"),
    ],
)
def test_what_cannot_be_followed_escapes(tmp_path: Path, source: str, says: str) -> None:
    made = package(tmp_path, {"a.py": source, "b.py": ""}, groups=["known"])
    (said,) = made.closure(["made.a"]).escapes
    assert re.search(says, said)


def test_what_is_excluded_is_not_followed(tmp_path: Path) -> None:
    files = {
        "a.py": "from made.p import x\nfrom made import VERSION\nentry_points(group='known')",
        "__init__.py": "VERSION = 1",
        "p/__init__.py": "from made.p.one import x",
        "p/one.py": "import made.b, made.absent, importlib",
        "b.py": "",
    }
    tables = {"excluded": {"made.p": "shows", "made": "a number"}, "groups": ["known"]}
    made = package(tmp_path, files, **tables)
    assert behind(made, "made.a") == {"a"}
    before = made.meaning("made.a").text
    moved = package(tmp_path, {"p/__init__.py": "from made.p.other import x"}, **tables)
    assert moved.meaning("made.a").text == before


def test_what_a_module_collects_counts(tmp_path: Path) -> None:
    files = {"a.py": "from made.p import ALL", "p/__init__.py": "import pkgutil\nALL = pkgutil.x()"}
    made = package(tmp_path, {**files, "p/one.py": "x = 1"}, collectors={"made.p": "made.p"})
    assert behind(made, "made.a") == {"a", "p", "p.one"}


# The stages of this package.


def test_no_import_escapes() -> None:
    assert [said for stage in STAGES for said in escapes(stage)] == []


def test_nothing_is_excluded_in_vain() -> None:
    reached = {module for stage in STAGES for module in excluded(stage)}
    for name, reason in EXCLUDED.items():
        assert any(m == name or m.startswith(name + ".") for m in reached), name
        assert len(reason.split()) > 3


def test_all_that_a_command_imports_is_behind_its_stage() -> None:
    """The command line itself is behind no stage: it hands over."""
    tree = ast.parse((CODE / ROLES["command line"]).read_text())
    commands = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for stage, names in COMMANDS.items():
        known = digest._stage(stage).modules
        for name in names:
            asked = meaning(commands[name].body, "wiring").imports
            # Runs one search after the other, and computes nothing of any.
            asked = {one for one in asked if "wiring.job.condition" not in str(one)}
            for each in digest.OURS.closure({digest.OURS.origin(one).module for one in asked})[0]:
                assert each in known, f"{name}: {each} is not behind {stage}"


def test_all_that_is_shipped_is_behind_a_stage() -> None:
    """A file that is read under a name that no string spells would be missed."""
    known = {path for stage in STAGES for path in files_behind(stage)}
    known |= {path for source in built_in(SOURCES) for path in files_behind("data", source)}
    words = {".md", ".LICENSE", ".typed", ".py", ".pyc"}
    for path in CODE.rglob("*"):
        if "__pycache__" in path.parts:
            continue
        if path.is_file() and path.suffix not in words and path.name != "py.typed":
            assert path in known, path


def test_stages_and_methods_have_digests_of_their_own() -> None:
    found = [*map(code_digest, STAGES), *map(method_digest, METHODS)]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in found)


def test_all_digests_read_each_file_once_and_import_nothing() -> None:
    """Snakemake asks for them at each start."""
    ask = (
        "import sys; from wiring.provenance import *\n"
        "sys.addaudithook(lambda event, values: event == 'open' and print(values[0]))\n"
        "for stage in STAGES: code_digest(stage)\n"
        "print(*sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CODE.parent)}
    said = subprocess.check_output([sys.executable, "-c", ask], env=environment, text=True)
    *opened, modules = said.splitlines()
    read = Counter(path for path in opened if path.endswith(".py"))
    assert len(read) > 100
    assert set(read.values()) == {1}
    assert not {"torch", "numpy", "pydantic"} & set(modules.split())
    ours = [name for name in modules.split() if name.startswith("wiring.")]
    assert all(name.startswith("wiring.provenance") for name in ours)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package."""
    place = tmp_path_factory.mktemp("copy") / "wiring"
    shutil.copytree(CODE, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


CACHES = (digest.code_digest, digest.plugin_digest, digest._stage)


def digests(place: Path) -> dict[str, str]:
    """All digests, of a copy of the package."""
    ours = Package(place, EXCLUDED, PLUGINS, COLLECTORS)
    with mock.patch.object(digest, "OURS", ours):
        for each in CACHES:
            each.cache_clear()
        found = {
            **{stage: code_digest(stage) for stage in STAGES},
            **{method: method_digest(method) for method in METHODS},
            **{source: source_digest(source) for source in built_in(SOURCES)},
        }
    for each in CACHES:
        each.cache_clear()
    return found


@pytest.fixture(scope="module")
def before(place: Path) -> dict[str, str]:
    """The digests of the copy as it is: every test leaves it so."""
    return digests(place)


TABLES = {"dynamics", "series", "claims", "figures", "report"}


@pytest.mark.parametrize(
    ("role", "stale"),
    [
        ("a method", {METHOD}),
        ("what methods share", {"trajectories", "charges"}),
        ("supernet", {"trajectories"}),
        ("plan", {"trajectories", "charges"}),
        ("costs", {"trajectories"}),
        ("trainer", {"trajectories"}),
        ("writer", {"trajectories"}),
        ("settings", {"trajectories", "charges", "explorer", *TABLES}),
        ("scale", {"claims", "figures", "report"}),
        ("preparing", {"data"}),
        ("a source", {"folder"}),
        ("shipped data", {"fashion"}),
        ("a pattern", TABLES | {"explorer"}),
        ("a table", TABLES),
        ("a verdict", {"claims", "report"}),
        ("a figure", {"figures", "report"}),
        ("style of figures", {"figures", "report"}),
        ("style of pages", {"report"}),
        ("macros of pages", {"report"}),
        ("tracking", set()),
        ("file handling", set()),
        ("progress", set()),
        ("signals", set()),
        ("command line", set()),
    ],
)
def test_a_change_makes_stale_what_it_computes(
    place: Path, before: dict[str, str], role: str, stale: set[str]
) -> None:
    with edited(place / ROLES[role], other_meaning):
        after = digests(place)
    assert {name for name in before if before[name] != after[name]} == stale


def test_other_layout_and_words_everywhere_make_nothing_stale(
    place: Path, before: dict[str, str]
) -> None:
    kept = {path: path.read_text() for path in place.rglob("*.py")}
    for path, source in kept.items():
        path.write_text(other_layout(other_words(source)))
    after = digests(place)
    for path, source in kept.items():
        path.write_text(source)
    assert after == before


@pytest.mark.parametrize(
    ("role", "stale"),
    [
        ("a method", set()),
        ("a source", set()),
        ("a verdict", set()),
        ("a pattern", TABLES | {"explorer"}),  # collected from their package, as figures are
        ("a figure", {"figures", "report"}),
    ],
)
def test_a_new_module_plans_no_search(
    place: Path, before: dict[str, str], role: str, stale: set[str]
) -> None:
    new = (place / ROLES[role]).with_name("novel.py")
    new.write_text("x = 1\n")
    after = digests(place)
    new.unlink()
    assert {name for name in before if before[name] != after[name]} == stale


def test_the_copy_is_as_it_was(place: Path, before: dict[str, str]) -> None:
    """What the tests above rely on."""
    assert digests(place) == before


# A method of another package.


def test_the_code_of_a_plugged_in_method_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "plugged"
    top.mkdir()
    (top / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (top / "method.py").write_text("one = 1")
    info = tmp_path / "plugged-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wiring.methods]\nplugged = plugged.method:Method\n")
    monkeypatch.syspath_prepend(tmp_path)
    # What is installed while this process runs: otherwise it looks once.
    monkeypatch.setattr(digest, "_entry_points", digest._entry_points.__wrapped__)

    def found() -> str:
        return plugin_digest.__wrapped__("wiring.methods", "plugged")

    first = found()
    (top / "method.py").write_text('"""Said."""\none = 1  # one')
    assert found() == first
    (top / "method.py").write_text("one = 2")
    second = found()
    assert second != first
    (top / "table.csv").write_text("1")
    third = found()
    assert third != second
    (top / "method.py").write_text("this is not Python")
    assert found() not in {first, second, third}
    assert top / "table.csv" in files_behind("trajectories", "plugged")
    # What it takes from a method of this package counts too.
    (top / "method.py").write_text("from wiring.methods.snas import SNAS")
    assert CODE / "methods/snas.py" in files_behind("trajectories", "plugged")


# The command.


def test_the_command_prints_the_files_behind_a_stage() -> None:
    done = CliRunner().invoke(app, ["provenance", "trajectories"])
    assert done.exit_code == 0
    assert done.output.startswith(f"{code_digest('trajectories')}  trajectories\n")
    for path in files_behind("trajectories"):
        assert str(path.relative_to(CODE)) in done.output
    assert ROLES["a method"] not in done.output
    for module, reason in excluded("trajectories").items():
        assert f"  {module}: {reason}\n" in done.output


def test_the_command_prints_the_files_behind_a_search() -> None:
    scale = ROOT / "config/smoke.yaml"
    searches = load_scale(scale).searches()
    name = next(name for name, search in searches.items() if search.method == METHOD)
    done = CliRunner().invoke(app, ["provenance", str(scale), name])
    assert done.exit_code == 0
    assert f"{method_digest(METHOD)}  the method {METHOD}\n" in done.output
    assert ROLES["a method"] in done.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nonsense"], "unknown stage 'nonsense', expected one of data, trajectories"),
        (["config/smoke.yaml", "E9"], "config/smoke.yaml: no search 'E9'"),
    ],
)
def test_the_command_refuses(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["provenance", *words])
    assert done.exit_code == 2
    assert says in done.output + caplog.text
