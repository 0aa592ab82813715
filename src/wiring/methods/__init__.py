"""Differentiable NAS methods behind one protocol, found by entry point."""

from wiring.methods.protocol import Method, load_method

__all__ = ["Method", "load_method"]
