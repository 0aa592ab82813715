"""What the built-in methods may be told, apart from them: checked without torch.

A method of another package declares its own model in the entry-point group
`wiring.method_settings`.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import PositiveFloat

from wiring.config.model import Model
from wiring.config.search import MethodSettings, SearchConfig


class Temperature(Model):
    """Temperature of a relaxed draw: falls linearly from epoch to epoch.

    Attributes:
        start: in the first epoch.
        end: what it would reach in the epoch after the last.
    """

    start: PositiveFloat = 1.0
    end: PositiveFloat = 0.03

    def at(self, progress: float) -> float:
        """The temperature when this share (0 to 1) of the epochs is done."""
        return self.start + (self.end - self.start) * progress


class SNASSettings(MethodSettings):
    """SNAS.

    Attributes:
        temperature: of the relaxed draws.
    """

    temperature: Temperature = Temperature()
    follows_progress: ClassVar[bool] = True


class UniformSettings(MethodSettings):
    """Uniform sampling."""

    def misfit(self, search: SearchConfig) -> str | None:
        """Alpha plays no part, so it must not be said to learn."""
        return "samples without alpha: alpha.lr must be 0" if search.alpha.lr else None
