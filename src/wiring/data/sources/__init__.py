"""Where images and labels come from: a file a source, found by entry point (`wiring.sources`).

This file imports nothing: a scale file is checked without reading data.
"""
