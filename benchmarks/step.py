"""Time a search step in units of one 3x3 convolution, and measure its peak memory.

Each reading times the reference, a step, and the plain baseline (op by op, no cost recorded) one
after the other in this process, so that their ratio does not depend on how busy the machine is.

    python -m benchmarks.step                # all cases; writes benchmarks/step.md
    python -m benchmarks.step --only dsnas   # cases whose name contains the text
    python -m benchmarks.step --brief        # what `make bench` has time for
"""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import plain
from wiring.config import AugmentConfig, SpaceConfig
from wiring.data.batches import Batches
from wiring.job.machine import keep_memory
from wiring.measure import Window, measure, sample_statistics
from wiring.methods.protocol import Context, load_method
from wiring.search.sgd import SGD
from wiring.space import Candidates, Draw, Supernet

HERE = Path(__file__).parent
CPU = torch.device("cpu")
READINGS = 10


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    method: str
    level: str
    cells: int
    nodes: int
    channels: int
    batch: int
    size: int

    @property
    def name(self) -> str:
        kind = {2: "minimal", 4: "full"}[self.nodes]
        return f"{self.method} {self.level} {self.cells} {kind} {self.size}x{self.size}"


def cases() -> list[Case]:
    """The published size (C 16, batch 96, 32x32) and the embedded one (C 8, batch 48, 8x8)."""
    shapes = [(1, 2), (8, 2), (1, 4)]
    published = [
        Case(m, level, cells, nodes, 16, 96, 32)
        for m, level, (cells, nodes) in product(("dsnas", "darts"), ("single", "bi"), shapes)
    ]
    embedded = [
        Case(m, level, 8, 2, 8, 48, 8) for m, level in product(("dsnas", "darts"), ("single", "bi"))
    ]
    return [*published, *embedded]


class Steps:
    """The steps of one case on fixed random data.

    Args:
        case: what is done.
        device: where.
        amp: forward in bfloat16 where that is safe.
    """

    def __init__(self, case: Case, device: torch.device = CPU, *, amp: bool = False) -> None:
        self.case = case
        self.space = SpaceConfig(cells=case.cells, nodes=case.nodes, channels=case.channels)
        self.bi = case.level == "bi"
        self.amp = amp
        self.net = Supernet(self.space, 3, 10, torch.Generator().manual_seed(0)).to(device)
        self.sgd = SGD(self.net.weights, self.net.gradient, 0.9, 3e-4, 5.0)
        self.method = load_method(case.method)
        self.candidates = Candidates.of(self.space, device)
        size = (len(self.space.edges), len(self.space.ops))
        self.alpha = torch.zeros(size, dtype=torch.float64, device=device)
        self.draws = torch.Generator().manual_seed(0)
        self.window = Window(self.space, device)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(case.batch, 3, case.size, case.size, generator=generator)
        self.x = x.to(device)
        self.y = torch.randint(10, (case.batch,), generator=generator).to(device)

    def recorded(self) -> None:
        """A step as a search does it: costs, credit, splits and residuals measured."""
        if self.bi:
            self._pass(record=True, weights=False)
        self._pass(record=True, weights=True)

    def bare(self) -> None:
        """The same step with nothing measured (alpha would learn nothing)."""
        if self.bi:
            self._pass(record=False, weights=False)
        self._pass(record=False, weights=True)

    def plain(self) -> None:
        """Op by op: DARTS's mixture, or DSNAS's supernet pass, by autograd through the gates."""
        for weights in (False, True) if self.bi else (True,):
            draw = self._draw(weights)
            gates = draw.gates.float().requires_grad_()
            loss = sample_statistics(plain.forward(self.net, self.x, gates), self.y).loss.mean()
            self.net.gradient.zero_()
            loss.backward()
            if weights:
                self.sgd.step(0.025, self.net.learning(draw))

    def _draw(self, weights: bool) -> Draw:
        context = Context(learns=not weights or not self.bi)
        return self.method.draw(self.alpha, self.candidates, self.draws, context)

    def _pass(self, *, record: bool, weights: bool) -> None:
        draw = self._draw(weights)
        if record:
            measured = measure(self.net, self.x, self.y, draw, weights=weights, amp=self.amp)
            self.window.add(measured)
        else:
            self._bare(draw, weights=weights)
        if weights:
            self.sgd.step(0.025, self.net.learning(draw))

    def _bare(self, draw: Draw, *, weights: bool) -> None:
        self.net.gradient.zero_()
        with nullcontext() if weights else self.net.frozen():
            stem = self.net.embed(self.x)
            if not weights:
                stem.requires_grad_()
            logits = self.net(stem, draw)
        loss = sample_statistics(logits, self.y).loss.mean()
        if logits.requires_grad:
            loss.backward(inputs=None if weights else [stem])


def reference() -> Callable[[], None]:
    """One 3x3 convolution 16 -> 16, forward and backward, on 96x16x32x32."""
    x = torch.randn(96, 16, 32, 32, requires_grad=True)
    weight = torch.randn(16, 16, 3, 3, requires_grad=True)
    gradient = torch.ones(96, 16, 32, 32)

    def once() -> None:
        torch.autograd.grad(torch.nn.functional.conv2d(x, weight, padding=1), (x, weight), gradient)

    return once


def seconds(function: Callable[[], None]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def resident(peak: bool) -> float:
    """Resident memory of this process in MB, now or at its peak (Linux; 0 elsewhere)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    field = "VmHWM" if peak else "VmRSS"
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def peak_memory(function: Callable[[], None]) -> float:
    """MB that a call needs at its peak above what was resident before."""
    clear = Path("/proc/self/clear_refs")
    if not clear.exists():
        return float("nan")
    # What earlier cases freed must go back to the system, or it would hide what this one takes.
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    clear.write_text("5")  # resets the peak
    before = resident(peak=False)
    function()
    return resident(peak=True) - before


def quartiles(values: list[float]) -> str:
    if len(values) < 4:
        return f"{statistics.median(values):.1f} ({len(values)} readings)"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.1f} ({low:.1f}-{high:.1f})"


def data_share(readings: int) -> str:
    """Percent of the fastest published step (DSNAS, 1 cell) that its batch takes: crop and flip."""
    steps = Steps(next(case for case in cases() if case.method == "dsnas"))
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (50_000, 3, 32, 32), generator=generator).to(torch.uint8)
    labels = torch.zeros(50_000, dtype=torch.int64)
    augment = AugmentConfig(crop_padding=4, flip=True)
    batches = Batches(images, labels, [0.5] * 3, [0.25] * 3, 96, augment, generator).cycle()
    next(batches)
    steps.recorded()
    shares = []
    for _ in range(readings):
        batch = seconds(lambda: next(batches))
        shares.append(100 * batch / (batch + seconds(steps.recorded)))
    return quartiles(shares)


PATIENCE = 20.0
"""Seconds that a case may spend on the plain baseline: where a step of it is slow, few will do."""


BRIEF = (("dsnas", "single", 8), ("darts", "single", 1), ("darts", "bi", 1), ("darts", "bi", 8))
"""Method, level and cells of the rows that `make bench` has time for: minimal cells, 32x32."""


def measured(case: Case, readings: int, *, beside: bool = True) -> list[str]:
    """One row: the ratios' medians with quartiles, the recording's share, and memory.

    Args:
        case: what is timed.
        readings: paired ones.
        beside: time the plain baseline as well.
    """
    steps, unit = Steps(case), reference()
    # The peak depends on what is drawn.
    memory = 0.0
    for draw in range(readings if case.method == "dsnas" else 1):
        steps.draws.manual_seed(draw)
        memory = max(memory, peak_memory(steps.recorded))
    for function in (unit, steps.bare):
        function()
    ratios: dict[str, list[float]] = {"recorded": [], "bare": [], "plain": []}
    shares, spent = [], 0.0

    def timed(function: Callable[[], None], reading: int) -> float:
        steps.draws.manual_seed(reading)  # the same sampled ops for all three
        return seconds(function)

    for reading in range(readings):
        base = min(seconds(unit) for _ in range(3))
        recorded, bare = timed(steps.recorded, reading), timed(steps.bare, reading)
        ratios["recorded"].append(recorded / base)
        ratios["bare"].append(bare / base)
        shares.append(100 * (recorded / bare - 1))
        if beside and spent < PATIENCE:
            slow = timed(steps.plain, reading)
            spent += slow
            ratios["plain"].append(slow / base)
    columns = [quartiles(values) if values else "" for values in ratios.values()]
    return [case.name, *columns, quartiles(shares), f"{memory:.0f}"]


def main(
    only: Annotated[str, typer.Option(help="Cases whose name contains this.")] = "",
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    readings: Annotated[int, typer.Option(help="Paired readings a case.")] = READINGS,
    brief: Annotated[bool, typer.Option("--brief", help="Few rows, no baseline.")] = False,
) -> None:
    """Measure, print and, when all cases ran, write benchmarks/step.md."""
    torch.set_num_threads(threads)
    keep_memory()
    head = ["case", "step", "without recording", "plain", "recording, %", "peak MB"]
    chosen = [case for case in cases() if only in case.name]
    if brief:
        sizes = {case: (case.method, case.level, case.cells) for case in chosen}
        chosen = [c for c in chosen if sizes[c] in BRIEF and (c.nodes, c.size) == (2, 32)]
    console, rows = Console(), []
    for case in track(chosen, console=console, transient=True):
        rows.append(measured(case, readings, beside=not brief))
        console.print("  ".join(rows[-1]), soft_wrap=True)
    table = Table(*head)
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if not only and not brief:
        share = data_share(readings)
        console.print(f"a batch of the data path, % of the fastest published step: {share}")
        lines = [
            f"Step time in units of one 3x3 convolution 16->16, forward and backward, on "
            f"96x16x32x32 in the same process; median (quartiles) of {readings} paired readings, "
            f"{threads} threads, torch {torch.__version__}.",
            "",
            f"| {' | '.join(head)} |",
            f"|{' --- |' * len(head)}",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"A batch (drawn, cropped, flipped, normalised on the device) takes {share} % of the "
            "step of DSNAS with 1 cell.",
        ]
        (HERE / "step.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    typer.run(main)
