"""What the built-in methods may be told, apart from them: checked without torch.

A method of another package declares its own model in the entry-point group
`wiring.method_settings`.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from wiring.config.model import Model
from wiring.config.search import MethodSettings, SearchConfig
from wiring.errors import Place


def _without(op: str, search: SearchConfig, setting: str) -> dict[Place, str]:
    """That a setting of the method has no effect, where no edge may take an op."""
    if any(op in search.space.choices(edge) for edge in search.space.edges):
        return {}
    return {("settings", setting): f"no edge may take {op}"}


class Ramp(Model):
    """A weight that changes linearly from epoch to epoch.

    Attributes:
        start: in the first epoch.
        end: what it would reach in the epoch after the last.
    """

    start: NonNegativeFloat
    end: NonNegativeFloat

    def at(self, progress: float) -> float:
        """The weight when this share (0 to 1) of the epochs is done."""
        return self.start + (self.end - self.start) * progress


class Temperature(Ramp):
    """Temperature of a relaxed draw, which must not reach 0."""

    start: PositiveFloat = 1.0
    end: PositiveFloat = 0.03


class KeepSettings(MethodSettings):
    """A method without settings of its own but the wiring that it is said to keep.

    Attributes:
        keep: `strongest`: of each edge the strongest op, `none` like any other. `two_inputs`: of
            each node the two edges whose strongest op other than `none` is strongest (DARTS).
    """

    keep: Literal["strongest", "two_inputs"] = "strongest"


class DARTSSettings(KeepSettings):
    """DARTS."""

    takes_all: ClassVar[bool] = True


class DARTSSecondSettings(KeepSettings):
    """DARTS, second order.

    Attributes:
        epsilon: length of the step along the held-out gradient of the weights by which the
            product with the Hessian is a difference of two gradients.
    """

    epsilon: PositiveFloat = 0.01
    takes_all: ClassVar[bool] = True

    def misfit(self, search: SearchConfig) -> str | None:
        """Its costs are measured at other weights, behind the clamp."""
        clamped = search.alpha.cost_clamp is not None
        return "measures costs of its own: alpha.cost_clamp must be absent" if clamped else None


class DSNASSettings(MethodSettings):
    """DSNAS.

    Attributes:
        one_log: as the authors' analysis has it: one logarithm of the summed probabilities of the
            sampled ops instead of a sum of logarithms, so that edge e has the weight
            k p_e / sum p, with k edges.
    """

    one_log: bool = False


class ProxylessNASSettings(MethodSettings):
    """ProxylessNAS: what its public code does besides.

    Attributes:
        rest_where_none: an edge whose open op is `none` has no gradient.
        rescale: after a step both alphas of a pair are shifted alike, so that the pair's
            probability stays; the other ops' stay too if nothing but the pair moves (beta1 and
            weight_decay 0).
    """

    rest_where_none: bool = False
    rescale: bool = False

    def idle(self, search: SearchConfig) -> dict[Place, str]:
        """No edge's open op is one that is not there."""
        return _without("none", search, "rest_where_none")


class SNASSettings(MethodSettings):
    """SNAS.

    Attributes:
        temperature: of the relaxed draws.
    """

    temperature: Temperature = Temperature()
    follows_progress: ClassVar[bool] = True
    takes_all: ClassVar[bool] = True


class UniformSettings(MethodSettings):
    """Uniform sampling."""

    def misfit(self, search: SearchConfig) -> str | None:
        """Alpha plays no part, so it must not be said to learn."""
        return "samples without alpha: alpha.lr must be 0" if search.alpha.lr else None


class GDASSettings(KeepSettings):
    """GDAS.

    Attributes:
        temperature: of the softmax whose gradient stands in for the one-hot sample's.
    """

    temperature: Temperature = Temperature(start=10.0, end=0.1)
    follows_progress: ClassVar[bool] = True


class DrNASSettings(KeepSettings):
    """DrNAS.

    Attributes:
        anchor: weight of the divergence from the flat Dirichlet distribution.
    """

    anchor: NonNegativeFloat = 1e-3
    takes_all: ClassVar[bool] = True


class FairDARTSSettings(MethodSettings):
    """FairDARTS.

    Attributes:
        zero_one: weight of the loss that draws every gate away from 1/2.
        threshold: an op whose gate is not above it is not kept.
        inputs: edges that a node keeps at most.
    """

    zero_one: NonNegativeFloat = 10.0
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.85
    inputs: PositiveInt = 2
    takes_all: ClassVar[bool] = True


class DARTSMinusSettings(KeepSettings):
    """DARTS-.

    Attributes:
        skip: weight of the auxiliary skip connection.
    """

    skip: Ramp = Ramp(start=1.0, end=0.0)
    follows_progress: ClassVar[bool] = True
    takes_all: ClassVar[bool] = True

    def idle(self, search: SearchConfig) -> dict[Place, str]:
        """The auxiliary skip connection stands beside the skip connection."""
        return _without("skip_connect", search, "skip")


class BetaDARTSSettings(KeepSettings):
    """beta-DARTS.

    Attributes:
        weight: of the mean log-sum-exp of alpha.
    """

    weight: Ramp = Ramp(start=0.0, end=50.0)
    follows_progress: ClassVar[bool] = True
    takes_all: ClassVar[bool] = True


class GAEASettings(KeepSettings):
    """GAEA."""

    takes_all: ClassVar[bool] = True

    def idle(self, search: SearchConfig) -> dict[Place, str]:  # noqa: ARG002
        """Alpha's optimizer is not Adam."""
        return {
            ("alpha", name): "gaea's steps have no moments and no decay"
            for name in ("beta1", "beta2", "weight_decay")
        }


class DecidingSettings(MethodSettings):
    """A method that decides edge by edge while it searches.

    Attributes:
        warm_up: share of the epochs after which the first decision is made.
        every: share of the epochs between two decisions.
        inputs: edges that a node keeps at most.
    """

    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.18
    every: Annotated[float, Field(gt=0, le=1)] = 0.1
    inputs: PositiveInt = 2
    follows_progress: ClassVar[bool] = True
    takes_all: ClassVar[bool] = True

    def idle(self, search: SearchConfig) -> dict[Place, str]:
        """An edge that a node does not keep becomes `none`."""
        return _without("none", search, "inputs")

    def due(self, progress: float, epochs: int) -> int:
        """Decisions that fell due in the epoch just done.

        Args:
            progress: share of the epochs done.
            epochs: their number.
        """
        return self._all_due(progress) - self._all_due(progress * (epochs - 1) / max(epochs, 1))

    def _all_due(self, progress: float) -> int:
        since = progress - self.warm_up
        # A share of the epochs that is meant to be whole must not fall short by rounding.
        return 0 if since < -1e-9 else 1 + math.floor(since / self.every + 1e-9)


class SGASSettings(DecidingSettings):
    """SGAS (the paper decides after 9 of 50 epochs, then every 5)."""


class PCDARTSSettings(KeepSettings):
    """PC-DARTS.

    Attributes:
        warm_up: share of the epochs in which alpha and the edges' parameters rest (the paper: 15
            of 50 epochs).
    """

    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.3
    follows_progress: ClassVar[bool] = True
    takes_all: ClassVar[bool] = True

    def misfit(self, search: SearchConfig) -> str | None:
        """An alpha that is said to learn must not rest in every epoch."""
        whole = self.warm_up == 1 and search.train.until is None
        return (
            "alpha rests in every epoch: settings.warm_up must be less than 1, or alpha.lr be 0"
            if whole and search.alpha.lr
            else None
        )


class DARTSPTSettings(DecidingSettings):
    """DARTS-PT.

    The paper decides after a whole DARTS search, 50 epochs, then every 5. Here the search's epochs
    hold both: by default half of them, then 21 decisions; a full cell has 14 edges and 3 nodes.
    """

    warm_up: Annotated[float, Field(ge=0, le=1)] = 0.5
    every: Annotated[float, Field(gt=0, le=1)] = 0.025
