"""What makes sense on a GPU, on it where there is one; and the kit that tries one (`make gpu`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks import gpu, plain
from benchmarks.made_up import made_up
from benchmarks.step import Case, Steps
from wiring.measure import Window, measure
from wiring.search import Search
from wiring.space import spatial

CUDA = torch.cuda.is_available()
CPU = torch.device("cpu")
DEVICE = torch.device("cuda" if CUDA else "cpu")
SIZE = 17  # so large that a CPU takes the code that a GPU does


@pytest.fixture(autouse=True)
def _as_a_job_does() -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def search(method: str, level: str = "single") -> Search:
    dataset = made_up(32, 8, size=SIZE, classes=3)
    return Search(gpu.search_config(method, level, epochs=2), dataset, DEVICE)


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="only a GPU lets the host go on alone")
@pytest.mark.parametrize("level", ["single", "bi"])
def test_the_host_waits_in_no_step_of_darts(level: str) -> None:
    searched = search("darts", level)
    window = Window(searched.space, DEVICE)
    batches = {split: source.cycle() for split, source in searched.batches.items()}

    def step() -> None:
        for split in reversed(batches):
            x, y, _ = next(batches[split])
            searched.step(split, x, y, window, trains=True)

    for _ in range(3):
        step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["darts", "dsnas"])
def test_the_net_equals_its_twin_op_by_op(method: str) -> None:
    """In float64: logits, the gradients of all weights, and the costs by autograd."""
    steps = Steps(Case(method, "single", 2, 2, 2, 4, SIZE), DEVICE)
    net, x = steps.net.double(), steps.x.double()
    draw = steps.method.draw(
        steps.alpha, steps.candidates, steps.draws, search(method).context("train")
    )
    gates = draw.gates.expand(2, -1, -1).clone().requires_grad_()
    logits = plain.forward(net, x, gates)
    loss = torch.nn.functional.cross_entropy(logits, steps.y)
    wanted = torch.autograd.grad(loss, [gates, *net.parameters()], allow_unused=True)
    with torch.no_grad():
        torch.testing.assert_close(net(net.embed(x), draw), logits, rtol=1e-9, atol=1e-9)
    measured = measure(net, x, steps.y, draw, weights=True)
    evaluated = measured.evaluated.bool().expand_as(measured.cost)
    torch.testing.assert_close(measured.cost[evaluated], wanted[0][evaluated], rtol=1e-8, atol=1e-9)
    for weight, gradient in zip(net.parameters(), wanted[1:], strict=True):
        twin = torch.zeros_like(weight) if gradient is None else gradient
        torch.testing.assert_close(weight.grad, twin, rtol=1e-8, atol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["darts", "dsnas"])
def test_a_search_goes_on_where_it_was_left(method: str) -> None:
    whole, first = search(method), search(method)
    for searched in (whole, first):
        list(searched.run_epoch())
    second = search(method)
    second.load_state_dict(first.state_dict())
    for searched in (whole, second):
        list(searched.run_epoch())
    # A GPU adds up in an order of its own each time: not to the bit.
    torch.testing.assert_close(second.alpha, whole.alpha, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(second.net.weights, whole.net.weights, rtol=1e-2, atol=1e-3)


@pytest.mark.gpu
def test_mixed_precision_measures_nearly_the_same() -> None:
    case = Case("darts", "single", 2, 2, 8, 16, SIZE)
    costs = []
    for amp in (False, True):
        steps = Steps(case, DEVICE)
        draw = steps.method.evaluation(steps.alpha, steps.candidates)
        measured = measure(steps.net, steps.x, steps.y, draw, weights=True, amp=amp)
        assert bool(steps.net.gradient.isfinite().all())
        costs.append(measured.cost)
    assert gpu.difference(costs[1], costs[0]) < 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not CUDA, reason="test_space.py does so on a CPU")
def test_compiled_kernels_equal_the_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spatial, "_kernels", spatial._Kernels())
    costs = []
    for compiled in (False, True):
        if compiled:
            spatial.compile_kernels()
        steps = Steps(Case("darts", "single", 1, 2, 4, 8, SIZE), DEVICE)
        draw = steps.method.evaluation(steps.alpha, steps.candidates)
        costs.append(measure(steps.net, steps.x, steps.y, draw, weights=True).cost)
    assert gpu.difference(costs[1], costs[0]) < 1e-3


# The kit itself


@pytest.fixture
def own_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kit compiles them for the rest of its process; here that goes on."""
    monkeypatch.setattr(spatial, "_kernels", spatial._Kernels())


@pytest.mark.skipif(CUDA, reason="this machine has a GPU")
def test_without_a_gpu_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    app = gpu.typer.Typer()
    app.command()(gpu.main)
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "card.md")])
    assert done.exit_code == 1
    assert done.output == "make gpu: torch finds no CUDA device here, so there is nothing to try\n"
    assert not (tmp_path / "card.md").exists()


@pytest.mark.long
@pytest.mark.usefixtures("own_kernels")
def test_the_kit_writes_its_file(tmp_path: Path) -> None:
    """On the CPU against itself: every stage runs, and what differs or cannot be is said."""
    app = gpu.typer.Typer()
    app.command()(gpu.main)
    path = tmp_path / "card.md"
    done = CliRunner().invoke(app, ["--device", "cpu", "--quick", "--out", str(path)])
    text = path.read_text("utf-8")
    assert done.exit_code == 0, text
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert list(sections) == list(gpu.STAGES)
    assert text.startswith("# CPU\n")
    assert sections["The same numbers"].count("| 0.0e+00 | 0.0e+00 | 0.0e+00 | yes |") == 3
    assert ": pass." in sections["Tests"]
    rows = [line.split(" | ") for line in sections["Steps"].splitlines() if line.startswith("| d")]
    assert len(rows) == 8
    # How many there is time for depends on the machine.
    measured = [row for row in rows if row[2] != gpu.NOT_RUN]
    assert measured
    for row in measured:
        assert float(row[2]) > 0  # eager
        assert float(row[3]) > 0  # AMP
        assert row[5] == "RuntimeError: no CUDA"
        assert float(row[6]) > 0  # plain
    assert sections["Searches"].count("cells |") == 2


def test_another_result_is_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = iter((1.0, 1.0 + 1e-7) * 100)
    monkeypatch.setattr(gpu, "outcome", lambda *_, **__: gpu.Outcome(*[torch.ones(2) * 1.0] * 3))
    machine = gpu.Machine(CPU, quick=True)
    assert "**no**" not in "\n".join(gpu.same_numbers(machine, gpu.Stopwatch(10)))

    def differs(*_: object, **__: object) -> gpu.Outcome:
        value = torch.tensor([next(outcomes)], dtype=torch.float64)
        return gpu.Outcome(value, value, value)

    monkeypatch.setattr(gpu, "outcome", differs)
    said = "\n".join(gpu.same_numbers(machine, gpu.Stopwatch(10)))
    assert said.count("**no**") == 3


def test_a_stage_that_fails_is_told_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> list[str]:
        raise ValueError("no such kernel")

    stages = {"One": (broken, 1.0, 1.0), "Two": (lambda *_: ["done"], 1.0, 1.0)}
    monkeypatch.setattr(gpu, "STAGES", stages)
    text = gpu.report(gpu.Machine(CPU, quick=True))
    assert "**fails**: ValueError: no such kernel" in text
    assert "## Two\n\ndone\n" in text


def test_without_time_nothing_is_begun() -> None:
    machine = gpu.Machine(CPU, quick=True)
    assert gpu.NOT_RUN in "\n".join(gpu.same_numbers(machine, gpu.Stopwatch(0)))
    assert gpu.NOT_RUN in "\n".join(gpu.step_times(machine, gpu.Stopwatch(0)))
