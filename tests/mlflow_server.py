"""MLflow's own server, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 600.0
"""Seconds that a server may take to answer."""


@contextmanager
def mlflow_server(store: Path, port: int, *options: str) -> Iterator[str]:
    """A server of one worker over a database; killed at the end, as a machine that fails.

    Args:
        store: the database; artifacts and what the server says go beside it.
        port: of 127.0.0.1.
        options: more of `mlflow server`.

    Yields:
        Its address, once it answers.
    """
    said = store.with_suffix(".log")
    with said.open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--host=127.0.0.1", f"--port={port}"),
                *("--workers=1", f"--backend-store-uri=sqlite:///{store}"),
                *(f"--artifacts-destination={store.parent}/artifacts", *options),
            ],
            cwd=store.parent,
            # Its workers for jobs of other kinds take a while to start, and are not needed.
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=10):
                break
            assert process.poll() is None, f"the server ended: {said.read_text()}"
            assert time.monotonic() < end, f"the server does not answer: {said.read_text()}"
            time.sleep(0.1)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
