"""What takes seconds at the start of a process, done when this is imported: see `tests.forks`."""

import gc

import alembic.command
import alembic.config  # noqa: F401
import docutils.core
import docutils.parsers.rst  # noqa: F401
import jinja2  # noqa: F401
import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg
import matplotlib.figure  # noqa: F401
import mlflow.store.db.utils
import mlflow.store.tracking.sqlalchemy_store
import mlflow.system_metrics.metrics  # noqa: F401
import pandas as pd  # noqa: F401
import PIL.Image
import pyarrow.pandas_compat  # noqa: F401
import rich.console  # noqa: F401
import scipy.optimize
import scipy.stats  # noqa: F401
import shellingham  # noqa: F401
import smart_open  # noqa: F401
import snakemake.cli
import snakemake.profiles
import snakemake.storage
import sqlalchemy.dialects.sqlite  # noqa: F401
import torch
import typer.completion
import typer.main  # noqa: F401

import tests.conftest  # noqa: F401
import wiring.job.run  # noqa: F401
from wiring.config import SearchConfig
from wiring.data.dataset import Dataset
from wiring.search import Search


def step() -> None:
    """An epoch on grey images: the compiled kernels are loaded, and all that torch imports late."""
    count, ones = 8, torch.ones(8, dtype=torch.int64)
    images = torch.full((count, 1, 8, 8), 128, dtype=torch.uint8)
    dataset = Dataset(
        name="grey",
        classes=2,
        mean=(0.5,),
        std=(1.0,),
        train_images=images,
        train_labels=ones,
        train_clean_labels=ones,
        validation_mask=torch.zeros(count, dtype=torch.bool),
        test_images=images,
        test_labels=ones,
        manifest={},
    )
    config = SearchConfig.model_validate(
        {
            "experiment": "E1",
            "dataset": "grey",
            "method": "dsnas",
            "level": "single",
            "seed": 0,
            "space": {"cells": 1, "nodes": 2, "channels": 3},
            "train": {"epochs": 1, "batch_size": 4},
        }
    )
    for _ in Search(config, dataset, torch.device("cpu")).run_epoch():
        pass


torch.set_num_threads(1)
step()
PIL.Image.init()  # which formats it reads and writes
snakemake.cli.get_argument_parser()  # which plug-ins it has
gc.freeze()  # else each fork looks through all of this for garbage
