"""The search space: ops, the cell's wiring and the supernet."""

from wiring.space.plan import Candidates, Draw, Plan, Slot, active_mask, plan_of, slot_places
from wiring.space.supernet import Probe, Supernet

__all__ = [
    "Candidates",
    "Draw",
    "Plan",
    "Probe",
    "Slot",
    "Supernet",
    "active_mask",
    "plan_of",
    "slot_places",
]
