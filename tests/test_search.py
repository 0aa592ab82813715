"""The trainer against a plain twin; determinism, resuming, and what stops a search."""

from __future__ import annotations

import logging
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import plain
from wiring.config import DatasetConfig, SearchConfig
from wiring.cost import Window
from wiring.data import Batches, Dataset, load, prepare
from wiring.methods.common import probabilities
from wiring.search import SearchError, Trainer, checkpoint, run, runner
from wiring.space import spatial
from wiring.trajectory import Trajectory

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    config = DatasetConfig(source="digits", test_fraction=0.2, train_samples=96, label_noise=0.2)
    prepare(config, folder / "digits", folder / "cache")
    return folder / "digits"


@pytest.fixture
def dataset(data: Path) -> Dataset:
    return load(data)


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """MLflow has tests of its own: here its store is a throw-away one."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)


def config(**changes: object) -> SearchConfig:
    base: dict[str, object] = {
        "experiment": "E1",
        "dataset": "digits",
        "method": "dsnas",
        "level": "single",
        "seed": 3,
        "space": {"cells": 2, "nodes": 2, "channels": 3},
        "alpha": {"lr": 0.05},
        "train": {"epochs": 3, "batch_size": 16},
    }
    return SearchConfig.model_validate({**base, **changes})


@pytest.mark.parametrize("level", ["single", "bi"])
def test_darts_equals_plain_autograd_and_plain_optimizers(dataset: Dataset, level: str) -> None:
    """One epoch: op-by-op network, alpha's gradient by autograd, unfused SGD and Adam."""
    c = config(method="darts", level=level, space={"cells": 2, "nodes": 2, "channels": 2})
    trainer = Trainer(c, dataset, CPU)
    net, alpha = deepcopy(trainer.net), trainer.alpha.detach().clone().requires_grad_()
    generator = torch.Generator()
    generator.set_state(trainer.data.get_state())

    def batches(indices: torch.Tensor | None) -> Batches:
        shared = (dataset.train_images, dataset.train_labels, dataset.mean, dataset.std)
        return Batches(*shared, 16, c.train.augment, generator, indices)

    w, a = c.weights, c.alpha
    sgd = torch.optim.SGD(net.parameters(), w.lr, w.momentum, weight_decay=w.weight_decay)
    adam = torch.optim.Adam([alpha], a.lr, (a.beta1, a.beta2), weight_decay=a.weight_decay)

    def backward(x: torch.Tensor, y: torch.Tensor) -> None:
        logits = plain.forward(net, x, alpha.softmax(-1).float())
        torch.nn.functional.cross_entropy(logits, y).backward()

    mask = dataset.search_mask
    train = batches((~mask).nonzero()[:, 0] if level == "bi" else None)
    held_out = batches(mask.nonzero()[:, 0]).cycle() if level == "bi" else None
    for x, y, _ in train.epoch():
        if held_out is not None:
            backward(*next(held_out)[:2])
            adam.step()
            sgd.zero_grad()
            adam.zero_grad()
        backward(x, y)
        torch.nn.utils.clip_grad_norm_(net.parameters(), w.grad_clip)
        if held_out is None:
            adam.step()
        sgd.step()
        sgd.zero_grad()
        adam.zero_grad()

    list(trainer.train_epoch())
    torch.testing.assert_close(trainer.alpha.detach(), alpha.detach(), rtol=1e-3, atol=1e-4)
    for (name, mine), twin in zip(trainer.net.named_parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(
            mine, twin, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    moved = (alpha.detach() - Trainer(c, dataset, CPU).alpha.detach()).abs().max()
    assert moved > 0.05


@pytest.mark.parametrize("method", ["dsnas", "darts"])
@pytest.mark.parametrize("level", ["single", "bi"])
def test_a_resumed_search_equals_an_uninterrupted_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, level: str
) -> None:
    monkeypatch.setattr(runner, "CHECKPOINT_EVERY", 0.0)
    c = config(method=method, level=level)
    run(c, "test", data, tmp_path / "whole", tmp_path / "none")

    train_epoch = Trainer.train_epoch

    def killed(self: Trainer):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(c, "test", data, tmp_path / "resumed", tmp_path / "kept")
    assert not (tmp_path / "resumed").exists()
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    run(c, "test", data, tmp_path / "resumed", tmp_path / "kept")

    whole, resumed = (Trajectory.read(tmp_path / name) for name in ("whole", "resumed"))
    assert whole.manifest["files"] == resumed.manifest["files"]
    assert resumed.manifest["resumed"] == 1
    assert not (tmp_path / "kept").exists()


def test_what_a_trajectory_holds(data: Path, tmp_path: Path) -> None:
    c = config(level="bi", train={"epochs": 2, "batch_size": 16, "windows_per_epoch": 3})
    run(c, "test", data, tmp_path / "t", tmp_path / "c")
    t = Trajectory.read(tmp_path / "t")
    assert t.steps.num_rows == 2 * 3 * 2
    assert t.epochs.num_rows == 2 * 3
    assert t.config == c
    for split in ("train", "search"):
        np.testing.assert_allclose(t.array("probability", split).sum(-1), 1, rtol=1e-6)
        count = t.array("count", split)
        steps = t.column("steps", split)
        # DSNAS samples one op an edge and step, `none` included.
        np.testing.assert_array_equal(count.sum(-1), np.repeat(steps[:, None], 5, 1))
        gap = t.column("loss", split) - t.column("entropy", split)
        direct = t.array("credit_direct", split)[:, -1].sum(-1)
        np.testing.assert_allclose(direct, gap, atol=1e-5)
        assert t.column("residual_direct", split).max() < 1e-5
    assert list(t.column("step", "train")) == [1, 2, 3, 4, 5, 6][: len(steps)]


def test_alpha_learns_from_the_search_split_only(dataset: Dataset) -> None:
    """Two trainers that differ in the search split's labels: same costs on train, other alphas."""
    c = config(level="bi", train={"epochs": 1, "batch_size": 48}, method="darts")
    other = deepcopy(dataset)
    other.train_labels[dataset.search_mask] = (
        other.train_labels[dataset.search_mask] + 1
    ) % dataset.classes
    first, second = Trainer(c, dataset, CPU), Trainer(c, other, CPU)
    before = first.alpha.detach().clone()
    list(first.train_epoch())
    list(second.train_epoch())
    assert not torch.equal(first.alpha, before)
    assert not torch.equal(first.alpha, second.alpha)


@pytest.mark.parametrize("method", ["dsnas", "darts"])
def test_mixed_precision_is_close_to_full(dataset: Dataset, method: str) -> None:
    rows = {}
    for amp in (False, True):
        trainer = Trainer(config(method=method, run={"amp": amp}, level="bi"), dataset, CPU)
        found = [r for table, r in trainer.train_epoch() if table == "steps"]
        rows[amp] = {r["split"]: r for r in found}
    for split in ("train", "search"):
        full, mixed = rows[False][split], rows[True][split]
        assert mixed["loss"] == pytest.approx(full["loss"], rel=0.05)
        assert mixed["loss"] != full["loss"]
        # The law holds to the precision of the logits, which is that of bfloat16.
        assert mixed["residual_direct"] < 0.05


def test_frozen_alpha_stays(dataset: Dataset) -> None:
    c = config(alpha={"lr": 0.0, "init_std": 0.0})
    trainer = Trainer(c, dataset, CPU)
    list(trainer.train_epoch())
    assert torch.equal(trainer.alpha, torch.zeros_like(trainer.alpha))


def test_interventions_hold_through_a_search(dataset: Dataset) -> None:
    space = {
        "cells": 1,
        "nodes": 2,
        "channels": 2,
        "delete_edges": ["0-2"],
        "fix_edges": {"1-2": "dil_conv_3x3"},
        "forbid_ops": {"2-3": ["none", "skip_connect"]},
    }
    trainer = Trainer(config(space=space), dataset, CPU)
    rows = [row for table, row in trainer.train_epoch() if table == "steps"]
    p = probabilities(trainer.alpha.detach(), trainer.candidates)
    assert trainer.space.edges == ("1-2", "0-3", "1-3", "2-3")
    assert p[0].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    assert p[3, :2].tolist() == [0, 0]
    assert rows[-1]["count"][3, :2].tolist() == [0, 0]
    assert trainer.genotype()["1-2"] == "dil_conv_3x3"


def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for epoch in (1, 2, 3):
        checkpoint.save(tmp_path, epoch, {"digest": "d", "epoch": epoch})
    assert len(list(tmp_path.iterdir())) == checkpoint.KEPT
    newest = tmp_path / "000003.pt"
    newest.write_bytes(newest.read_bytes()[:-40])
    with caplog.at_level(logging.WARNING):
        assert checkpoint.load(tmp_path, "d", CPU) == {"digest": "d", "epoch": 2}
    assert "000003.pt: damaged" in caplog.text
    assert checkpoint.load(tmp_path, "another", CPU) is None


def test_a_loss_that_is_not_finite_stops_the_search(data: Path, tmp_path: Path) -> None:
    c = config(weights={"lr": 1e30, "grad_clip": None}, method="darts")
    with pytest.raises(SearchError, match=r"E1_darts_single_digits_s3: the .* loss is .*epoch"):
        run(c, "test", data, tmp_path / "t", tmp_path / "c")
    assert not (tmp_path / "t").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"run\.device is cuda but no GPU is there"):
        run(config(run={"device": "cuda"}), "test", data, tmp_path / "t", tmp_path / "c")


def test_a_batch_larger_than_its_split_is_refused(data: Path, tmp_path: Path) -> None:
    c = config(train={"epochs": 1, "batch_size": 90}, level="bi")
    with pytest.raises(ValueError, match=r"batch_size: 90"):
        run(c, "test", data, tmp_path / "t", tmp_path / "c")


class _Syncs(TorchDispatchMode):
    """Counts the calls for which the host would wait for a GPU: values read, sizes from values."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.__name__.split(".")[0]
        # A mask as an index is a hidden nonzero.
        masks = name.startswith("index") and any(
            isinstance(i, torch.Tensor) and i.dtype == torch.bool
            for a in args
            if isinstance(a, list | tuple)
            for i in a
        )
        if name in self.WAITS or masks:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_the_sync_detector_detects() -> None:
    x = torch.ones(3)
    with _Syncs() as syncs:
        x.sum().item()
        x[x > 0]
        bool(x[0] > 0)
    assert len(syncs.seen) == 3


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("method", ["dsnas", "darts"])
@pytest.mark.parametrize("level", ["single", "bi"])
def test_no_step_waits_for_the_device(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, method: str, level: str, size: str
) -> None:
    """But for DSNAS's draw, before a step: the host must know which op to run."""
    if size == "large":
        monkeypatch.setattr(spatial, "SMALL_MAP", 0)
    trainer = Trainer(config(method=method, level=level), dataset, CPU)
    list(trainer.train_epoch())  # what is cached per draw is there from now on
    x, y, _ = next(trainer.train.epoch())
    window = Window(trainer.space, CPU)
    draw = trainer.method.draw(trainer.alpha, trainer.candidates, trainer.draws)
    monkeypatch.setattr(trainer.method, "draw", lambda *_: draw)
    trainer._backward(x, y, window, weights=True)
    with _Syncs() as syncs:
        x, y, _ = next(trainer.train.epoch())
        if level == "bi":
            trainer._backward(x, y, window, weights=False)
        trainer._backward(x, y, window, weights=True)
        torch.nn.utils.clip_grad_norm_(trainer.net.parameters(), 5, foreach=True)
        trainer.weight_optimizer.step()
        trainer.weight_optimizer.zero_grad()
    assert syncs.seen == []
