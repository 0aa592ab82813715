"""Try a GPU: does it compute what a CPU does, and how fast? In ten minutes, without the network.

Writes one Markdown file with the card's name. Each stage has its seconds; what does not fit in
them is said to be missing.

    python -m benchmarks.gpu                        # writes benchmarks/gpu-CARD.md
    python -m benchmarks.gpu --device cpu --quick --out try.md   # the kit's own logic, in a minute
"""

from __future__ import annotations

import gc
import itertools
import re
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from torch import Tensor

from benchmarks.made_up import made_up
from benchmarks.step import Case, Steps, peak_memory
from wiring.config import SearchConfig, load_scale
from wiring.search import Search
from wiring.search.sgd import SGD
from wiring.space import Supernet
from wiring.space.spatial import compile_kernels

HERE = Path(__file__).parent
ROOT = HERE.parent
CPU = torch.device("cpu")
METHODS = sorted(
    entry.name
    for entry in entry_points(group="wiring.methods")
    if entry.value.startswith("wiring.")
)
BOUND = 1e-8
"""What the two devices may differ by, relative to the largest value, in float64 after 20 steps."""
NOT_RUN = "no time left"


class Stopwatch:
    """The seconds that a stage has."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; none once they are used up."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True)
class Machine:
    """What is tried.

    Attributes:
        device: where everything but the comparison's other side is computed.
        quick: everything tiny, to try the kit itself.
    """

    device: torch.device
    quick: bool

    @property
    def name(self) -> str:
        """The card's name."""
        cuda = self.device.type == "cuda"
        return torch.cuda.get_device_name(self.device) if cuda else "CPU"

    def wait(self) -> None:
        """Until all that was asked for is computed."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, function: Callable[[], object]) -> float:
        """That a call takes until its results are there."""
        self.wait()
        start = time.perf_counter()
        function()
        self.wait()
        return time.perf_counter() - start

    def peak(self, function: Callable[[], None]) -> float:
        """MB that a call needs at its peak beyond what is held before it."""
        if self.device.type != "cuda":
            return peak_memory(function)
        self.clear()
        before = torch.cuda.memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        function()
        self.wait()
        return (torch.cuda.max_memory_allocated(self.device) - before) / 2**20

    def clear(self) -> None:
        """Give back what nobody holds."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def sentence(error: BaseException) -> str:
    """Why something could not be done, in one line that fits a table."""
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first[:100]}".replace("|", "/")


# (a) The same numbers


class Outcome(NamedTuple):
    """What a search in float64 has come to."""

    logits: Tensor
    costs: Tensor
    alpha: Tensor


def search_config(method: str, level: str, epochs: int) -> SearchConfig:
    """A tiny search that alpha moves in."""
    space: dict[str, Any] = {"cells": 2, "nodes": 2, "channels": 2}
    alpha: dict[str, Any] = {"lr": 0.02}
    if method == "pc-darts":
        space["partial"] = 2
    if method == "uniform":
        alpha = {"lr": 0.0, "init_std": 0.0}
    return SearchConfig.model_validate(
        {
            "experiment": "gpu",
            "dataset": "made-up",
            "method": method,
            "level": level,
            "seed": 0,
            "space": space,
            "alpha": alpha,
            "train": {"epochs": epochs, "batch_size": 4, "followed_samples": 4},
        }
    )


def in_double(search: Search) -> Search:
    """The same search, computed in float64 from its images on."""
    net, w = search.net.double(), search.config.weights
    search.weight_optimizer = SGD(
        net.weights, net.gradient, w.momentum, w.weight_decay, w.grad_clip
    )
    net.embed = lambda images: Supernet.embed(net, images.double())  # type: ignore[method-assign]
    return search


def outcome(method: str, level: str, device: torch.device, *, steps: int) -> Outcome:
    """Two epochs of a search, on maps that both devices compute by the same code."""
    epochs, batch = 2, 4
    count = batch * (steps // epochs) * (2 if level == "bi" else 1)
    dataset = made_up(count, 2 * batch, size=17, classes=3)
    search = in_double(Search(search_config(method, level, epochs), dataset, device))
    costs = []
    while not search.finished:
        for row in search.run_epoch():
            if row.table == "windows":
                costs.append(torch.as_tensor(row.values["cost_mean"]).nan_to_num())
    draw = search.method.evaluation(search.alpha, search.candidates)
    with torch.no_grad():
        parts = [search.net(search.net.embed(x), draw) for x, _ in search.test.parts()]
    logits = torch.cat(parts)
    return Outcome(logits.cpu(), torch.stack(costs), search.alpha.detach().cpu())


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    return float((one - other).abs().max() / other.abs().max().clamp(min=1e-30))


def same_numbers(machine: Machine, watch: Stopwatch) -> list[str]:
    """CPU against device, a row a method."""
    pairs = [*((method, "single") for method in METHODS), ("darts", "bi"), ("dsnas", "bi")]
    steps = 20
    if machine.quick:
        pairs, steps = pairs[2::6], 2
    rows = []
    for method, level in pairs:
        name = f"{method} {level}"
        if not watch.left:
            rows.append([name, *[NOT_RUN] * 4])
            continue
        try:
            ours, theirs = (
                outcome(method, level, device, steps=steps) for device in (machine.device, CPU)
            )
        except Exception as error:
            traceback.print_exc()
            rows.append([name, "", "", "", f"**fails**: {sentence(error)}"])
            continue
        gaps = [difference(*pair) for pair in zip(ours, theirs, strict=True)]
        same = "yes" if max(gaps) <= BOUND else "**no**"
        rows.append([name, *(f"{gap:.1e}" for gap in gaps), same])
    return [
        f"Largest difference between CPU and device, relative to the largest value, after {steps} "
        "steps in float64 (two epochs, 17x17 maps, 2 cells; what a method does at an epoch's end "
        f"included). Alike: at most {BOUND:.0e}.",
        "",
        *table(["search", "logits", "costs", "alpha", "alike"], rows),
    ]


# (b) Tests


def tests(machine: Machine, watch: Stopwatch) -> list[str]:
    """The tests marked `gpu`: on the device if there is one, else where they can run."""
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    words += ["-p", "no:xdist", str(ROOT / "tests" / "test_gpu.py")]
    if machine.quick:
        words += ["-k", "not kit and not compiled"]  # not itself
    try:
        done = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, timeout=watch.left, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"**fails**: not done after {watch.left:.0f} seconds."]
    said = done.stdout.strip().splitlines()
    failed = [line for line in said if line.startswith(("FAILED", "ERROR", "SKIPPED"))]
    verdict = "pass" if done.returncode == 0 else f"**fails**: pytest ends with {done.returncode}"
    return [
        "Tests marked `gpu` (tests/test_gpu.py), one of which takes steps of DARTS while every "
        f"wait of the host is an error: {verdict}.",
        "",
        "```text",
        *failed,
        *said[-1:],
        "```",
    ]


# (c) Steps


def cases(*, quick: bool) -> Iterator[Case]:
    """What is timed, the published batch first."""
    batches, cells, channels, size = ((96, 1024), (1, 8), 16, 32)
    if quick:
        batches, cells, channels, size = ((8,), (1, 2), 4, 17)
    for batch, count, method, level in itertools.product(
        batches, cells, ("dsnas", "darts"), ("single", "bi")
    ):
        yield Case(method, level, count, 2, channels, batch, size)


def reading(machine: Machine, function: Callable[[], None], patience: float) -> str:
    """Milliseconds of a call: the median of ten, or of as many as there is patience for."""
    for _ in range(2):
        function()
    found, end = [], time.monotonic() + patience
    while len(found) < 10 and (not found or time.monotonic() < end):
        found.append(1e3 * machine.seconds(function))
    return f"{statistics.median(found):.1f}"


def tried(measure: Callable[[], str]) -> str:
    """What was measured, or why it could not be."""
    try:
        return measure()
    except Exception as error:
        return sentence(error)


def replayed(machine: Machine, steps: Steps) -> Callable[[], None]:
    """The step as a CUDA graph: captured once, then played again.

    What is counted on the host (a window's steps) stands still: for timing only.
    """
    if machine.device.type != "cuda":
        raise RuntimeError("no CUDA")
    if steps.case.method != "darts":
        raise RuntimeError("another cell in each step")
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            steps.recorded()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        steps.recorded()
    return graph.replay


def step_times(machine: Machine, watch: Stopwatch) -> list[str]:
    """Step time and peak memory by case, in all the ways there are to compute it."""
    patience = 0.05 if machine.quick else 1.0
    share = 0.5 * watch.left  # for compiling, which comes last: it is for the whole process
    rows: dict[Case, dict[str, str]] = {case: {} for case in cases(quick=machine.quick)}
    for case, row in rows.items():
        if watch.left <= share:
            continue

        def eager(case: Case = case, row: dict[str, str] = row, *, amp: bool = False) -> str:
            steps = Steps(case, machine.device, amp=amp)
            time = reading(machine, steps.recorded, patience)
            row["MB, AMP" if amp else "MB"] = f"{machine.peak(steps.recorded):.0f}"
            return time

        def plain(case: Case = case) -> str:
            return reading(machine, Steps(case, machine.device).plain, patience)

        def graph(case: Case = case) -> str:
            return reading(machine, replayed(machine, Steps(case, machine.device)), patience)

        row["eager"] = tried(eager)
        row["AMP"] = tried(lambda eager=eager: eager(amp=True))
        row["CUDA graph"] = tried(graph)
        row["plain"] = tried(plain)
        machine.clear()
    compile_kernels()
    for case, row in rows.items():
        if watch.left and row and not (machine.quick and "compiled" in next(iter(rows.values()))):

            def compiled(case: Case = case) -> str:
                return reading(machine, Steps(case, machine.device).recorded, patience)

            row["compiled"] = tried(compiled)
            machine.clear()
    columns = ["eager", "AMP", "compiled", "CUDA graph", "plain", "MB", "MB, AMP"]
    return [
        "Milliseconds of a step with everything recorded, medians of up to ten; peak memory of a "
        "step in MB beyond weights and data. Plain: op by op by autograd, nothing recorded. "
        f"{'Tiny: the numbers mean nothing.' if machine.quick else '32x32, C 16, minimal cells.'}",
        "",
        *table(
            ["step", "batch", *columns],
            [
                [
                    f"{case.method} {case.level} {case.cells}",
                    str(case.batch),
                    *(row.get(column, NOT_RUN) for column in columns),
                ]
                for case, row in rows.items()
            ],
        ),
    ]


# (d) A search


def search_times(machine: Machine, watch: Stopwatch) -> list[str]:
    """The published searches, begun on made-up pixels, and how long they would take."""
    searches = load_scale(ROOT / "config" / "paper.yaml").searches()
    chosen = {
        config.method: config
        for config in reversed(searches.values())
        if config.experiment == "E1" and config.space.nodes == 2 and config.seed == 0
    }
    train, test = (50_000, 10_000)
    if machine.quick:
        train, test = (32, 16)
    dataset = made_up(train, test, size=32)
    seconds = watch.left / 2
    rows = [
        timed_search(
            machine, shrunk(chosen[method]) if machine.quick else chosen[method], dataset, seconds
        )
        for method in ("dsnas", "darts")
    ]
    return [
        f"Searches of config/paper.yaml (E1, minimal cells), {seconds:.0f} seconds each, on "
        f"**made-up pixels**: {train} training and {test} test images of 32x32, random; the time "
        "does not depend on what they show. What an epoch ends with (test set) is in the "
        "projection once an epoch has ended in time; writing the trajectory is not.",
        "",
        *table(
            [
                "search",
                "steps done",
                "ms a step",
                "s an epoch's end",
                "projected hours, all epochs",
            ],
            rows,
        ),
    ]


def shrunk(config: SearchConfig) -> SearchConfig:
    """The same in small."""
    space = config.space.model_copy(update={"cells": 1, "channels": 4})
    train = config.train.model_copy(update={"batch_size": 8, "windows_per_epoch": 2})
    return config.model_copy(update={"space": space, "train": train})


def timed_search(machine: Machine, config: SearchConfig, dataset: Any, seconds: float) -> list[str]:
    """Search for so many seconds, to the end of a window."""
    search = Search(config, dataset, machine.device)
    end = time.monotonic() + seconds
    steps: list[float] = []
    ends: list[float] = []
    mark, done = time.perf_counter(), 0
    while not search.finished and time.monotonic() < end:
        for row in search.run_epoch():
            # The host has waited for the window's numbers.
            if row.table == "windows" and row.values["split"] == "train":
                now = time.perf_counter()
                steps.append((now - mark) / row.values["steps"])
                mark, done = now, row.values["step"]
            if time.monotonic() > end:
                break
        else:
            ends.append(time.perf_counter() - mark)
            mark = time.perf_counter()
    # The first window holds what is done once.
    step = statistics.median(steps[1:] or steps)
    tail = statistics.median(ends) if ends else 0.0
    whole = config.train.all_epochs * (search.batches["train"].steps_per_epoch * step + tail)
    return [
        f"{config.method} {config.level} {config.space.cells} cells",
        str(done),
        f"{1e3 * step:.1f}",
        f"{tail:.2f}" if ends else "not reached",
        f"{whole / 3600:.2f}",
    ]


STAGES: dict[str, tuple[Callable[[Machine, Stopwatch], list[str]], float, float]] = {
    "The same numbers": (same_numbers, 100, 20),
    "Tests": (tests, 100, 90),
    "Searches": (search_times, 120, 6),
    "Steps": (step_times, 200, 20),
}
"""Each with its seconds, and those of a quick try.

Steps last: what is compiled there is compiled for good.
"""


def report(machine: Machine) -> str:
    """Run all stages; the text of the file."""
    lines = [
        f"# {machine.name}",
        "",
        f"By `make gpu`: torch {torch.__version__}, CUDA {torch.version.cuda or 'none'}.",
    ]
    for title, (stage, own, quick) in STAGES.items():
        start = time.monotonic()
        try:
            said = stage(machine, Stopwatch(quick if machine.quick else own))
        except Exception as error:
            # The others still tell something.
            traceback.print_exc()
            said = [f"**fails**: {sentence(error)}"]
        machine.clear()
        took = time.monotonic() - start
        print(f"{title}: {took:.0f} s", flush=True)
        lines += ["", f"## {title}", "", *said, "", f"Took {took:.0f} s."]
    return "\n".join(lines) + "\n"


def main(
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the kit itself.")] = "cuda",
    quick: Annotated[bool, typer.Option("--quick", help="Everything tiny.")] = False,
    out: Annotated[Path | None, typer.Option(help="The file to write.")] = None,
) -> None:
    """Try a GPU and write benchmarks/gpu-CARD.md."""
    if device == "cuda" and not torch.cuda.is_available():
        typer.echo(
            "make gpu: torch finds no CUDA device here, so there is nothing to try", err=True
        )
        raise typer.Exit(1)
    machine = Machine(torch.device(device), quick)
    name = re.sub(r"[^A-Za-z0-9]+", "-", machine.name).strip("-")
    path = out or HERE / f"gpu-{name}.md"
    torch.use_deterministic_algorithms(True, warn_only=True)  # as a job does
    try:
        text = report(machine)
    finally:
        torch.use_deterministic_algorithms(False)
    path.write_text(text, "utf-8")
    print(path)
    if "**fails**" in text or "**no**" in text:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
