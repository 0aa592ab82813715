"""Verdicts: each claim of the patterns, held against its threshold in each condition.

The front is empty, so that :mod:`wiring.claims.thresholds` can check a scale file without pandas.
"""
