"""Figures from the tables of `wiring.dynamics`, one function a figure."""

from wiring.figures.cell import animate_wiring, draw_wiring
from wiring.figures.curves import draw_cost, draw_probability, draw_statistics
from wiring.figures.draw import draw_condition, draw_overview
from wiring.figures.overview import draw_all

__all__ = [
    "animate_wiring",
    "draw_all",
    "draw_condition",
    "draw_cost",
    "draw_overview",
    "draw_probability",
    "draw_statistics",
    "draw_wiring",
]
