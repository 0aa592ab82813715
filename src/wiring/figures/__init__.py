"""Figures from the tables of `wiring.dynamics`.

`catalogue` says which there are, `draw` writes them; each file beside them holds a few that belong
together. This front is empty: Snakemake reads the catalogue without matplotlib.
"""
