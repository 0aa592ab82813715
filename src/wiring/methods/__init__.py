"""Differentiable NAS methods behind one protocol, found by entry point."""

from wiring.methods.protocol import Method, Moment, load_method

__all__ = ["Method", "Moment", "load_method"]
