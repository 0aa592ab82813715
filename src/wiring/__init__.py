"""Watch how the wiring of a differentiable neural architecture search evolves, and why."""

__version__ = "0.2.0"
