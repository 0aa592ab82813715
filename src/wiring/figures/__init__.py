"""Figures from the tables of `wiring.dynamics`, one function a figure."""

from wiring.figures.cell import animate_wiring, draw_wiring
from wiring.figures.curves import draw_cost, draw_probability, draw_statistics
from wiring.figures.draw import draw_condition, draw_experiment, draw_overview
from wiring.figures.interventions import draw_interventions
from wiring.figures.overview import draw_all
from wiring.figures.phases import draw_phases
from wiring.figures.samples import draw_samples

__all__ = [
    "animate_wiring",
    "draw_all",
    "draw_condition",
    "draw_cost",
    "draw_experiment",
    "draw_interventions",
    "draw_overview",
    "draw_phases",
    "draw_probability",
    "draw_samples",
    "draw_statistics",
    "draw_wiring",
]
