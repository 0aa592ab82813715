"""The search space: ops, the cell's wiring and the supernet."""

from wiring.space.plan import (
    Candidates,
    Draw,
    Plan,
    Slot,
    active_mask,
    passed_places,
    plan_of,
    slot_places,
)
from wiring.space.supernet import Probe, Supernet

__all__ = [
    "Candidates",
    "Draw",
    "Plan",
    "Probe",
    "Slot",
    "Supernet",
    "active_mask",
    "passed_places",
    "plan_of",
    "slot_places",
]
