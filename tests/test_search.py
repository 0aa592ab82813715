"""The trainer against a plain twin; determinism, resuming, and what stops a search."""

from __future__ import annotations

import logging
import random
import shutil
import signal
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import plain
from tests.synthetic import altered
from wiring.config import DatasetConfig, Edge, RunConfig, SearchConfig
from wiring.data.batches import Batches, normalise
from wiring.data.dataset import Dataset, load
from wiring.data.prepare import prepare
from wiring.job import checkpoint, machine
from wiring.job import run as job
from wiring.job.run import SearchError, StoppedError, run
from wiring.job.stops import Stops
from wiring.measure import SampleSums, Window, sample_statistics
from wiring.measure.samples import device_sums
from wiring.methods.common import probabilities
from wiring.search import Search, evaluate
from wiring.search.curvature import largest_eigenvalue
from wiring.search.sgd import SGD
from wiring.space import small
from wiring.trajectory import Trajectory
from wiring.trajectory.export import cell

CPU = torch.device("cpu")
METHODS = ["darts", "dsnas", "proxylessnas", "snas"]


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
def _no_server(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    empty_store: Path,
) -> None:
    """MLflow has tests of its own: here its store is a throw-away one."""
    store = shutil.copy2(empty_store, tmp_path_factory.mktemp("store"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")
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
    trainer = Search(c, dataset, CPU)
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

    mask = dataset.validation_mask
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

    list(trainer.run_epoch())
    torch.testing.assert_close(trainer.alpha.detach(), alpha.detach(), rtol=1e-3, atol=1e-4)
    for (name, mine), twin in zip(trainer.net.named_parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(
            mine, twin, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    moved = (alpha.detach() - Search(c, dataset, CPU).alpha.detach()).abs().max()
    assert moved > 0.05


def steps_of_weights(search: Search, count: int) -> list[dict[str, torch.Tensor | None]]:
    """The gradients that some training steps leave, by the weight's name; None: not sampled."""
    found = []

    class Recorded:
        def step(self, lr: float, parts: Sequence[slice]) -> None:
            takes = torch.zeros_like(search.net.weights, dtype=torch.bool)
            for part in parts:
                takes[part] = True
            own = takes.split([weight.numel() for weight in search.net.parameters()])
            found.append(
                {
                    name: weight.grad.clone() if sampled.all() else None
                    for (name, weight), sampled in zip(
                        search.net.named_parameters(), own, strict=True
                    )
                }
            )
            inner.step(lr, parts)

    inner, search.weight_optimizer = search.weight_optimizer, Recorded()
    window = Window(search.space, CPU)
    for (x, y, _), _ in zip(search.batches["train"].cycle(), range(count), strict=False):
        search.step("train", x, y, window, trains=True)
    return found


@pytest.mark.parametrize("method", ["dsnas", "proxylessnas"])
def test_momentum_and_decay_reach_unsampled_weights_if_told_to(
    dataset: Dataset, method: str
) -> None:
    """Against torch's own SGD over gradients of 0; otherwise they keep their bits."""
    told = config(method=method, weights={"unsampled": "decay"}, alpha={"lr": 0.0})
    search = Search(told, dataset, CPU)
    start = {name: w.detach().clone() for name, w in search.net.named_parameters()}
    twin = {name: torch.nn.Parameter(w.clone()) for name, w in start.items()}
    w = told.weights
    sgd = torch.optim.SGD(twin.values(), w.lr, w.momentum, weight_decay=w.weight_decay)
    plain_search = Search(config(method=method, alpha={"lr": 0.0}), dataset, CPU)
    for grads in steps_of_weights(search, 4):
        for name, weight in twin.items():
            assert grads[name] is not None
            weight.grad = grads[name]
        torch.nn.utils.clip_grad_norm_(twin.values(), w.grad_clip)
        sgd.step()
    for name, weight in search.net.named_parameters():
        torch.testing.assert_close(weight, twin[name], rtol=1e-5, atol=1e-7)
    never = dict.fromkeys(start, True)
    for grads in steps_of_weights(plain_search, 4):
        never = {name: still and grads[name] is None for name, still in never.items()}
    rested = [name for name, still in never.items() if still]
    assert rested
    weights = dict(plain_search.net.named_parameters())
    assert all(torch.equal(weights[name], start[name]) for name in rested)
    assert not any(torch.equal(twin[name], start[name]) for name in rested)


def test_alphas_mean_moves_its_start_and_nothing_else(dataset: Dataset) -> None:
    plain_search, moved = (
        Search(config(alpha={"lr": 0.05, "init_std": 0.01, "init_mean": mean}), dataset, CPU)
        for mean in (0.0, 1.0)
    )
    assert torch.equal(moved.alpha.detach(), 1 + plain_search.alpha.detach())
    for left, right in zip(plain_search.net.parameters(), moved.net.parameters(), strict=True):
        assert torch.equal(left, right)
    assert torch.equal(plain_search.draws.get_state(), moved.draws.get_state())


@pytest.mark.parametrize("level", ["single", "bi"])
def test_a_kept_last_batch_is_a_step_more(dataset: Dataset, level: str) -> None:
    """96 samples (48 a split), batches of 20: what is left are 16 (8)."""
    for last, steps in (("drop", {"single": 4, "bi": 2}), ("keep", {"single": 5, "bi": 3})):
        train = {"epochs": 1, "batch_size": 20, "last_batch": last}
        search = Search(config(level=level, train=train), dataset, CPU)
        rows = [row.values for row in search.run_epoch() if row.table == "windows"]
        assert search.steps == steps[level]
        whole = {"single": 96, "bi": 48}[level]
        for row in rows:
            assert row["samples"] == (whole if last == "keep" else 20 * steps[level])
            assert np.isfinite(row["loss"])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", ["single", "bi"])
def test_a_resumed_search_equals_an_uninterrupted_one(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, level: str
) -> None:
    monkeypatch.setattr(job, "CHECKPOINT_EVERY", 0.0)
    train = {"epochs": 2, "batch_size": 16, "frozen_epochs": 1, "followed_samples": 3}
    c = config(method=method, level=level, train=train)
    run(c, "test", data, tmp_path / "whole", tmp_path / "none")

    run_epoch = Search.run_epoch

    def killed(self: Search):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return run_epoch(self)

    monkeypatch.setattr(Search, "run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(c, "test", data, tmp_path / "resumed", tmp_path / "kept")
    assert not (tmp_path / "resumed").exists()
    monkeypatch.setattr(Search, "run_epoch", run_epoch)
    run(c, "test", data, tmp_path / "resumed", tmp_path / "kept")

    whole, resumed = (Trajectory.read(tmp_path / name) for name in ("whole", "resumed"))
    assert whole.manifest["files"] == resumed.manifest["files"]
    assert resumed.manifest["resumed"] == 1
    # The last checkpoint stays: from there the trajectory can be had again, at once.
    last = checkpoint.newest(tmp_path / "kept")
    assert last is not None
    assert last.name.startswith("000004-")
    run(c, "test", data, tmp_path / "again", tmp_path / "kept")
    assert Trajectory.read(tmp_path / "again").manifest["files"] == whole.manifest["files"]


def test_a_search_of_a_gpu_goes_on_from_its_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes say that every tensor was on a GPU; to a device without data nothing may be sent.

    Only the search itself, which computes here all the same, knows where its tensors belong.
    """
    monkeypatch.setattr(job, "CHECKPOINT_EVERY", 0.0)
    monkeypatch.setattr(job.machine, "prepare", lambda _: torch.device("meta"))
    monkeypatch.setattr(job, "Search", lambda config, dataset, _: Search(config, dataset, CPU))
    registry = [(0, lambda _: "cuda:0", lambda *_: None), *torch.serialization._package_registry]
    monkeypatch.setattr(torch.serialization, "_package_registry", registry)
    c = config(method="pc-darts", train={"epochs": 2, "batch_size": 16, "followed_samples": 3})
    run(c, "test", data, tmp_path / "whole", tmp_path / "kept")
    last = checkpoint.newest(tmp_path / "kept")
    assert last is not None
    assert last.name.startswith("000002-")
    assert b"cuda:0" in last.read_bytes()
    last.unlink()  # so that it goes on from the first epoch's
    run(c, "test", data, tmp_path / "resumed", tmp_path / "kept")
    whole, resumed = (Trajectory.read(tmp_path / name) for name in ("whole", "resumed"))
    assert resumed.manifest["resumed"] == 1
    assert whole.manifest["files"] == resumed.manifest["files"]


def test_what_a_trajectory_holds(data: Path, tmp_path: Path) -> None:
    c = config(level="bi", train={"epochs": 2, "batch_size": 16, "windows_per_epoch": 3})
    run(c, "test", data, tmp_path / "t", tmp_path / "c")
    t = Trajectory.read(tmp_path / "t")
    assert t.windows.num_rows == 2 * 3 * 2
    assert t.epochs.num_rows == 2 * 3
    assert t.config == c
    for split in ("train", "validation"):
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


def test_alpha_learns_from_the_validation_split_only(dataset: Dataset) -> None:
    """Two that differ in the validation split's labels: same costs on train, other alphas."""
    c = config(level="bi", train={"epochs": 1, "batch_size": 48}, method="darts")
    other = deepcopy(dataset)
    other.train_labels[dataset.validation_mask] = (
        other.train_labels[dataset.validation_mask] + 1
    ) % dataset.classes
    first, second = Search(c, dataset, CPU), Search(c, other, CPU)
    before = first.alpha.detach().clone()
    list(first.run_epoch())
    list(second.run_epoch())
    assert not torch.equal(first.alpha, before)
    assert not torch.equal(first.alpha, second.alpha)


@pytest.mark.parametrize("method", METHODS)
def test_mixed_precision_is_close_to_full(
    dataset: Dataset, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "SMALL_MAP", 0)  # small maps are of full precision anyway
    rows = {}
    for amp in (False, True):
        trainer = Search(config(method=method, run={"amp": amp}, level="bi"), dataset, CPU)
        found = [r for table, r in trainer.run_epoch() if table == "windows"]
        rows[amp] = {r["split"]: r for r in found}
    for split in ("train", "validation"):
        full, mixed = rows[False][split], rows[True][split]
        assert mixed["loss"] == pytest.approx(full["loss"], rel=0.05)
        assert mixed["loss"] != full["loss"]
        # The law holds to the precision of the logits, which is that of bfloat16.
        assert mixed["residual_direct"] < 0.05


def test_frozen_alpha_stays(dataset: Dataset) -> None:
    c = config(alpha={"lr": 0.0, "init_std": 0.0})
    trainer = Search(c, dataset, CPU)
    list(trainer.run_epoch())
    assert torch.equal(trainer.alpha, torch.zeros_like(trainer.alpha))


def test_frozen_epochs_measure_and_change_nothing(dataset: Dataset) -> None:
    train = {"epochs": 2, "batch_size": 16, "frozen_epochs": 2}
    trainer = Search(config(train=train, level="bi"), dataset, CPU)
    rows = []
    for epoch in range(6):
        weights = deepcopy(trainer.net.state_dict())
        alpha = trainer.alpha.detach().clone()
        found = list(trainer.run_epoch())
        rows += [row for table, row in found if table == "epochs" and row["split"] == "train"]
        assert sum(table == "windows" for table, _ in found) == 2
        still = all(torch.equal(weights[k], v) for k, v in trainer.net.state_dict().items())
        assert still == torch.equal(alpha, trainer.alpha) == (epoch not in (2, 3))
    rates = [row["lr"] for row in rows]
    assert rates[:2] == rates[4:] == [0, 0]
    assert rates[2] == trainer.config.weights.lr > rates[3] > 0


def test_followed_samples_are_the_same_in_every_epoch(dataset: Dataset) -> None:
    train = {"epochs": 2, "batch_size": 16, "followed_samples": 5}
    trainer = Search(config(train=train, level="bi", method="darts"), dataset, CPU)
    epochs = [[row for table, row in trainer.run_epoch() if table == "samples"] for _ in range(2)]
    for rows in epochs:
        assert [row["split"] for row in rows] == ["train"] * 5 + ["validation"] * 5
        for row in rows:
            assert row["label"] == dataset.train_labels[row["sample"]]
            assert bool(dataset.validation_mask[row["sample"]]) == (row["split"] == "validation")
    keys = [[(row["split"], row["sample"]) for row in rows] for rows in epochs]
    assert keys[0] == keys[1]
    assert epochs[0][0]["loss"] != epochs[1][0]["loss"]


def test_followed_samples_change_no_search(dataset: Dataset) -> None:
    ends = []
    for followed in (0, 4):
        train = {"epochs": 2, "batch_size": 16, "followed_samples": followed}
        trainer = Search(config(train=train), dataset, CPU)
        for _ in range(2):
            list(trainer.run_epoch())
        ends.append(trainer.alpha.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.parametrize("level", ["single", "bi"])
def test_weights_of_unopened_gates_rest(dataset: Dataset, level: str) -> None:
    """ProxylessNAS evaluates two ops an edge; only the opened one's weights may move."""
    trainer = Search(config(method="proxylessnas", level=level), dataset, CPU)
    list(trainer.run_epoch())  # momentum is there from now on
    before = {name: weight.detach().clone() for name, weight in trainer.net.named_parameters()}
    draws = []
    draw = trainer.method.draw

    def spied(*args: object):
        draws.append(draw(*args))
        return draws[-1]

    trainer.method.draw = spied
    x, y, _ = next(trainer.batches["train"].epoch())
    trainer.step("train", x, y, Window(trainer.space, CPU), trains=True)
    (last,) = draws
    assert bool(last.resting) == (level == "single")
    for name, weight in trainer.net.named_parameters():
        if ".convs." in name:
            edge, op = name.split(".convs.")[1].split(".")[0].split(":")
            row, column = trainer.space.edges.index(Edge.parse(edge)), trainer.space.ops.index(op)
            if last.gates[row, column] == 0:
                assert torch.equal(weight, before[name]), name


def test_temperature_falls_from_epoch_to_epoch(dataset: Dataset) -> None:
    temperature = {"start": 2.0, "end": 1.0}
    c = config(method="snas", settings={"temperature": temperature})
    trainer = Search(c, dataset, CPU)
    seen = []
    for _ in range(3):
        progress = trainer.context("train").progress
        seen.append(trainer.method.settings.temperature.at(progress))
        list(trainer.run_epoch())
    assert seen == pytest.approx([2.0, 2 - 1 / 3, 2 - 2 / 3])


def test_interventions_hold_through_a_search(dataset: Dataset) -> None:
    space = {
        "cells": 1,
        "nodes": 2,
        "channels": 2,
        "delete_edges": ["0-2"],
        "fix_edges": {"1-2": "dil_conv_3x3"},
        "forbid_ops": {"2-3": ["none", "skip_connect"]},
    }
    trainer = Search(config(space=space), dataset, CPU)
    rows = [row for table, row in trainer.run_epoch() if table == "windows"]
    p = probabilities(trainer.alpha.detach(), trainer.candidates)
    assert [str(edge) for edge in trainer.space.edges] == ["1-2", "0-3", "1-3", "2-3"]
    assert p[0].tolist() == [0, 0, 0, 0, 0, 1, 0, 0]
    assert p[3, :2].tolist() == [0, 0]
    assert rows[-1]["count"][3, :2].tolist() == [0, 0]
    assert trainer.genotype()["1-2"] == "dil_conv_3x3"


CHANCE = random.Random(0)


def flipped(content: bytes) -> bytes:
    """The content with one bit turned."""
    place = CHANCE.randrange(8 * len(content))
    turned = bytearray(content)
    turned[place // 8] ^= 1 << place % 8
    return bytes(turned)


ME = {"config": "c", "dataset": "d", "code": "e", "torch": "t"}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-40], id="cut"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda content: flipped(content), id="one bit"),
    ],
)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    """Whatever byte of it is wrong, and however much of it is missing."""
    content = torch.arange(40)
    for _ in range(20):
        for epoch in (1, 2, 3):
            checkpoint.save(tmp_path, epoch, ME, {"epoch": epoch, "content": content})
        assert len(list(tmp_path.iterdir())) == checkpoint.KEPT
        newest = checkpoint.newest(tmp_path)
        assert newest is not None
        assert newest.name.startswith("000003-")
        newest.write_bytes(damage(newest.read_bytes()))
        caplog.clear()
        state = checkpoint.load(tmp_path, ME)
        assert state is not None
        assert state["epoch"] == 2
        assert torch.equal(state["content"], content)
        assert f"{newest}: damaged" in caplog.text
        assert not newest.exists()


@pytest.mark.parametrize("name", ME)
def test_a_checkpoint_of_another_search_is_not_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """It must step aside: it may be of a later epoch than those that are going to be written."""
    for epoch in (7, 8):
        checkpoint.save(tmp_path, epoch, {**ME, name: "other"}, {"epoch": epoch})
    assert checkpoint.load(tmp_path, ME) is None
    assert caplog.text.count(f"made with another {name}") == 2
    checkpoint.save(tmp_path, 1, ME, {"epoch": 1})
    assert checkpoint.load(tmp_path, ME) == {"epoch": 1}
    aside = sorted(path.name[:6] for path in (tmp_path / checkpoint.ASIDE).iterdir())
    assert aside == ["000007", "000008"]


def test_what_a_killed_writer_left_is_cleared(tmp_path: Path) -> None:
    (tmp_path / f".{'a' * 32}.000003-{'b' * 64}.pt").write_bytes(b"half")
    checkpoint.save(tmp_path, 2, ME, {"epoch": 2})
    assert checkpoint.load(tmp_path, ME) == {"epoch": 2}
    assert [path.name[:7] for path in tmp_path.iterdir()] == ["000002-"]


class Harmful:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_from_elsewhere_runs_no_code(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its name is that of its bytes: only `weights_only` stands in the way."""
    folder, mark = tmp_path / "checkpoints", tmp_path / "mark"
    checkpoint.save(folder, 1, ME, {"epoch": 1, "harm": Harmful(mark)})
    (path,) = folder.iterdir()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the checkpoint is not harmful"
    mark.unlink()
    assert checkpoint.load(folder, ME) is None
    assert not mark.exists()
    assert f"{path}: damaged" in caplog.text


def test_a_loss_that_is_not_finite_stops_the_search(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c = config(weights={"lr": 1e30, "grad_clip": None}, method="darts")
    with pytest.raises(SearchError, match=r"E1_darts_single_digits_s3: the .* loss is .*epoch"):
        run(c, "test", data, tmp_path / "t", tmp_path / "c")
    assert not (tmp_path / "t").exists()
    # Asked again, by a scheduler that retries what fails, it says so at once.
    monkeypatch.setattr(Search, "run_epoch", None)
    with pytest.raises(SearchError, match=r"E1_darts_single_digits_s3: the .* loss is .*epoch"):
        run(c, "test", data, tmp_path / "t", tmp_path / "c")


NO_NONE = {"space": {"ops": ["skip_connect", "sep_conv_3x3"]}}


@pytest.mark.parametrize(
    ("method", "base", "field", "values"),
    [
        ("dsnas", {"alpha": {"lr": 0.0}}, "alpha.cost_clamp", (None, 1e-9)),
        ("dsnas", {"alpha": {"lr": 0.0}}, "alpha.grad_clip", (None, 1e-9)),
        ("darts", {"alpha": {"lr": 0.0}}, "alpha.weight_decay", (0.0, 1.0)),
        ("gaea", {"alpha": {"lr": 0.1}}, "alpha.weight_decay", (0.0, 1.0)),
        ("gaea", {"alpha": {"lr": 0.1}}, "alpha.beta1", (0.0, 0.9)),
        (
            "darts-minus",
            {"space": {"ops": ["none", "sep_conv_3x3"]}},
            "settings.skip",
            (
                {"start": 9.0, "end": 0.0},
                {"start": 0.0, "end": 0.0},
            ),
        ),
        ("sgas", NO_NONE, "settings.inputs", (1, 3)),
        ("darts-pt", NO_NONE, "settings.inputs", (1, 3)),
        ("proxylessnas", NO_NONE, "settings.rest_where_none", (False, True)),
    ],
)
def test_what_is_said_to_change_nothing_changes_nothing(
    dataset: Dataset, method: str, base: dict[str, Any], field: str, values: tuple[Any, Any]
) -> None:
    section, name = field.split(".")
    small = {"cells": 1, "nodes": 2, "channels": 2}
    found = []
    for value in values:
        own = {**base, section: {**base.get(section, {}), name: value}}
        own["space"] = {**small, **base.get("space", {})}
        c = config(method=method, train={"epochs": 4, "batch_size": 16}, **own)
        assert (section, name) in c.idle
        search = Search(c, dataset, CPU)
        rows = [row for _ in range(4) for row in search.run_epoch()]
        found.append([str(row.values) for row in rows] + [search.alpha.tolist()])
    assert found[0] == found[1]


@pytest.mark.parametrize("size", ["small", "large"])
def test_memory_that_is_still_to_be_written_is_not_filled_before(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """The trajectory is the same to the bit with it and without."""
    if size == "large":
        monkeypatch.setattr(small, "SMALL_MAP", 0)
    c = config(method="darts", train={"epochs": 1, "batch_size": 16})
    run(c, "test", data, tmp_path / "t", tmp_path / "c")
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory
    prepared = machine.prepare

    def filled(one: SearchConfig) -> torch.device:
        device = prepared(one)
        monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
        return device

    monkeypatch.setattr(machine, "prepare", filled)
    run(c, "test", data, tmp_path / "filled", tmp_path / "c2")
    assert torch.utils.deterministic.fill_uninitialized_memory
    one, other = (Trajectory.read(tmp_path / name) for name in ("t", "filled"))
    assert one.manifest["files"] == other.manifest["files"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"run\.device is cuda but no GPU is there"):
        run(config(run={"device": "cuda"}), "test", data, tmp_path / "t", tmp_path / "c")


@pytest.mark.skipif(not RunConfig().environment, reason="this machine is not x86-64")
def test_other_vector_instructions_than_the_configs_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    with pytest.raises(SearchError, match=r"vectors is avx2 but .* AVX512: set ATEN_CPU_CAPABIL"):
        run(config(), "test", data, tmp_path / "t", tmp_path / "c")
    c = config(run={"vectors": "native"}, train={"epochs": 1, "batch_size": 16})
    run(c, "test", data, tmp_path / "t", tmp_path / "c")
    assert Trajectory.read(tmp_path / "t").manifest["vectors"] == "AVX512"


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
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("level", ["single", "bi"])
def test_no_step_waits_for_the_device(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, method: str, level: str, size: str
) -> None:
    """But for DSNAS's draw, before a step: the host must know which op to run."""
    if size == "large":
        monkeypatch.setattr(small, "SMALL_MAP", 0)
    trainer = Search(config(method=method, level=level), dataset, CPU)
    list(trainer.run_epoch())  # what is cached per draw is there from now on
    x, y, _ = next(trainer.batches["train"].epoch())
    window = Window(trainer.space, CPU)
    context = trainer.context("train")
    draw = trainer.method.draw(trainer.alpha, trainer.candidates, trainer.draws, context)
    monkeypatch.setattr(trainer.method, "draw", lambda *_: draw)
    trainer.step("train", x, y, window, trains=True)
    with _Syncs() as syncs:
        x, y, _ = next(trainer.batches["train"].epoch())
        if level == "bi":
            trainer.step("validation", x, y, window, trains=True)
        trainer.step("train", x, y, window, trains=True)
    assert syncs.seen == []


def test_a_search_made_longer_goes_on_and_says_so(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Under a constant rate the first epochs of both are the same."""
    caplog.set_level("INFO", "wiring")
    weights = {"lr": 0.025, "schedule": "constant"}
    short, long = (
        config(weights=weights, train={"epochs": epochs, "batch_size": 16}) for epochs in (2, 4)
    )
    run(short, "test", data, tmp_path / "short", tmp_path / "c")
    run(long, "test", data, tmp_path / "grown", tmp_path / "c")
    assert "made longer: 4 epochs in place of 2" in caplog.text
    run(long, "test", data, tmp_path / "whole", tmp_path / "other")
    grown, whole = (Trajectory.read(tmp_path / name) for name in ("grown", "whole"))
    assert grown.manifest["files"] == whole.manifest["files"]
    assert grown.manifest["grown_from"] == [2]
    assert whole.manifest["grown_from"] == []


def test_a_checkpoint_of_other_settings_is_there_for_who_goes_back(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A cosine of another length is another search: its checkpoint is kept aside and named."""
    short, long = (config(train={"epochs": epochs, "batch_size": 16}) for epochs in (2, 3))
    run(short, "test", data, tmp_path / "a", tmp_path / "c")
    (made,) = (tmp_path / "c").glob("*.pt")
    run(long, "test", data, tmp_path / "b", tmp_path / "c")
    assert f"{made}: made with another config: kept aside" in caplog.text
    assert (tmp_path / "c" / checkpoint.ASIDE / made.name).is_file()
    (own,) = (tmp_path / "c").glob("*.pt")
    with caplog.at_level(logging.INFO, logger="wiring"):
        run(short, "test", data, tmp_path / "again", tmp_path / "c")
    assert "taken up again" in caplog.text
    assert "resumed after epoch 2" in caplog.text
    files = [Trajectory.read(tmp_path / name).manifest["files"] for name in ("a", "again")]
    assert files[0] == files[1]
    assert {path.name for path in (tmp_path / "c" / checkpoint.ASIDE).iterdir()} == {own.name}


@pytest.mark.parametrize("size", ["small", "large"])
def test_samples_are_evaluated_to_the_bit_as_if_all_were_normalised_before(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    """In parts; what is kept of them are the bytes of their pixels."""
    if size == "large":
        monkeypatch.setattr(small, "SMALL_MAP", 0)
    monkeypatch.setattr(evaluate, "BATCH", 50)
    search = Search(config(), dataset, CPU)
    draw = search.method.evaluation(search.alpha, search.candidates)
    images = normalise(dataset.test_images, dataset.mean, dataset.std)
    pieces = -(-len(images) // 50)
    assert pieces == 8
    total = torch.zeros(len(SampleSums._fields) - 1, dtype=torch.float64)
    with torch.no_grad():
        for x, y in zip(images.chunk(pieces), dataset.test_labels.chunk(pieces), strict=True):
            logits = search.net(search.net.embed(x), draw)
            total += device_sums(sample_statistics(logits, y))
    assert search.test.evaluate(search.net, draw) == SampleSums.of(total, len(images))
    kept = [value for value in vars(search.test).values() if isinstance(value, torch.Tensor)]
    assert {value.dtype for value in kept} == {torch.uint8, torch.int64}


def test_a_search_does_not_go_on_where_another_kind_of_device_left_it(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By `auto` a search that began on a GPU may be taken up on a machine without one."""
    c = config(train={"epochs": 1, "batch_size": 16})
    run(c, "test", data, tmp_path / "t", tmp_path / "c")
    (made,) = (tmp_path / "c").glob("*.pt")
    found = torch.load(made, weights_only=True)
    begun = torch.device("cuda" if found["identity"]["device"] == "cpu" else "cpu")
    made.unlink()
    checkpoint.save(tmp_path / "c", 1, {**found["identity"], "device": begun.type}, found["state"])
    run(c, "test", data, tmp_path / "t", tmp_path / "c")
    assert "made with another device: kept aside" in caplog.text
    assert Trajectory.read(tmp_path / "t").manifest["resumed"] == 0


@pytest.mark.parametrize("clip", [None, 0.5, 100.0])
def test_descent_equals_the_library_and_lets_weights_rest(clip: float | None) -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = (5, 100, 3)
    ours, gradient = torch.randn(sum(sizes), generator=generator), torch.zeros(sum(sizes))
    theirs = [torch.nn.Parameter(own.clone()) for own in ours.split(sizes)]
    sgd = SGD(ours, gradient, 0.9, 3e-4, clip)
    twin = torch.optim.SGD(theirs, 0.1, 0.9, weight_decay=3e-4)
    parts = [slice(0, 5), slice(5, 105), slice(105, 108)]
    for step in range(6):
        rests = step % 3
        before = ours[parts[rests]].clone()
        gradient.normal_(generator=generator)
        for place, (other, part) in enumerate(zip(theirs, parts, strict=True)):
            other.grad = None if place == rests else gradient[part].clone()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(theirs, clip)
        twin.step()
        sgd.step(0.1, [part for place, part in enumerate(parts) if place != rests])
        assert torch.equal(ours[parts[rests]], before)
        for mine, other in zip(ours.split(sizes), theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_a_stop_that_comes_at_any_look_leaves_a_checkpoint(data: Path, tmp_path: Path) -> None:
    """Whichever time the search looks whether it was asked: also between two looks of an epoch."""

    class Late(Stops):
        """Asked at the n-th look."""

        def __init__(self, look: int) -> None:
            super().__init__(patient=True)
            self.look, self.looks = look, 0

        @property
        def asked(self) -> int | None:
            self.looks += 1
            return signal.SIGTERM if self.looks >= self.look else None

        @asked.setter
        def asked(self, value: int | None) -> None:
            assert value is None

    for look in (1, 2):
        folder = tmp_path / str(look)
        with pytest.raises(StoppedError) as caught:
            run(config(), "test", data, folder / "t", folder / "c", Late(look))
        made = checkpoint.newest(folder / "c")
        assert made is not None, look
        assert f"after epoch {int(made.name[:6])} of" in str(caught.value)


UNTIL = {"displacement": 0.9, "change": 0.12, "bound": 12}


def settling_search(**changes: Any) -> SearchConfig:
    """Alpha learns fast at first, so that it settles soon."""
    train = {"epochs": 2, "batch_size": 16, "until": UNTIL, **changes.pop("train", {})}
    return config(method="darts", train=train, **changes)


def steps_of(search: SearchConfig, path: Path, data: Path) -> Trajectory:
    run(search, "test", data, path / "t", path / "c")
    return Trajectory.read(path / "t")


@pytest.mark.parametrize("level", ["single", "bi"])
def test_a_search_ends_where_its_record_says_that_it_has_settled(
    data: Path, tmp_path: Path, level: str
) -> None:
    """Epoch by epoch from what was recorded, in plain words: the first at which all is so."""
    t = steps_of(settling_search(level=level, alpha={"lr": 0.05}), tmp_path, data)
    split = t.config.learning_split
    steps, strength = t.column("step", split), t.array("probability", split).astype(float)
    ends = []
    for window, step in enumerate(steps):
        earlier = [w for w in range(window) if 5 * steps[w] <= 4 * step]
        far = t.column("displacement", split)[window] >= UNTIL["displacement"] - 1e-12
        if window + 1 >= t.config.train.epochs and far and earlier:
            last = strength[earlier[-1] : window + 1]
            if (last.max(axis=0) - last.min(axis=0)).max() < UNTIL["change"]:
                ends.append(window)
    assert t.config.train.epochs < len(steps) < UNTIL["bound"], "the settings show nothing"
    assert ends == [len(steps) - 1]
    # What falls has fallen after `epochs`, and stays.
    rates = t.column("lr", "train", "epochs")
    assert rates[0] == t.config.weights.lr
    assert rates[1] < rates[0]
    assert set(rates[2:]) == {t.config.weights.lr_min}


def test_displacement_is_the_rate_times_the_steps_of_alpha(data: Path, tmp_path: Path) -> None:
    train = {"epochs": 2, "batch_size": 16, "frozen_epochs": 1, "windows_per_epoch": 2}
    t = steps_of(config(level="bi", train=train), tmp_path / "bi", data)
    per_epoch = t.column("step")[1]
    for split in ("train", "validation"):
        found = t.column("displacement", split)
        assert found[:2].tolist() == [0.0, 0.0]
        assert found[5] == found[6] == found[7] == pytest.approx(0.05 * 2 * per_epoch)
        done = np.clip(t.column("step", split) - per_epoch, 0, 2 * per_epoch)
        np.testing.assert_allclose(found, 0.05 * done)
    rests = steps_of(config(alpha={"lr": 0.0}), tmp_path / "rests", data)
    assert not rests.column("displacement").any()


def test_the_record_tells_the_cell_of_a_method_that_weighs_edges(
    data: Path, tmp_path: Path
) -> None:
    """PC-DARTS keeps two inputs a node by b p: both are recorded, and so is how far either goes."""
    differs = []
    for seed in range(4):
        c = config(
            method="pc-darts",
            seed=seed,
            space={"cells": 1, "nodes": 3, "channels": 2},
            settings={"warm_up": 0, "keep": "two_inputs"},
            train={"epochs": 1, "batch_size": 16, "windows_per_epoch": 3},
        )
        t = steps_of(c, tmp_path / str(seed), data)
        assert cell(t, "two_inputs") == cell(t, "own")
        weight = t.array("edge_weight")
        for node in (2, 3, 4):
            into = [edge.target == node for edge in t.shape.edges]
            np.testing.assert_allclose(weight[:, into].sum(-1), 1, rtol=1e-6)
        assert (np.ptp(weight, axis=0) > 1e-3).all()
        by_ops_alone = altered(t, edge_weight=np.ones_like(weight))
        differs.append(cell(by_ops_alone, "two_inputs") != cell(t, "own"))
    assert any(differs), "the settings show nothing"


def test_without_edge_weights_one_stands_for_each(data: Path, tmp_path: Path) -> None:
    assert (steps_of(config(), tmp_path, data).array("edge_weight") == 1).all()


@pytest.mark.parametrize("name", ["probability", "edge_weight"])
def test_a_search_goes_on_while_an_op_or_an_edge_changes(dataset: Dataset, name: str) -> None:
    until = {"displacement": 0.1, "change": 0.1, "bound": 9}
    trainer = Search(settling_search(train={"until": until}), dataset, CPU)
    trainer.epoch, trainer.displacement = 4, 99.0
    shape = {"probability": (5, 8), "edge_weight": (5,)}
    for step in range(1, 11):
        wiring = {of: np.full(size, 0.5, np.float32) for of, size in shape.items()}
        trainer.course.append((step, wiring["probability"], wiring["edge_weight"]))
    assert trainer.finished
    trainer.course[-1][1 + list(shape).index(name)][3] += 0.2
    assert not trainer.finished
    again = Search(settling_search(train={"until": until}), dataset, CPU)
    again.load_state_dict(trainer.state_dict())
    assert not again.finished


def test_a_search_that_never_settles_ends_at_its_bound(data: Path, tmp_path: Path) -> None:
    until = {**UNTIL, "change": 1e-6, "bound": 4}
    t = steps_of(settling_search(train={"until": until}), tmp_path, data)
    assert len(t.column("step")) == 4
    # As if it had been planned for as many epochs, under a rate that stays.
    weights = {"schedule": "constant"}
    some = settling_search(train={"until": until}, weights=weights)
    fixed = settling_search(train={"epochs": 4, "until": None}, weights=weights)
    one, other = (steps_of(c, tmp_path / str(i), data) for i, c in enumerate((some, fixed)))
    assert one.manifest["files"] == other.manifest["files"]


@pytest.mark.parametrize("at", [1, 3])
def test_a_search_until_it_settles_resumes_to_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr(job, "CHECKPOINT_EVERY", 0.0)
    search = settling_search(level="bi", alpha={"lr": 0.05})
    whole = steps_of(search, tmp_path / "whole", data)
    run_epoch = Search.run_epoch

    def killed(self: Search):
        if self.epoch == at:
            raise KeyboardInterrupt
        return run_epoch(self)

    monkeypatch.setattr(Search, "run_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        steps_of(search, tmp_path / "resumed", data)
    monkeypatch.setattr(Search, "run_epoch", run_epoch)
    resumed = steps_of(search, tmp_path / "resumed", data)
    assert resumed.manifest["resumed"] == 1
    assert resumed.manifest["files"] == whole.manifest["files"]
    # The last checkpoint says that it has settled: no epoch more.
    monkeypatch.setattr(Search, "run_epoch", None)
    again = steps_of(search, tmp_path / "resumed", data)
    assert again.manifest["files"] == whole.manifest["files"]


def test_a_bound_that_was_raised_lets_a_search_go_on(data: Path, tmp_path: Path) -> None:
    """Under a cosine too: after `epochs` no epoch knows how many there are to be."""
    short, long = (
        settling_search(train={"until": {**UNTIL, "change": 1e-6, "bound": bound}})
        for bound in (3, 5)
    )
    steps_of(short, tmp_path / "kept", data)
    grown = steps_of(long, tmp_path / "kept", data)
    whole = steps_of(long, tmp_path / "whole", data)
    assert grown.manifest["grown_from"] == [3]
    assert grown.manifest["files"] == whole.manifest["files"]


def test_a_method_decides_within_the_epochs_that_it_knows(dataset: Dataset) -> None:
    """After them its decisions are made: what is still to settle is alpha."""
    until = {**UNTIL, "change": 1e-6}
    c = config(method="sgas", train={"epochs": 2, "batch_size": 16, "until": until})
    search, left = Search(c, dataset, CPU), []
    for _ in range(5):
        list(search.run_epoch())
        left.append(search.candidates.columns)
    assert left[1] == left[2] == left[3] == left[4]
    assert search.context("train").progress == 1.0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 999))
def test_the_largest_eigenvalue_of_a_quadratic(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    matrix = matrix + matrix.T
    at = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    found = largest_eigenvalue(lambda x: (matrix @ x.flatten()).view(3, 4), at)
    assert found == pytest.approx(float(torch.linalg.eigvalsh(matrix)[-1]), rel=1e-2, abs=1e-3)


def test_a_flat_loss_has_no_curvature(dataset: Dataset) -> None:
    """Where there is nothing to choose the Hessian is 0, and Lanczos's method would not begin."""
    space = {"cells": 1, "nodes": 1, "channels": 2, "ops": ["sep_conv_3x3"]}
    c = config(space=space, train={"epochs": 1, "batch_size": 16, "curvature_every": 1})
    rows = [row.values for row in Search(c, dataset, CPU).run_epoch()]
    assert [row["curvature"] for row in rows if np.isfinite(row.get("curvature", np.nan))] == [0]


def test_displacement_under_another_optimizer_is_what_alpha_did(dataset: Dataset) -> None:
    space = {"cells": 1, "nodes": 2, "channels": 2, "fix_edges": {"0-2": "skip_connect"}}
    changes = {"method": "gaea", "space": space, "alpha": {"lr": 0.5}}
    trainer = Search(config(**changes, train={"epochs": 3, "batch_size": 96}), dataset, CPU)
    far, before = 0.0, trainer.alpha.detach().clone()
    for _ in range(3):  # of one step each
        rows = [row.values for row in trainer.run_epoch() if row.table == "windows"]
        change = (trainer.alpha.detach() - before)[1:].abs().mean()
        far, before = far + float(change), trainer.alpha.detach().clone()
        assert rows[-1]["displacement"] == pytest.approx(far)
    assert 0 < far < 1.5  # the sum of the rates


def test_displacement_counts_no_step_in_which_alpha_rests(dataset: Dataset) -> None:
    c = config(method="pc-darts", settings={"warm_up": 0.5}, train={"epochs": 4, "batch_size": 16})
    trainer = Search(c, dataset, CPU)
    ends = []
    for _ in range(4):
        rows = [row.values for row in trainer.run_epoch() if row.table == "windows"]
        ends.append((rows[-1]["step"], rows[-1]["displacement"]))
    steps = ends[0][0]
    learnt = [displacement / c.alpha.lr for _, displacement in ends]
    assert learnt == pytest.approx([0, 0, steps, 2 * steps])


def test_curvature_equals_the_hessian_of_plain_autograd(dataset: Dataset) -> None:
    changes = {"space": {"cells": 1, "nodes": 2, "channels": 2}, "method": "darts", "level": "bi"}
    c = config(**changes, train={"epochs": 2, "batch_size": 16, "curvature_every": 2})
    trainer = Search(c, dataset, CPU)
    rows = [row for _ in range(2) for row in trainer.run_epoch() if row.table == "epochs"]
    values = {(row.values["epoch"], row.values["split"]): row.values["curvature"] for row in rows}
    assert [key for key, value in values.items() if not np.isnan(value)] == [(1, "validation")]
    x, y, _ = trainer.batches["validation"].first()
    net = deepcopy(trainer.net).double()

    def loss(alpha: torch.Tensor) -> torch.Tensor:
        logits = plain.forward(net, x.double(), alpha.softmax(-1))
        return torch.nn.functional.cross_entropy(logits, y)

    hessian = torch.autograd.functional.hessian(loss, trainer.alpha.detach())
    wanted = torch.linalg.eigvalsh(hessian.view(40, 40))[-1]
    assert values[1, "validation"] == pytest.approx(float(wanted), rel=0.03)


def test_curvature_changes_nothing_else(dataset: Dataset) -> None:
    """Neither weights nor alpha nor what is drawn: only its column differs."""
    found = []
    for every in (0, 1):
        c = config(train={"epochs": 1, "batch_size": 16, "curvature_every": every})
        trainer = Search(c, dataset, CPU)
        rows = [row.values for row in trainer.run_epoch()]
        measured = [row.pop("curvature") for row in rows if "curvature" in row]
        assert np.isfinite(measured).sum() == every
        found.append((trainer.state_dict(), [str(row) for row in rows]))
    (one, rows), (other, other_rows) = found
    assert rows == other_rows
    torch.testing.assert_close(one["net"], other["net"], rtol=0, atol=0)
    assert torch.equal(one["alpha"], other["alpha"])
    assert torch.equal(one["generators"][1], other["generators"][1])
