"""Differentiable NAS methods behind one protocol, a file each, found by entry point.

This file imports nothing: `wiring.methods.settings` must be readable without torch.
"""
