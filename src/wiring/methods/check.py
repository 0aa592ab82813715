"""Try a method before it runs: each fault here would pass a search in silence."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from pickle import UnpicklingError
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from wiring.config import Condition, SearchConfig, SpaceConfig
from wiring.config.search import AlphaConfig, MethodSettings, settings_model
from wiring.errors import InputError
from wiring.methods import chance
from wiring.methods.hooks import Hooks
from wiring.methods.protocol import Context, Method, load_method
from wiring.space import Candidates, Draw, active_mask

CPU = torch.device("cpu")
SPACE = SpaceConfig.model_validate(
    {
        "fix_edges": {"0-3": "sep_conv_3x3"},
        "forbid_ops": {"0-2": ["none", "sep_conv_3x3"], "2-3": ["skip_connect"]},
    }
)
"""Interventions of every kind: an op that may not be taken, an edge with one op left."""
SEED, EPOCHS, STEPS = 7, 4, 3
ALPHA = AlphaConfig(lr=0.1, weight_decay=0.0)


def faults(name: str, settings: MethodSettings | None = None) -> tuple[str, ...]:
    """What is wrong with a method, a sentence each.

    Args:
        name: a method registered under the entry-point group `wiring.methods`.
        settings: its own; its defaults when absent.
    """
    try:
        own = settings or settings_model(name)()
        load_method(name, own)
    except ValidationError as error:  # settings without a default, or defaults that do not agree
        return tuple(str(InputError.from_validation(f"{name}: settings", error)).splitlines())
    except InputError as error:
        return (str(error),)
    except (Exception, SystemExit) as error:  # whatever somebody else's code raises
        return (f"{name}: cannot be made: {type(error).__name__}: {error}",)
    method = faults_of(name, lambda: load_method(name, own), says_progress=own.follows_progress)
    return (*_of_settings(name, own), *method)


def _of_settings(name: str, settings: MethodSettings) -> tuple[str, ...]:
    """What is wrong with what a method's settings say of searches."""
    found = []
    for level in ("single", "bi"):
        raw = {
            **Condition("E", name, level, "d", "")._asdict(),
            **{"variant": None, "seed": 0, "settings": settings.model_dump(mode="json")},
        }
        try:
            search = _try("misfit", _search, raw)
            if search is not None:
                told = _try("idle", settings.idle, search)
                if not isinstance(told, dict):
                    raise _Fault(f"idle returns {type(told).__name__}, expected a dict")
        except _Fault as fault:
            found.append(f"{name}: settings: {fault}")
    return tuple(dict.fromkeys(found))


def _search(raw: dict[str, Any]) -> SearchConfig | None:
    """A search; None where it is refused, as `misfit` may."""
    try:
        return SearchConfig.model_validate(raw)
    except ValidationError:
        return None


def faults_of(
    name: str, make: Callable[[], Method], *, says_progress: bool = True
) -> tuple[str, ...]:
    """What is wrong with methods, a sentence each, each said once.

    Args:
        name: of the method.
        make: makes one.
        says_progress: whether its settings say that it follows a search's progress.
    """
    before = chance.states()
    found = []
    trials = [_leaves_chance_alone, _repeats, _learns, _resumes]
    if not says_progress:
        trials.append(_ignores_progress)
    try:
        for trial in trials:
            chance.restore(before)
            try:
                trial(make)
            except _Fault as fault:
                found.append(f"{name}: {fault}")
                if trial is _repeats:  # what is tried after it would differ for that reason
                    break
    finally:
        chance.restore(before)
    return tuple(dict.fromkeys(found))


class _Fault(Exception):  # noqa: N818
    """What is wrong, in words that follow the method's name."""


class _Toy:
    """A loss in closed form for who asks for passes: L = |Z w - t|^2 / 2, t of either batch."""

    rate = 0.1

    def __init__(self) -> None:
        shape = (len(SPACE.edges), len(SPACE.ops))
        generator = torch.Generator().manual_seed(SEED)
        made = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
        self._weights, self._targets = made[0], made[1:]

    def cost(self, draw: Draw, *, held_out: bool) -> Tensor:
        return self.slopes(draw, held_out=held_out)[0]

    def slopes(self, draw: Draw, *, held_out: bool) -> tuple[Tensor, list[Tensor]]:
        off = draw.gates * self._weights - self._targets[int(held_out)]
        active = active_mask(draw.active, (len(off), off.shape[1]), CPU)
        return self._weights * off * active, [draw.gates * off]

    def accuracy(self, draw: Draw) -> float:
        return float((draw.gates * self._weights).sum().sigmoid())

    @contextmanager
    def moved(self, direction: Sequence[Tensor], by: float) -> Iterator[None]:
        kept = self._weights
        self._weights = kept + by * direction[0]
        yield
        self._weights = kept


class _Walk:
    """The part of a search that a method has a say in, on made-up costs."""

    def __init__(self, method: Method) -> None:
        self.method, self.hooks = method, Hooks.of(method)
        self.candidates = Candidates.of(SPACE, CPU)
        self.draws = torch.Generator().manual_seed(SEED)
        generator = torch.Generator().manual_seed(SEED + 1)
        shape = (len(SPACE.edges), len(SPACE.ops))
        start = torch.randn(shape, generator=generator, dtype=torch.float64)
        self.alpha = torch.nn.Parameter(start)
        self.optimizer = _try("optimizer", self.hooks.optimizer, self.alpha, ALPHA)
        self.loss = _Toy() if self.hooks.wants_loss else None
        self.epochs = self.steps = 0
        self.progress: float | None = None
        self.history: list[Tensor] = []

    def at(self, progress: float) -> None:
        """The epoch in the middle, as one of a search that is so far."""
        self.epochs, self.progress = EPOCHS // 2, progress
        self.epoch()

    def context(self, *, learns: bool) -> Context:
        progress = self.epochs / EPOCHS if self.progress is None else self.progress
        return Context(learns, progress, self.epochs, self.loss)

    def draw(self, *, learns: bool) -> Draw:
        context = self.context(learns=learns)
        return self._drawn("draw", self.alpha, self.candidates, self.draws, context)

    def evaluation(self) -> Draw:
        return self._drawn("evaluation", self.alpha, self.candidates)

    def _drawn(self, name: str, *arguments: Any) -> Draw:
        draw = self._ask(name, *arguments)
        if not isinstance(draw, Draw):
            raise _Fault(f"{name} returns {type(draw).__name__}, expected a wiring.space.Draw")
        return draw

    def cost(self, draw: Draw) -> Tensor:
        """Made up, but 0 as it is where nothing was evaluated."""
        generator = torch.Generator().manual_seed(self.steps)
        cost = torch.randn(self.alpha.shape, generator=generator, dtype=torch.float64)
        cost[:, SPACE.ops.index("none")] = 0
        return cost * active_mask(draw.active, (len(cost), cost.shape[1]), CPU)

    def gradient(self, draw: Draw) -> Any:
        context = self.context(learns=True)
        arguments = (self.alpha, self.candidates, draw, self.cost(draw), context)
        return self._ask("gradient", *arguments)

    def _ask(self, name: str, *arguments: Any) -> Any:
        given_to = {"alpha": self.alpha.detach(), "the candidates' mask": self.candidates.mask}
        for argument in arguments:
            if isinstance(argument, Draw):
                given_to["the draw's gates"] = argument.gates
            elif isinstance(argument, Tensor) and argument is not self.alpha:
                given_to["the costs"] = argument
        before = {what: (t.clone(), t._version) for what, t in given_to.items()}
        given = _try(name, lambda *a: getattr(self.method, name)(*a), *arguments)
        for what, tensor in given_to.items():
            content, version = before[what]
            # What is written into it may be what stood there, here and not in another space.
            if tensor._version != version or not torch.equal(tensor, content):
                may = "only the optimizer to" if what == "alpha" else "a tensor of its own"
                raise _Fault(f"{name} changes {what}: expected {may}")
        return given

    def epoch(self) -> None:
        """Draw, learn and step as a search does, and look at all that the method gives."""
        for _ in range(STEPS):
            _of_draw(self.draw(learns=False), self.candidates)
            draw = self.draw(learns=True)
            _of_draw(draw, self.candidates)
            gradient = self.gradient(draw)
            _of_gradient(gradient, self.candidates)
            self.history += [draw.gates, gradient]
            self.alpha.grad = gradient
            rests = _try("rests", self.hooks.rests, self.context(learns=True))
            if not isinstance(rests, bool):
                raise _Fault(f"rests returns {type(rests).__name__}, expected True or False")
            if not rests:
                _try("optimizer.step", lambda: self.optimizer.step())
            self.steps += 1
        self.epochs += 1
        done = self.context(learns=True)
        left = _try("epoch_done", self.hooks.epoch_done, self.alpha, self.candidates, done)
        if left is not None and not isinstance(left, Candidates):
            raise _Fault(
                f"epoch_done returns {type(left).__name__}, expected wiring.space.Candidates or "
                "None"
            )
        if left is not None:
            self._narrow(left)
        _of_evaluation(self)
        _of_strength(self)

    def _narrow(self, left: Candidates) -> None:
        pairs = zip(left.columns, Candidates.of(SPACE, CPU).columns, strict=True)
        if not all(new and set(new) <= set(old) for new, old in pairs):
            raise _Fault(
                "epoch_done gives an edge no op, or one that it may not take: expected some of "
                "the candidates that the space allows"
            )
        if not torch.equal(left.mask, left.limited(left.columns).mask):
            raise _Fault(
                "epoch_done gives candidates whose mask is not of their columns: expected "
                "candidates.limited(columns)"
            )
        self.candidates = left

    def state_dict(self) -> dict[str, Any]:
        return {
            "alpha": self.alpha.detach(),
            "draws": self.draws.get_state(),
            "candidates": self.candidates.columns,
            "optimizer": _try("optimizer.state_dict", lambda: self.optimizer.state_dict()),
            "method": _try("state_dict", self.hooks.state_dict),
            "chance": chance.states(),
            "counts": [self.epochs, self.steps],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.alpha.data.copy_(state["alpha"])
        self.draws.set_state(state["draws"])
        self.candidates = self.candidates.limited(state["candidates"])
        own = state["optimizer"]
        _try("optimizer.load_state_dict", lambda: self.optimizer.load_state_dict(own))
        _try("load_state_dict", self.hooks.load_state_dict, state["method"])
        chance.restore(state["chance"])
        self.epochs, self.steps = state["counts"]


def _try(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except _Fault:
        raise
    except (Exception, SystemExit) as error:  # whatever somebody else's code raises
        raise _Fault(f"{what} raises {type(error).__name__}: {error}") from error


def _leaves_chance_alone(make: Callable[[], Method]) -> None:
    before = chance.states()
    _whole(make)
    for name, state in chance.states().items():
        if not _same(state, before[name]):
            raise _Fault(
                f"draws from the global generator of {name}: expected only the one it is given"
            )


def _repeats(make: Callable[[], Method]) -> None:
    before = chance.states()
    first = _whole(make).history
    chance.restore(before)
    if not _same(first, _whole(make).history):
        raise _Fault(
            "draws differ although the generator's state is the same: expected all chance from it, "
            "and nothing that one method of the class leaves to the next"
        )


def _learns(make: Callable[[], Method]) -> None:
    """A method may never learn, as uniform sampling, but then it has no gradient either."""
    walk = _Walk(make())
    start = walk.alpha.detach().clone()
    for _ in range(EPOCHS):
        walk.epoch()
    gradients = walk.history[1::2]
    if torch.equal(walk.alpha, start) and any(gradient.any() for gradient in gradients):
        raise _Fault(
            f"alpha never moves in {walk.steps} steps, though its gradient is not 0: expected "
            "rests to be False in some, and the optimizer to step alpha itself"
        )


def _resumes(make: Callable[[], Method]) -> None:
    walk = _Walk(make())
    for _ in range(EPOCHS // 2):
        walk.epoch()
    state, buffer = walk.state_dict(), io.BytesIO()
    try:
        torch.save(state, buffer)
        buffer.seek(0)
        state = torch.load(buffer, CPU, weights_only=True)
    except (UnpicklingError, TypeError, AttributeError):  # pickle's words for what it cannot
        raise _Fault(
            "state_dict, or that of its optimizer, holds what a checkpoint does not keep: expected "
            "tensors and plain values"
        ) from None
    walk.history.clear()
    for _ in range(EPOCHS // 2):
        walk.epoch()
    resumed = _Walk(make())
    resumed.load_state_dict(state)
    for _ in range(EPOCHS // 2):
        resumed.epoch()
    if not _same([*walk.history, walk.alpha], [*resumed.history, resumed.alpha]):
        raise _Fault(
            "goes another way once it is resumed from a checkpoint: expected state_dict to give, "
            "and load_state_dict to take, all that it remembers"
        )


def _ignores_progress(make: Callable[[], Method]) -> None:
    before, done = chance.states(), []
    for progress in (0.25, 0.75):
        chance.restore(before)
        walk = _Walk(make())
        walk.at(progress)
        done.append((walk.history, walk.candidates.columns, walk.alpha))
    if not _same(*done):
        raise _Fault(
            "what it does follows the progress of a search: expected follows_progress = True in "
            "its settings, or a search that is made longer is taken for what it is not"
        )


def _whole(make: Callable[[], Method]) -> _Walk:
    walk = _Walk(make())
    for _ in range(EPOCHS):
        walk.epoch()
    return walk


def _same(one: Any, other: Any) -> bool:
    """Equality to the bit of tensors, and of what holds tensors."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _of_draw(draw: Draw, candidates: Candidates) -> None:
    gates, mask = draw.gates, candidates.mask
    _of_tensor("draw: gates", gates, mask)
    for name, rows in (("active", draw.active), ("resting", draw.resting)):
        if not isinstance(rows, tuple) or not all(
            isinstance(row, tuple) and all(isinstance(column, Integral) for column in row)
            for row in rows
        ):
            raise _Fault(f"draw: {name} is no tuple that holds a tuple of whole numbers an edge")
    if len(draw.active) != len(mask):
        raise _Fault(f"draw: active has {len(draw.active)} rows, expected {len(mask)}, one an edge")
    edges = zip(candidates.edges, draw.active, candidates.columns, gates.tolist(), strict=True)
    for edge, columns, allowed, own in edges:
        if list(columns) != sorted(set(columns) & set(allowed)):
            raise _Fault(
                f"draw: active is {columns} on edge {edge}, expected ascending columns among those "
                f"that it may take, {allowed}"
            )
        for column, gate in enumerate(own):
            if gate != 0 and column not in columns:
                raise _Fault(
                    f"draw: {candidates.ops[column]} on edge {edge} has the gate {gate:.3g} and "
                    "is not active: expected 0"
                )
        if len(allowed) == 1 and own[allowed[0]] != 1:
            raise _Fault(
                f"draw: the one op left on edge {edge} has the gate {own[allowed[0]]:.3g}, "
                "expected 1"
            )
        if draw.unit and any(own[column] != 1 for column in columns):
            raise _Fault(f"draw: unit, but the gates of edge {edge} are not all 1: expected False")
    if len(draw.resting) not in (0, len(mask)):
        raise _Fault(f"draw: resting has {len(draw.resting)} rows, expected none or {len(mask)}")
    for row, columns in enumerate(draw.resting):
        if not set(columns) <= set(draw.active[row]) or any(gates[row, c] != 0 for c in columns):
            raise _Fault(
                f"draw: resting is {columns} on edge {candidates.edges[row]}, expected active "
                "columns whose gate is 0"
            )


def _of_gradient(gradient: Any, candidates: Candidates) -> None:
    if gradient is None:
        raise _Fault("gradient is None, so that alpha never learns: expected a tensor")
    _of_tensor("gradient", gradient, candidates.mask)


def _of_evaluation(walk: _Walk) -> None:
    first, second = (walk.evaluation() for _ in range(2))
    _of_draw(first, walk.candidates)
    if not torch.equal(first.gates, second.gates):
        raise _Fault("evaluation differs from call to call: expected no chance in it")


def _of_strength(walk: _Walk) -> None:
    arguments = (walk.alpha.detach(), walk.candidates)
    strength = _try("probabilities", walk.hooks.probabilities, *arguments)
    _of_tensor("probabilities", strength, walk.candidates.mask)
    if (strength < 0).any():
        raise _Fault("probabilities: one is negative, expected 0 or more")
    weights = _try("edge_weights", walk.hooks.edge_weights, *arguments)
    _of_array("edge_weights", weights, (len(walk.candidates.mask),), "(edges)")
    if (weights < 0).any():
        raise _Fault("edge_weights: one is negative, expected 0 or more")
    selected = _try("select", walk.hooks.select, *arguments)
    columns = walk.candidates.columns
    if not isinstance(selected, Sequence | Tensor):
        raise _Fault(f"select returns {type(selected).__name__}, expected an op or None an edge")
    if len(selected) != len(columns):
        raise _Fault(f"select gives {len(selected)} ops, expected {len(columns)}, one an edge")
    for edge, column, allowed in zip(walk.candidates.edges, selected, columns, strict=True):
        if column is not None and column not in allowed:
            raise _Fault(f"select: {column} on edge {edge}, expected None or one of {allowed}")


def _of_tensor(what: str, given: Any, mask: Tensor) -> None:
    """A matrix that fits alpha's and is 0 where an op is not allowed."""
    _of_array(what, given, tuple(mask.shape), "(edges, ops)")
    if given[~mask].any():
        raise _Fault(f"{what}: not 0 for an op that the edge may not take, expected 0")


def _of_array(what: str, given: Any, shape: tuple[int, ...], axes: str) -> None:
    """Finite numbers of that shape, as precise as alpha."""
    if not isinstance(given, Tensor):
        raise _Fault(f"{what}: {type(given).__name__}, expected a tensor")
    if given.requires_grad:
        raise _Fault(f"{what}: autograd still follows it, expected a detached tensor")
    if given.shape != shape or given.dtype != torch.float64:
        raise _Fault(
            f"{what}: {tuple(given.shape)} {given.dtype}, expected {shape}, {axes}, and alpha's "
            "torch.float64"
        )
    if not given.isfinite().all():
        raise _Fault(f"{what}: not finite, expected finite numbers")
