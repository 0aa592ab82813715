"""Datasets: from their source to checked Parquet files, and from there to batches on a device."""

from wiring.data.batches import Batches, normalise
from wiring.data.dataset import DataError, Dataset, load
from wiring.data.prepare import prepare

__all__ = ["Batches", "DataError", "Dataset", "load", "normalise", "prepare"]
