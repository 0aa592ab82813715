"""Lock the dependencies of pyproject.toml, for pip and for conda.

PyPI's torch for Linux is a CUDA build that needs gigabytes of libraries; the CPU build, which is
not on PyPI, needs none of them. So `requirements.txt` fits every machine, `requirements-cuda.txt`
holds what only a CUDA build of torch needs, and `requirements-cpu.txt` names the CPU build.
`requirements-docs.txt` holds what only `make docs` needs, so that nobody else waits for it.
PyPI has some packages as source only; what builds them, `requirements-build.txt`, comes first, for
pip would fetch a builder of its own choice, which no lock names.
`environment.yml` says the same to conda, where pip finds the CUDA libraries by itself, and so does
`workflow/envs/wiring.yaml` for Snakemake, which makes the rules' environment from a copy in
`.snakemake/conda`: from either place the project is two folders up. `Dockerfile` and `wiring.def`
install the locks in a container.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import containers

ROOT = Path(__file__).resolve().parent.parent
MAIN_LOCK = ROOT / "requirements.txt"
CPU_LOCK = ROOT / "requirements-cpu.txt"
CUDA_LOCK = ROOT / "requirements-cuda.txt"
DOCS_LOCK = ROOT / "requirements-docs.txt"
BUILD_LOCK = ROOT / "requirements-build.txt"
ENVIRONMENT = ROOT / "environment.yml"
RULES_ENVIRONMENT = ROOT / "workflow/envs/wiring.yaml"
DOCKERFILE = ROOT / "Dockerfile"
APPTAINER = ROOT / "wiring.def"

# uv cannot see the official CPU wheel, so we pin it by hand:
# torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl.
TORCH = "torch==2.13.0"
TORCH_CPU_HASH = "sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"

MAIN_HEADER = "# The exact packages of every machine. Written by `make lock`.\n"
# A lock of its own: given PyPI's hashes too, pip prefers PyPI's wheel to one in a plain folder.
CPU_LOCK_TEXT = f"""\
# The CPU build of torch, for machines that offer one. Written by `make lock`.
{TORCH}+cpu \\
    --hash={TORCH_CPU_HASH}
"""
CUDA_HEADER = "# What only a CUDA build of torch needs besides. Written by `make lock`.\n"
DOCS_HEADER = "# What only `make docs` needs besides. Written by `make lock`.\n"
BUILD_HEADER = "# What builds the packages that come as source only. Written by `make lock`.\n"
BUILDER = "setuptools"
CONDA_HEADER = """\
# The packages of requirements.txt, for conda. Written by `make lock`.
# Locks: {digest}
name: wiring
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python>=3.11,<3.14
  - pip
  - pip:
"""


@dataclass(frozen=True)
class Entry:
    """One locked package: its pin, the hashes of its files and the packages that want it."""

    pin: str  # name==version, and a marker if it has one
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def name(self) -> str:
        """The package's normalised name."""
        return self.pin.partition("==")[0]

    def __str__(self) -> str:
        """The entry as pip reads it."""
        hashes = "".join(f" \\\n    --hash={h}" for h in self.hashes)
        return f"{self.pin}{hashes}\n    # via {', '.join(self.via)}\n"


def parse(lock: str) -> list[Entry]:
    """Read a lock that uv (with one-line annotations) or this module wrote."""
    entries = []
    for block in re.findall(r"^[^#\s].*\n(?:[ \t]+.*\n)*", lock, flags=re.MULTILINE):
        pin = block.splitlines()[0].removesuffix("\\").rstrip()
        hashes = re.findall(r"--hash=(\S+)", block)
        via = re.findall(r"# via (.+)", block)
        entries.append(Entry(pin, tuple(hashes), tuple(via[0].split(", ")) if via else ()))
    return entries


def only_for(names: Iterable[str], entries: Iterable[Entry]) -> set[str]:
    """These packages, and those that nothing but they ask for."""
    found, entries = set(names), list(entries)
    while more := {e.name for e in entries if e.name not in found and found.issuperset(e.via)}:
        found |= more
    return found


def split(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Part what every machine needs from what nothing but torch's CUDA build asks for."""
    entries = list(entries)
    cuda = only_for(
        (e.name for e in entries if re.match(r"nvidia-|cuda-|triton$", e.name)), entries
    )
    return [e for e in entries if e.name not in cuda], [e for e in entries if e.name in cuda]


def split_docs(entries: Iterable[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Part what the package and its tests need from what nothing but the documentation asks for."""
    entries = list(entries)
    docs = only_for(direct("docs") - direct(), entries)
    rest = [e for e in entries if e.name not in docs]
    rest = [replace(e, via=tuple(v for v in e.via if v not in docs)) for e in rest]
    return rest, [e for e in entries if e.name in docs]


def direct(*extras: str) -> set[str]:
    """The names of what pyproject.toml asks for: in its extras, or without any for all but docs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    lists = [optional[e] for e in extras] or [project["dependencies"], optional["dev"]]
    return {canonicalize_name(Requirement(r).name) for group in lists for r in group}


def digest_of(main_lock: str, cuda_lock: str) -> str:
    """What ties environment.yml and the containers to both locks, so that none changes alone."""
    return f"sha256:{hashlib.sha256((main_lock + cuda_lock).encode()).hexdigest()}"


def build_lock(entries: Iterable[Entry]) -> str:
    """Write requirements-build.txt: the builder as the main lock has it."""
    return BUILD_HEADER + "".join(str(e) for e in entries if e.name == BUILDER)


def environment(main_lock: str, cuda_lock: str, project: str = ".") -> str:
    """Write conda's file; the project is at this path from where it lies."""
    pins = "".join(f"      - {e.pin}\n" for e in parse(main_lock))
    return (
        CONDA_HEADER.format(digest=digest_of(main_lock, cuda_lock))
        + pins
        + f"      - --editable {project}\n"
    )


def resolve(previous: str, *, upgrade: bool) -> list[Entry]:
    """Ask uv for the closure on every platform; pins of `previous` stay unless told to upgrade."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "requirements.txt"
        draft.write_text(previous, encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml"]
        command += ["--extra=dev", "--extra=docs"]
        command += ["--universal", "--python-version=3.11", "--generate-hashes", "--no-header"]
        command += ["--annotation-style=line", f"--output-file={draft}", "--quiet"]
        subprocess.run(command + ["--upgrade"] * upgrade, cwd=ROOT, check=True)
        entries = parse(draft.read_text(encoding="utf-8"))
    if TORCH not in {e.pin for e in entries}:
        sys.exit(f"The lock lost {TORCH}: pin the CPU wheel of the new torch in tools/lock.py.")
    return [
        replace(e, hashes=tuple(sorted({*e.hashes, TORCH_CPU_HASH}))) if e.pin == TORCH else e
        for e in entries
    ]


def main() -> None:
    """Bring the locks and environment.yml up to date with pyproject.toml."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade

    locks = (MAIN_LOCK, CUDA_LOCK, DOCS_LOCK)
    previous = "".join(p.read_text(encoding="utf-8") for p in locks if p.exists())
    rest, docs_part = split_docs(resolve(previous, upgrade=upgrade))
    main_part, cuda_part = split(rest)
    main_lock = MAIN_HEADER + "".join(map(str, main_part))
    cuda_lock = CUDA_HEADER + "".join(map(str, cuda_part))
    MAIN_LOCK.write_text(main_lock, encoding="utf-8")
    CUDA_LOCK.write_text(cuda_lock, encoding="utf-8")
    DOCS_LOCK.write_text(DOCS_HEADER + "".join(map(str, docs_part)), encoding="utf-8")
    CPU_LOCK.write_text(CPU_LOCK_TEXT, encoding="utf-8")
    BUILD_LOCK.write_text(build_lock(main_part), encoding="utf-8")
    ENVIRONMENT.write_text(environment(main_lock, cuda_lock), encoding="utf-8")
    RULES_ENVIRONMENT.write_text(environment(main_lock, cuda_lock, "../.."), encoding="utf-8")
    digest = digest_of(main_lock, cuda_lock)
    DOCKERFILE.write_text(containers.dockerfile(digest), encoding="utf-8")
    APPTAINER.write_text(containers.apptainer(digest), encoding="utf-8")
    print(
        f"Locked {len(main_part)} packages, {len(cuda_part)} CUDA libraries of torch and "
        f"{len(docs_part)} packages for the documentation."
    )


if __name__ == "__main__":
    main()
