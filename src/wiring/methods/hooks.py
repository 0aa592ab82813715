"""What a method may bring beside its three functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wiring.config.search import AlphaConfig
from wiring.methods import common
from wiring.methods.protocol import Context, Method, Optimizer, Selected, adam
from wiring.space import Candidates


@dataclass(frozen=True)
class Hooks:
    """The optional functions of a method, looked up once: what it lacks costs no step anything.

    A method brings one by having it under its name here.

    Attributes:
        probabilities: `(alpha, candidates)`: the strength of each op on its edge, (edges, ops), 0
            where it is not allowed, as everything downstream reads it. Default: softmax(alpha).
        edge_weights: `(alpha, candidates)`: the weight of each edge among those into its node,
            (edges), 0 or more; a node's inputs are compared by it times the strength of their ops.
            Default: 1.
        select: `(alpha, candidates)`: the wiring by the method's own rule, the search's genotype.
            Default: the strongest op of each edge.
        optimizer: `(alpha, config)`: what steps alpha, whose gradient is in `alpha.grad`.
            Default: Adam, which it may also have by returning None.
        rests: `(context)`: whether alpha takes no step in this pass. Default: False.
        epoch_done: `(alpha, candidates, context)`: called after each of `train.epochs`; returns
            the candidates from then on, among those that the space allows, or None. Default: None.
        state_dict: `()`: what later draws and gradients depend on beside alpha: tensors and plain
            values, for the checkpoint. Default: nothing.
        load_state_dict: `(state)`: go on where `state_dict` was taken; its tensors are on the CPU.
        wants_loss: not a function: whether contexts bring :class:`wiring.methods.protocol.Loss`.
    """

    probabilities: Callable[[Tensor, Candidates], Tensor]
    edge_weights: Callable[[Tensor, Candidates], Tensor]
    select: Callable[[Tensor, Candidates], Selected]
    optimizer: Callable[[Tensor, AlphaConfig], Optimizer]
    rests: Callable[[Context], bool]
    epoch_done: Callable[[Tensor, Candidates, Context], Candidates | None]
    state_dict: Callable[[], dict[str, Any]]
    load_state_dict: Callable[[dict[str, Any]], None]
    wants_loss: bool

    @classmethod
    def of(cls, method: Method) -> Hooks:
        """Look up what the method brings."""
        strength = getattr(method, "probabilities", common.probabilities)
        own = getattr(method, "optimizer", None)

        def select(alpha: Tensor, candidates: Candidates) -> Selected:
            return common.largest(strength(alpha, candidates))

        def optimizer(alpha: Tensor, config: AlphaConfig) -> Optimizer:
            return (own and own(alpha, config)) or adam(alpha, config)

        defaults: dict[str, Any] = {
            "probabilities": strength,
            "edge_weights": lambda alpha, _: alpha.new_ones(len(alpha)),
            "select": select,
            "rests": lambda _: False,
            "epoch_done": lambda *_: None,
            "state_dict": dict,
            "load_state_dict": lambda _: None,
            "wants_loss": False,
        }
        found = {name: getattr(method, name, default) for name, default in defaults.items()}
        return cls(optimizer=optimizer, **found)
