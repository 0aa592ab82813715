"""Processes that begin with everything imported: forked from a server that did so once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.warm"])


def begin() -> None:
    """Start the server, which compiles the kernels where they are not yet."""
    process = FORKS.Process(target=int)
    process.start()
    process.join()


def plan(
    cwd: Path, words: tuple[str, ...], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """`python -m snakemake WORDS`, with only what is not the project's imported already.

    For what only asks: Snakemake starts processes of its own for what it does.
    """
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_plan, args=(cwd, words, dict(variables), said))
        process.start()
        process.join(600)
        assert process.exitcode is not None, f"no end: {words}"
        texts = [path.read_text() for path in said]
    return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _plan(cwd: Path, words: tuple[str, ...], variables: dict[str, str], said: list[Path]) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"wiring", "tests"}]:
        del sys.modules[name]  # the copy's own code is asked
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(cwd), *variables["PYTHONPATH"].split(os.pathsep)]
    sys.argv[0] = "snakemake"
    from snakemake.cli import main

    main(list(words))
