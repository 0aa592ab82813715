"""Dockerfile and wiring.def: of these locks, and with all that the workflow needs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import containers, lock

DIGEST = re.findall(r"^# Locks: (\S+)$", lock.ENVIRONMENT.read_text("utf-8"), re.MULTILINE)[0]


def test_they_name_the_locks_that_they_install() -> None:
    assert lock.DOCKERFILE.read_text("utf-8") == containers.dockerfile(DIGEST), "run `make lock`"
    assert lock.APPTAINER.read_text("utf-8") == containers.apptainer(DIGEST), "run `make lock`"
    for path in (lock.DOCKERFILE, lock.APPTAINER):
        (label,) = re.findall(
            rf"{re.escape(containers.LABEL)}\W+(sha256:\w+)", path.read_text("utf-8")
        )
        assert label == DIGEST


@pytest.mark.parametrize("torch", ["cpu", "cuda"])
def test_the_locks_of_one_build_of_torch_are_installed(torch: str) -> None:
    stub = "pip() { echo $*; }\n"
    for commands in (containers.locked(torch), containers.locked(f'"{torch}"')):
        script = stub + " && ".join(commands)
        output = subprocess.run(
            ["bash", "-euc", script], capture_output=True, text=True, check=True
        ).stdout
        lines = output.splitlines()
        order = ["requirements-build.txt", "requirements.txt"]
        order = (
            ["requirements-cpu.txt", *order]
            if torch == "cpu"
            else [*order, "requirements-cuda.txt"]
        )
        assert [line.split()[-1] for line in lines] == order
        assert all("--require-hashes" in line and "--no-deps" in line for line in lines)
        # What comes as source is built by the locked builder.
        assert ["--no-build-isolation" in line for line in lines] == [
            name == "requirements.txt" for name in order
        ]


def test_what_they_copy_is_all_that_the_workflow_reads(tmp_path: Path) -> None:
    for name in containers.SOURCES:
        shutil.copy(lock.ROOT / name, tmp_path)
    for name in containers.FOLDERS:
        shutil.copytree(lock.ROOT / name, tmp_path / name)
    subprocess.run(containers.PROJECT[1].split(), cwd=tmp_path, check=True)
    command = [sys.executable, "-m", "snakemake", "-n", "--config", "scale=smoke"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "search" in run.stdout + run.stderr
