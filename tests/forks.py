"""Processes that begin with everything imported: forked from a server that did so once."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from multiprocessing.connection import wait
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.warm"])
CLIENT = Path(__file__).with_name("client.py")


def begin() -> None:
    """Start the server, which compiles the kernels where they are not yet."""
    process = FORKS.Process(target=int)
    process.start()
    process.join()


def snakemake(
    cwd: Path, words: tuple[str, ...], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """`python -m snakemake WORDS`, with only what is not the project's imported already."""
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = FORKS.Process(target=_snakemake, args=(cwd, words, dict(variables), said))
        process.start()
        process.join(600)
        assert process.exitcode is not None, f"no end: {words}"
        texts = [path.read_text() for path in said]
    return subprocess.CompletedProcess(words, process.exitcode, *texts)


def _snakemake(
    cwd: Path, words: tuple[str, ...], variables: dict[str, str], said: list[Path]
) -> None:
    for number, path in enumerate(said, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), number)
    gc.disable()  # it ends before there is garbage to speak of
    _become(cwd, variables)
    sys.path.insert(0, str(cwd))
    sys.argv[0] = "snakemake"
    from snakemake.cli import main

    main(list(words))


def _become(cwd: Path | str, variables: Mapping[str, str]) -> None:
    """Take the environment, and forget the project: the code of PYTHONPATH is asked."""
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"wiring", "tests"}]:
        del sys.modules[name]
    sys.dont_write_bytecode = True
    sys.path[:0] = variables["PYTHONPATH"].split(os.pathsep)


@cache
def commands() -> Path:
    """A folder for PATH: its `wiring` does what the program of that name does, but forked.

    A rule's shell finds it there and starts it as it stands. It is killed with whom it works for.
    """
    return _programs() / "bin"


@cache
def snakemakes() -> Path:
    """The same, with a `snakemake` that is forked too."""
    return _programs() / "both"


@cache
def _programs() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wiring"))  # short: so is the longest name of a socket
    address = folder / "socket"
    for place, names in (("bin", ["wiring"]), ("both", ["wiring", "snakemake"])):
        (folder / place).mkdir()
        for name in names:
            words = [sys.executable, "-IS", str(CLIENT), str(address), name]
            program = folder / place / name
            program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(64)
        # A daemon: it ends with this process, however that ends.
        FORKS.Process(target=_serve, args=(listener, folder), daemon=True).start()
    return folder


def _serve(listener: socket.socket, folder: Path) -> None:
    """Fork each command, until there is nobody left to ask for one."""
    starter = multiprocessing.parent_process()
    assert starter is not None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    try:
        while starter.sentinel not in wait([listener, starter.sentinel]):
            asking, _ = listener.accept()
            with asking:
                if os.fork() == 0:
                    os._exit(_command(asking))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _command(asking: socket.socket) -> int:
    """Be the command that a client asks for, on its terminal, and tell it the exit code."""
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(asking, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    lines = asking.makefile("rb")
    name, words, cwd, variables = json.loads(lines.readline())
    threading.Thread(target=_end_with, args=(lines.read,), daemon=True).start()
    code = 1
    try:
        _become(cwd, variables)
        sys.argv[:] = [name, *words]
        if name == "snakemake":
            gc.disable()
            from snakemake.cli import main

            main()
        else:
            from wiring.cli import app

            app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    asking.sendall(bytes([code]))
    return code


def _end_with(read: Callable[[], bytes]) -> None:
    """Be killed as soon as the client is gone."""
    read()
    os.kill(os.getpid(), signal.SIGKILL)
