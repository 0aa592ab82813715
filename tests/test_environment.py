"""pyproject.toml, the locks and environment.yml say the same; checked without a network."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import lock

MAIN = lock.MAIN_LOCK.read_text(encoding="utf-8")
CUDA = lock.CUDA_LOCK.read_text(encoding="utf-8")
DOCS = lock.DOCS_LOCK.read_text(encoding="utf-8")
ENVIRONMENT = lock.ENVIRONMENT.read_text(encoding="utf-8")
PROJECT = tomllib.loads((lock.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DIRECT = [Requirement(r) for r in [*PROJECT["dependencies"], *EXTRAS["dev"]]]
FOR_DOCS = [Requirement(r) for r in EXTRAS["docs"]]


def version(entry: lock.Entry) -> str:
    (pin,) = Requirement(entry.pin).specifier
    assert pin.operator == "=="
    return pin.version


def test_environment_is_generated_from_the_locks() -> None:
    assert lock.environment(MAIN, CUDA) == ENVIRONMENT, "run `make lock`"
    of_the_rules = lock.RULES_ENVIRONMENT.read_text(encoding="utf-8")
    assert lock.environment(MAIN, CUDA, "../..") == of_the_rules, "run `make lock`"


def test_the_rules_environment_finds_the_project_where_snakemake_copies_it() -> None:
    (line,) = (
        line
        for line in yaml.safe_load(lock.RULES_ENVIRONMENT.read_text())["dependencies"][-1]["pip"]
        if line.startswith("--editable ")
    )
    for place in (lock.RULES_ENVIRONMENT.parent, lock.ROOT / ".snakemake/conda"):
        assert (place / line.split()[1]).resolve() == lock.ROOT
    for rules in (lock.ROOT / "workflow/rules").glob("*.smk"):
        named = re.findall(r"conda:\s+\"(.+)\"", rules.read_text())
        assert {(rules.parent / name).resolve() for name in named} <= {lock.RULES_ENVIRONMENT}


@pytest.mark.parametrize(
    "edited", [(MAIN.replace("numpy==2", "numpy==1"), CUDA), (MAIN, CUDA.replace("==3", "==4"))]
)
def test_no_lock_can_change_alone(edited: tuple[str, str]) -> None:
    assert edited != (MAIN, CUDA)
    assert lock.environment(*edited) != ENVIRONMENT


def test_conda_gets_every_locked_package() -> None:
    environment = yaml.safe_load(ENVIRONMENT)
    python, pip, packages = environment["dependencies"]
    assert environment["name"] == "wiring"
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert (python, pip) == ("python>=3.11,<3.14", "pip")
    assert packages["pip"] == [*(e.pin for e in lock.parse(MAIN)), "--editable ."]


@pytest.mark.parametrize("requirement", [*DIRECT, *FOR_DOCS], ids=str)
def test_direct_dependency_is_locked_within_its_bounds(requirement: Requirement) -> None:
    name = canonicalize_name(requirement.name)
    text = DOCS if requirement in FOR_DOCS else MAIN
    versions = [version(e) for e in lock.parse(text) if e.name == name]
    assert versions
    assert all(v in requirement.specifier for v in versions)


def test_nothing_is_locked_as_direct_that_is_not() -> None:
    direct = {e.name for e in lock.parse(MAIN) if any(v.startswith("wiring ") for v in e.via)}
    assert direct == lock.direct() == {canonicalize_name(r.name) for r in DIRECT}


@pytest.mark.parametrize("text", [MAIN, CUDA, DOCS], ids=["main", "cuda", "docs"])
def test_every_package_is_pinned_and_hashed(text: str) -> None:
    for entry in lock.parse(text):
        assert version(entry)
        assert entry.hashes, entry.pin
        assert all(len(h) == len("sha256:") + 64 for h in entry.hashes)
        assert entry.via, entry.pin


def test_torch_may_be_the_cpu_build() -> None:
    (torch,) = (e for e in lock.parse(MAIN) if e.name == "torch")
    assert torch.pin == lock.TORCH == "torch==2.13.0"
    assert lock.TORCH_CPU_HASH in torch.hashes
    assert len(torch.hashes) > 1  # PyPI's builds too
    assert lock.CPU_LOCK.read_text(encoding="utf-8") == lock.CPU_LOCK_TEXT


def test_cuda_libraries_are_apart() -> None:
    main, cuda = lock.parse(MAIN), lock.parse(CUDA)
    assert lock.split([*main, *cuda]) == (main, cuda)
    # Linux alone has CUDA builds of torch; elsewhere the second lock must be empty.
    assert all("sys_platform == 'linux'" in e.pin for e in cuda)


def test_what_only_the_documentation_needs_is_apart() -> None:
    main, docs = lock.parse(MAIN), lock.parse(DOCS)
    assert lock.split_docs([*main, *docs]) == (main, docs)
    assert not {e.name for e in main} & {e.name for e in docs}
    wanted = {v for e in main for v in e.via}
    assert not wanted & {e.name for e in docs}  # so that it changes no other lock


def test_what_comes_as_source_is_built_by_what_is_locked() -> None:
    main = lock.parse(MAIN)
    build = lock.BUILD_LOCK.read_text(encoding="utf-8")
    assert build == lock.build_lock(main), "run `make lock`"
    (builder,) = lock.parse(build)
    assert builder in main
    assert builder.name == "setuptools"
    makefile = (lock.ROOT / "Makefile").read_text(encoding="utf-8")
    first, second = (
        makefile.index(f"{options} -r {name}")
        for options, name in (
            ("$(INSTALL) --quiet", "requirements-build.txt"),
            ("$(INSTALL) --no-build-isolation", "requirements.txt"),
        )
    )
    assert first < second


def test_split_follows_the_closure() -> None:
    def entry(name: str, *via: str) -> lock.Entry:
        return lock.Entry(f"{name}==1", (), via)

    entries = [
        entry("torch", "wiring (pyproject.toml)"),
        entry("triton", "torch"),
        entry("only-triton-needs", "triton"),
        entry("also-torch-needs", "torch", "triton"),
    ]
    main, cuda = lock.split(entries)
    assert [e.name for e in main] == ["torch", "also-torch-needs"]
    assert [e.name for e in cuda] == ["triton", "only-triton-needs"]
