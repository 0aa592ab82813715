"""A job: a search with all that stands around it.

The search itself only yields rows. Here it gets a machine, a dataset, a writer, a checkpoint, a
tracker, a voice, and somebody who hears when it is asked to stop. This file imports nothing: stops
must be heard before torch is imported.
"""
