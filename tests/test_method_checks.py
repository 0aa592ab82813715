"""`wiring check`: a bad method for each fault, and every built-in one without any."""

# ruff: noqa: ARG002  # the arguments are the protocol's

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from tests.shared import forget, plugged
from wiring.cli import app
from wiring.config import plugins
from wiring.methods import chance
from wiring.methods.check import faults, faults_of
from wiring.methods.darts import DARTS
from wiring.methods.dsnas import DSNAS
from wiring.methods.protocol import adam
from wiring.methods.snas import SNAS

NONE = 0


@pytest.mark.parametrize("name", plugins.built_in(plugins.METHODS))
def test_every_built_in_method_is_without_fault(name: str) -> None:
    assert faults(name) == ()


class OnForbidden(DARTS):
    def evaluation(self, alpha, candidates):
        return replace(super().evaluation(alpha, candidates), gates=alpha.detach().softmax(-1))


class Inactive(DARTS):
    def evaluation(self, alpha, candidates):
        draw = super().evaluation(alpha, candidates)
        return replace(draw, active=(*draw.active[:-1], draw.active[-1][1:]))


class Descending(DSNAS):
    def draw(self, *arguments):
        draw = super().draw(*arguments)
        return replace(draw, active=(draw.active[0] * 2, *draw.active[1:]))


class FewRows(DARTS):
    def evaluation(self, alpha, candidates):
        draw = super().evaluation(alpha, candidates)
        return replace(draw, active=draw.active[1:])


class Halved(DARTS):
    def evaluation(self, alpha, candidates):
        draw = super().evaluation(alpha, candidates)
        return replace(draw, gates=draw.gates / 2)


class Untrue(DARTS):
    def draw(self, *arguments):
        return replace(super().draw(*arguments), unit=True)


class Restless(DSNAS):
    def draw(self, *arguments):
        draw = super().draw(*arguments)
        return replace(draw, resting=draw.active)


class Tuple(DARTS):
    def draw(self, *arguments):
        return super().draw(*arguments).gates


class Single(DARTS):
    def draw(self, *arguments):
        draw = super().draw(*arguments)
        return replace(draw, gates=draw.gates.float())


class Nothing(DARTS):
    def gradient(self, *arguments):
        return None


class Transposed(DARTS):
    def gradient(self, *arguments):
        return super().gradient(*arguments).T


class Infinite(DARTS):
    def gradient(self, *arguments):
        return super().gradient(*arguments) / 0


class Listed(DARTS):
    """As a search cannot look its draws up by."""

    def draw(self, *arguments):
        draw = super().draw(*arguments)
        return replace(draw, active=[list(columns) for columns in draw.active])


class Unsaid(DARTS):
    def draw(self, *arguments):
        return replace(super().draw(*arguments), active=None)


class Moving(DARTS):
    def gradient(self, *arguments):
        return super().gradient(*arguments) + 1


class Stepping(DARTS):
    def gradient(self, alpha, *arguments):
        alpha.detach().add_(1)
        return super().gradient(alpha, *arguments)


class Raising(DARTS):
    def gradient(self, *arguments):
        raise KeyError("beta")


class Torch(DSNAS):
    def draw(self, *arguments):
        torch.rand(1)
        return super().draw(*arguments)


class NumPy(DSNAS):
    def draw(self, *arguments):
        np.random.random()
        return super().draw(*arguments)


class Python(DSNAS):
    def draw(self, *arguments):
        random.random()
        return super().draw(*arguments)


class Elsewhere(DSNAS):
    ours = torch.Generator()

    def draw(self, alpha, candidates, generator, context):
        return super().draw(alpha, candidates, self.ours, context)


class Chancy(DSNAS):
    calls = 0

    def evaluation(self, alpha, candidates):
        self.calls += 1
        generator = torch.Generator().manual_seed(self.calls)
        return self.draw(alpha, candidates, generator, None)


class Average(DSNAS):
    """A moving average of the gradients: what it has seen decides what it does."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Any = 0.0

    def gradient(self, *arguments):
        self.mean = 0.9 * self.mean + super().gradient(*arguments)
        return self.mean


class Shared(DSNAS):
    """The same, in the class: a search would go on where the one before it ended."""

    mean: Any = 0.0

    def gradient(self, *arguments):
        Shared.mean = 0.9 * Shared.mean + super().gradient(*arguments)
        return Shared.mean


class Kept(Average):
    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


class Pickled(Kept):
    def state_dict(self):
        return {"mean": np.asarray(self.mean), "self": self}


class Generator(Kept):
    def state_dict(self):
        return {"mean": self.mean, "generator": torch.Generator()}


class Broken(Kept):
    def state_dict(self):
        raise KeyError("mean")


class Stateless(DARTS):
    def optimizer(self, alpha, config):
        class Descent:
            def step(self):
                alpha.data -= config.lr * alpha.grad

        return Descent()


class Deciding(DARTS):
    def epoch_done(self, alpha, candidates, context):
        return alpha.argmax(-1)


class Regrowing(DARTS):
    def epoch_done(self, alpha, candidates, context):
        return candidates.limited(tuple(tuple(range(8)) for _ in candidates.columns))


class Undecided(DARTS):
    def rests(self, context):
        return None


class Negative(DARTS):
    def probabilities(self, alpha, candidates):
        return alpha.masked_fill(~candidates.mask, 0)


class Everywhere(DARTS):
    def probabilities(self, alpha, candidates):
        return alpha.sigmoid()


class Heavy(DARTS):
    def edge_weights(self, alpha, candidates):
        return alpha.sum(-1)


class Endless(DARTS):
    def edge_weights(self, alpha, candidates):
        return alpha.new_ones(len(alpha)) / 0


class ByOp(DARTS):
    def edge_weights(self, alpha, candidates):
        return alpha.exp()


class Selectless(DARTS):
    def select(self, alpha, candidates):
        return None


class Few(DARTS):
    def select(self, alpha, candidates):
        return (None,)


class Wild(DARTS):
    def select(self, alpha, candidates):
        return (NONE,) * len(alpha)


class Followed(DARTS):
    def draw(self, alpha, candidates, generator, context):
        return replace(super().draw(alpha, candidates, generator, context), gates=alpha.softmax(-1))


class FollowedGradient(DARTS):
    def gradient(self, alpha, *arguments):
        return super().gradient(alpha, *arguments) + 0 * alpha


class Masking(DARTS):
    def draw(self, alpha, candidates, generator, context):
        candidates.mask[0, 1] = False
        return super().draw(alpha, candidates, generator, context)


class MaskingInVain(DARTS):
    """In the space of the check `none` is forbidden there: nothing is changed."""

    def draw(self, alpha, candidates, generator, context):
        candidates.mask[0, NONE] = False
        return super().draw(alpha, candidates, generator, context)


class Costly(DARTS):
    def gradient(self, alpha, candidates, draw, cost, context):
        return super().gradient(alpha, candidates, draw, cost.mul_(2), context)


class Gated(DARTS):
    def gradient(self, alpha, candidates, draw, cost, context):
        draw.gates.mul_(2)
        return super().gradient(alpha, candidates, draw, cost, context)


class Resting(DARTS):
    def rests(self, context):
        return True


class Copying(DARTS):
    def optimizer(self, alpha, config):
        return adam(torch.nn.Parameter(alpha.detach().clone()), config)


class Empty(DARTS):
    def epoch_done(self, alpha, candidates, context):
        return replace(candidates, mask=torch.zeros_like(candidates.mask))


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        (Followed, "draw: gates: autograd still follows it, expected a detached tensor"),
        (FollowedGradient, "gradient: autograd still follows it, expected a detached tensor"),
        (Masking, "draw changes the candidates' mask: expected a tensor of its own"),
        (MaskingInVain, "draw changes the candidates' mask: expected a tensor of its own"),
        (Costly, "gradient changes the costs: expected a tensor of its own"),
        (Gated, "gradient changes the draw's gates: expected a tensor of its own"),
        (Resting, "alpha never moves in 12 steps, though its gradient is not 0: expected rests"),
        (Copying, "alpha never moves in 12 steps, .* and the optimizer to step alpha itself"),
        (Empty, "epoch_done gives candidates whose mask is not of their columns"),
        (OnForbidden, "gates: not 0 for an op that the edge may not take, expected 0"),
        (Inactive, "on edge 2-3 has the gate .* and is not active: expected 0"),
        (Descending, r"active is \((\d), \1\) on edge 0-2, expected ascending columns"),
        (FewRows, "active has 4 rows, expected 5, one an edge"),
        (Halved, "the one op left on edge 0-3 has the gate 0.5, expected 1"),
        (Untrue, "unit, but the gates of edge 0-2 are not all 1: expected False"),
        (Restless, "resting is .* on edge 0-2, expected active columns whose gate is 0"),
        (Tuple, "draw returns Tensor, expected a wiring.space.Draw"),
        (Single, r"\(5, 8\) torch.float32, expected \(5, 8\), .* and alpha's torch.float64"),
        (Nothing, "gradient is None, so that alpha never learns: expected a tensor"),
        (Transposed, r"gradient: \(8, 5\) torch.float64, expected \(5, 8\)"),
        (Infinite, "gradient: not finite"),
        (Listed, "active is no tuple that holds a tuple of whole numbers an edge"),
        (Unsaid, "active is no tuple that holds a tuple of whole numbers an edge"),
        (Moving, "gradient: not 0 for an op that the edge may not take"),
        (Stepping, "gradient changes alpha: expected only the optimizer to"),
        (Raising, "gradient raises KeyError: 'beta'"),
        (Torch, "draws from the global generator of torch"),
        (NumPy, "draws from the global generator of numpy"),
        (Python, "draws from the global generator of python"),
        (Elsewhere, "draws differ although the generator's state is the same"),
        (Shared, "and nothing that one method of the class leaves to the next"),
        (Chancy, "evaluation differs from call to call: expected no chance in it"),
        (Average, "goes another way once it is resumed from a checkpoint"),
        (Pickled, "holds what a checkpoint does not keep: expected tensors and plain values"),
        (Generator, "holds what a checkpoint does not keep: expected tensors and plain values"),
        (Broken, "state_dict raises KeyError: 'mean'"),
        (Stateless, "optimizer.state_dict raises AttributeError: 'Descent' object has no"),
        (Deciding, "epoch_done returns Tensor, expected wiring.space.Candidates or None"),
        (Regrowing, "epoch_done gives an edge no op, or one that it may not take"),
        (Undecided, "rests returns NoneType, expected True or False"),
        (Negative, "probabilities: one is negative"),
        (Everywhere, "probabilities: not 0 for an op that the edge may not take"),
        (Heavy, "edge_weights: one is negative, expected 0 or more"),
        (Endless, "edge_weights: not finite, expected finite numbers"),
        (ByOp, r"edge_weights: \(5, 8\) torch.float64, expected \(5,\), \(edges\), and alpha's"),
        (Selectless, "select returns NoneType, expected an op or None an edge"),
        (Few, "select gives 1 ops, expected 5, one an edge"),
        (Wild, r"select: 0 on edge 0-2, expected None or one of \(1, 2, 3, 5, 6, 7\)"),
    ],
)
def test_each_fault_is_one_sentence(method: type, sentence: str) -> None:
    (found,) = faults_of("mine", method, says_progress=False)
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError(found)
    assert found.startswith("mine: ")
    assert "\n" not in found


def test_a_state_that_is_kept_is_no_fault() -> None:
    assert faults_of("mine", Kept) == ()


def test_a_check_leaves_the_global_generators_as_they_were() -> None:
    before = chance.states()
    faults_of("mine", Python)
    after = chance.states()
    assert before["python"] == after["python"]
    assert before["numpy"] == after["numpy"]
    assert torch.equal(before["torch"], after["torch"])


def test_an_optimizer_of_its_own_is_resumed_too() -> None:
    class Forgetful:
        """Adam, of which nothing is kept."""

        def __init__(self, alpha, config):
            self.step = adam(alpha, config).step

        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    class Mine(SNAS):
        def optimizer(self, alpha, config):
            return Forgetful(alpha, config)

    (found,) = faults_of("mine", Mine)
    assert "goes another way once it is resumed" in found


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Install the method `mine` of the module `novel`, whose source is given, for one test."""

    def install(source: str) -> None:
        plugged(tmp_path, "[wiring.methods]\nmine = novel:Mine\n")
        (tmp_path / "novel.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        forget("novel")

    yield install
    monkeypatch.undo()
    forget("novel")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("Other = 0", "mine: the entry point novel:Mine of wiring.methods cannot be imported"),
        ("class Mine: raise KeyError('x')", "mine: cannot be made: KeyError: 'x'"),
        ("import sys\nclass Mine: ...\nsys.exit(2)", "mine: cannot be made: SystemExit: 2"),
        (
            "class Mine:\n    def __init__(self, rate): ...",
            "mine: cannot be made: TypeError: Mine.__init__() missing 1 required positional",
        ),
        ("class Mine: ...", "mine: draw raises AttributeError: 'Mine' object has no attribute"),
    ],
)
def test_an_entry_point_of_no_use_is_a_sentence_and_exit_code_1(
    plug: Callable[[str], None], source: str, sentence: str
) -> None:
    plug(source)
    ended = CliRunner().invoke(app, ["check", "mine"])
    assert ended.exit_code == 1
    assert ended.output.startswith(sentence)
    assert ended.output.count("\n") == 1


def test_an_audit_checks_its_methods_first(
    plug: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug(
        "from wiring.methods.darts import DARTS\n"
        "class Mine(DARTS):\n    def gradient(self, *arguments): ..."
    )
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(app, ["audit", "mine", "--plan"])
    assert ended.exit_code == 1
    assert "mine: gradient is None, so that alpha never learns" in ended.output
    assert not (tmp_path / "audits").exists()


@pytest.mark.parametrize(
    ("method", "follows"),
    [
        ("snas.SNAS", True),
        ("gdas.GDAS", True),
        ("sgas.SGAS", True),
        ("pc_darts.PCDARTS", True),
        ("darts_pt.DARTSPT", True),
        ("darts_minus.DARTSMinus", True),
        ("beta_darts.BetaDARTS", True),
        ("darts.DARTS", False),
        ("dsnas.DSNAS", False),
        ("proxylessnas.ProxylessNAS", False),
        ("gaea.GAEA", False),
    ],
)
def test_a_method_that_follows_progress_and_does_not_say_so_is_found_out(
    plug: Callable[[str], None], method: str, follows: bool
) -> None:
    module, name = method.split(".")
    plug(f"from wiring.methods.{module} import {name} as Mine")
    found = faults("mine")
    assert len(found) == follows
    assert all("expected follows_progress = True in its settings" in said for said in found)


def test_an_unknown_method_is_bad_input() -> None:
    ended = CliRunner().invoke(app, ["check", "enas"])
    assert ended.exit_code == 2
    assert "unknown method 'enas', expected one of" in ended.output


def test_a_sound_method_ends_well() -> None:
    ended = CliRunner().invoke(app, ["check", "dsnas"])
    assert ended.exit_code == 0
    assert ended.output == "dsnas: nothing to mend\n"
