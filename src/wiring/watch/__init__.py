"""A study while it runs, by the files that its jobs write: the same on a laptop and a cluster."""
