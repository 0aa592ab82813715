"""From a source to a checked dataset on disk, and from there to batches on a device.

This file imports nothing: `wiring.data.split` must be readable without torch.
"""
