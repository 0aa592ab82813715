"""Time a search step on small maps against an earlier commit, in paired readings of CPU time.

Two processes, one with this tree and one with the commit's, take turns on the same draws; a reading
is the ratio of their CPU times. A busy machine disturbs both alike, so ratios hold where times do
not. One thread; vector instructions as a search has them.

    python -m benchmarks.small                      # against e9dd121
    python -m benchmarks.small --only dsnas --commit HEAD~1
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

ROOT = Path(__file__).parent.parent
BEFORE = "e9dd121"
CASES = [
    ("dsnas", "single", 4),
    ("dsnas", "single", 8),
    ("proxylessnas", "single", 4),
    ("snas", "single", 4),
    ("darts", "single", 4),
    ("darts", "bi", 4),
    ("darts", "bi", 2),
]
STEPS = {"dsnas": 8, "proxylessnas": 4}
"""Steps in a reading, where the cost of one depends on what is drawn; else one."""
FEWEST = 4
"""Readings that quartiles take."""

WORKER = """
import sys, time
import torch
from benchmarks.step import Case, Steps, keep_memory

torch.set_num_threads(1)
keep_memory()
for line in sys.stdin:
    word, *values = line.split()
    if word == "case":
        method, level, cells = values
        steps = Steps(Case(method, level, int(cells), 2, 8, 48, 8))
        for _ in range(4):
            steps.recorded()
        print("ready", flush=True)
    else:
        seed, count = map(int, values)
        steps.draws.manual_seed(seed)
        start = time.process_time()
        for _ in range(count):
            steps.recorded()
        print(1e3 * (time.process_time() - start) / count, flush=True)
"""


class Tree:
    """A process that steps with one tree's code."""

    def __init__(self, root: Path) -> None:
        from wiring.config import RunConfig

        path = f"{root / 'src'}{os.pathsep}{root}"
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=root,
            env={**os.environ, **RunConfig().environment, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"no answer to {line!r}")
        return answer

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def extract(commit: str, folder: Path) -> Path:
    """The tree of a commit."""
    done = subprocess.run(
        ["git", "archive", commit, "src", "benchmarks"], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def main(
    commit: Annotated[str, typer.Option(help="What to compare with.")] = BEFORE,
    only: Annotated[str, typer.Option(help="Cases whose name contains this.")] = "",
    readings: Annotated[int, typer.Option(help="Paired readings a case.")] = 12,
    seconds: Annotated[float, typer.Option(help="After so many, a case takes 4 readings.")] = 1e9,
) -> None:
    """Print a Markdown table: CPU ms of a step before and after, and the ratio's quartiles."""
    print(
        f"| step, batch 48, 8x8, C 8, minimal cells | ms, {commit} | ms, now | ratio | quartiles |"
    )
    print("| --- | --- | --- | --- | --- |")
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        before, now = Tree(extract(commit, Path(folder))), Tree(ROOT)
        for method, level, cells in CASES:
            name = f"{method} {level} {cells} cells"
            if only not in name:
                continue
            for tree in (before, now):
                tree.ask(f"case {method} {level} {cells}")
            pairs = []
            for seed in range(readings):
                if seed >= FEWEST and time.monotonic() > end:
                    break
                line = f"go {seed} {STEPS.get(method, 1)}"
                pairs.append((float(before.ask(line)), float(now.ask(line))))
            old, new = (statistics.median(times) for times in zip(*pairs, strict=True))
            low, ratio, high = statistics.quantiles([b / a for a, b in pairs], n=4)
            print(
                f"| {name} | {old:.1f} | {new:.1f} | {ratio:.2f} | {low:.2f}-{high:.2f} |",
                flush=True,
            )
        for tree in (before, now):
            tree.close()


if __name__ == "__main__":
    typer.run(main)
