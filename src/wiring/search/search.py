"""The steps of a search, single-level and bi-level."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wiring.config import SearchConfig, UntilConfig
from wiring.config.search import reached
from wiring.data.batches import Batches
from wiring.data.dataset import Dataset
from wiring.measure import Measurement, SampleSums, Window, measure
from wiring.methods import chance
from wiring.methods.hooks import Hooks
from wiring.methods.protocol import Context, load_method
from wiring.search.curvature import curvature
from wiring.search.evaluate import EvaluationSet
from wiring.search.follow import Followed
from wiring.search.passes import Passes
from wiring.search.sgd import SGD
from wiring.space import Candidates, Draw, Supernet
from wiring.trajectory import Shape
from wiring.trajectory.settling import change


class Row(NamedTuple):
    """One row of the trajectory: the table's name, and a value for each of its fields."""

    table: str
    values: dict[str, Any]


class Search:
    """Everything that a search changes, and the steps that change it.

    All chance comes from CPU generators seeded by the config, so draws, batches and augmentation
    are the same on every device; the global generators are seeded too, for methods that draw from
    them all the same. Weights that take no part in a step are left alone by it: no
    momentum, no weight decay (unless `weights.unsampled` says otherwise).

    Args:
        config: the search.
        dataset: what it trains on.
        device: where it computes.

    Attributes:
        epoch: epochs done.
        steps: weight steps done.
        displacement: of alpha: the sum of Adam's rates over its steps, which is how far a step in
            one direction throughout would have gone. Another optimizer's rate says nothing of that:
            under it the sum of each step's mean change of the entries that there is a choice among.
        lost: the step whose loss was the first that is not finite; None while all were.
    """

    def __init__(self, config: SearchConfig, dataset: Dataset, device: torch.device) -> None:
        self.config, self.space, self.device = config, config.space, device
        self.method = load_method(config.method, config.method_settings)
        self.hooks = Hooks.of(self.method)
        self.candidates = Candidates.of(self.space, device)
        self.shape = Shape(self.space.cells, self.space.edges, self.space.ops)
        *seeds, everything = np.random.SeedSequence(config.seed).generate_state(5).tolist()
        chance.seed(everything)
        weights, alphas, data, draws = (torch.Generator().manual_seed(seed) for seed in seeds)
        self.data, self.draws = data, draws
        self._build(dataset, weights, alphas)
        self._batch(dataset, data)
        self.test = self._evaluated(dataset, dataset.test_images, dataset.test_labels)
        self.passes = self._passes(dataset) if self.hooks.wants_loss else None
        self.epoch = self.steps = 0
        self.displacement = 0.0
        # What a length that follows from alpha's course is decided by: as it is recorded.
        self.course: list[tuple[int, np.ndarray, np.ndarray]] = []
        self.lost: int | None = None

    def _build(self, dataset: Dataset, weights: torch.Generator, alphas: torch.Generator) -> None:
        """The supernet, alpha and their optimizers."""
        config, space = self.config, self.space
        channels = dataset.train_images.shape[1]
        self.net = Supernet(space, channels, dataset.classes, weights).to(self.device)
        # 40 to 112 numbers decide the search: float64 costs nothing.
        size = (len(space.edges), len(space.ops))
        alpha = torch.randn(size, generator=alphas, dtype=torch.float64)
        alpha = config.alpha.init_mean + config.alpha.init_std * alpha
        self.alpha = nn.Parameter(alpha.to(self.device))
        w = config.weights
        self.weight_optimizer = SGD(
            self.net.weights, self.net.gradient, w.momentum, w.weight_decay, w.grad_clip
        )
        self.alpha_optimizer = self.hooks.optimizer(self.alpha, config.alpha)

    def _batch(self, dataset: Dataset, data: torch.Generator) -> None:
        """The batches of each split, and the samples that are followed."""
        config, device = self.config.train, self.device
        images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)

        def batches(indices: Tensor | None) -> Batches:
            return Batches(
                images,
                labels,
                dataset.mean,
                dataset.std,
                config.batch_size,
                config.augment,
                data,
                indices,
                config.last_batch,
            )

        self.batches: dict[str, Batches] = {}
        if self.config.level == "bi":
            mask = dataset.validation_mask
            self.batches["train"] = batches((~mask).nonzero()[:, 0])
            self.batches["validation"] = batches(mask.nonzero()[:, 0])
        else:
            self.batches["train"] = batches(None)
        self.followed = Followed(self.batches, config.followed_samples)

    def _passes(self, dataset: Dataset) -> Passes:
        """Further passes over batches, and over all samples that alpha learns from."""
        mask = dataset.validation_mask
        if self.config.level == "single":
            mask = torch.ones_like(mask)
        samples = self._evaluated(dataset, dataset.train_images[mask], dataset.train_labels[mask])
        return Passes(self.net, samples, amp=self.config.run.amp)

    def _evaluated(self, dataset: Dataset, images: Tensor, labels: Tensor) -> EvaluationSet:
        """Some of its samples, on the device, to be evaluated all at once."""
        images, labels = images.to(self.device), labels.to(self.device)
        return EvaluationSet(images, labels, dataset.mean, dataset.std)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or as many as its wiring needed to settle."""
        train = self.config.train
        if self.epoch >= train.all_epochs:
            return True
        return train.until is not None and self.epoch >= train.epochs and self._settled(train.until)

    def _settled(self, until: UntilConfig) -> bool:
        if not reached(self.displacement, until.displacement):
            return False
        steps, *wiring = (np.stack(values) for values in zip(*self.course, strict=True))
        return change(steps, *wiring) < until.change

    def context(self, split: str) -> Context:
        """When and what for the gates of a pass over a split are drawn."""
        learns = split == self.config.learning_split
        return Context(learns, self.progress, self.trained, self.passes)

    @property
    def trained(self) -> int:
        """Epochs done in which weights and alpha learnt."""
        train = self.config.train
        return min(max(self.epoch - train.frozen_epochs, 0), train.longest)

    @property
    def progress(self) -> float:
        """Share of `train.epochs` done, 0 to 1."""
        return min(self.trained / self.config.train.epochs, 1.0)

    @property
    def rate(self) -> float:
        """The weights' learning rate, from epoch to epoch: half a cosine, or a constant."""
        weights = self.config.weights
        if weights.schedule == "constant":
            return weights.lr
        wave = (1 + math.cos(math.pi * self.progress)) / 2
        return weights.lr_min + (weights.lr - weights.lr_min) * wave

    def run_epoch(self) -> Iterator[Row]:
        """Do one epoch: train, or only measure if the config freezes this one.

        Yields:
            A row of `windows` at the end of each window and split, then one of `epochs` for each
            split and the test set, then one of `samples` for each followed sample.
        """
        trains = self.config.train.trains(self.epoch)
        ends = self._window_ends()
        windows = {split: Window(self.space, self.device) for split in self.batches}
        sums = dict.fromkeys(self.batches, SampleSums())
        held_out = self.batches["validation"].cycle() if "validation" in self.batches else None
        for done, (x, y, _) in enumerate(self.batches["train"].epoch(), start=1):
            x_held, y_held = x, y
            if held_out is not None:
                x_held, y_held, _ = next(held_out)
            if self.passes is not None:
                self.passes.train, self.passes.held_out = (x, y), (x_held, y_held)
                self.passes.rate = self.rate
            if held_out is not None:
                self.step("validation", x_held, y_held, windows["validation"], trains=trains)
            self.step("train", x, y, windows["train"], trains=trains)
            self.steps += 1
            if done in ends:
                for split, window in windows.items():
                    sums[split] = sums[split].plus(window.sums())
                    yield Row("windows", self._window_row(split, window))
                windows = {split: Window(self.space, self.device) for split in self.batches}
        rate = self.rate if trains else 0.0
        if trains and self.trained < self.config.train.epochs:
            self._narrow()
        sums["test"] = self.test.evaluate(
            self.net, self.method.evaluation(self.alpha, self.candidates)
        )
        bend = self._curvature()
        for split, total in sums.items():
            own = bend if split == self.config.learning_split else math.nan
            yield Row("epochs", {**self._epoch_row(split, total, rate), "curvature": own})
        for split in self.followed.splits:
            for values in self.followed.rows(self.net, split, self._repeatable_draw()):
                yield Row("samples", {"epoch": self.epoch, "split": split, **values})
        self.epoch += 1

    def step(self, split: str, x: Tensor, y: Tensor, window: Window, *, trains: bool) -> None:
        """One batch of a split: draw, measure, step alpha, step weights.

        Args:
            split: `train` or `validation`.
            x: (B, channels, H, W), normalised.
            y: (B), class indices.
            window: takes what was measured.
            trains: whether what learns from this split takes a step.
        """
        context = self.context(split)
        draw = self.method.draw(self.alpha, self.candidates, self.draws, context)
        weights = trains and split == "train"
        measured = measure(self.net, x, y, draw, weights=weights, amp=self.config.run.amp)
        window.add(measured)
        if trains and context.learns and not self.hooks.rests(context):
            self.step_alpha(draw, measured, context)
        if weights:
            self.step_weights(draw)

    def step_alpha(self, draw: Draw, measured: Measurement, context: Context) -> None:
        """Turn the local costs into alpha's gradient, and descend."""
        settings = self.config.alpha
        if not settings.lr:
            return
        cost = measured.cost.sum(0)
        if settings.cost_clamp is not None:
            cost = cost.clamp(-settings.cost_clamp, settings.cost_clamp)
        self.alpha.grad = self.method.gradient(self.alpha, self.candidates, draw, cost, context)
        if settings.grad_clip is not None:
            nn.utils.clip_grad_norm_([self.alpha], settings.grad_clip, foreach=True)
        self.displacement += self._stepped()

    def _stepped(self) -> float:
        """Step alpha; how far that counts."""
        if isinstance(self.alpha_optimizer, torch.optim.Adam):
            self.alpha_optimizer.step()
            return self.config.alpha.lr
        before = self.alpha.detach().clone()
        self.alpha_optimizer.step()
        free = self.candidates.mask & self.candidates.undecided
        return float((self.alpha.detach() - before)[free].abs().sum() / max(int(free.sum()), 1))

    def step_weights(self, draw: Draw) -> None:
        """Descend along the gradient that the measurement left, with the weights of a draw.

        The gradient of the others is 0: with them, momentum and decay reach all.
        """
        rest = self.config.weights.unsampled == "rest"
        parts = self.net.learning(draw) if rest else (slice(None),)
        self.weight_optimizer.step(self.rate, parts)

    def _narrow(self) -> None:
        """Let the method take candidates away, now that an epoch has trained."""
        done, epochs = self.context(self.config.learning_split), self.config.train.epochs
        done = replace(done, epochs=done.epochs + 1, progress=(done.epochs + 1) / epochs)
        left = self.hooks.epoch_done(self.alpha, self.candidates, done)
        self.candidates = left or self.candidates

    def _window_ends(self) -> set[int]:
        """The steps of an epoch at which its windows end."""
        steps, windows = self.batches["train"].steps_per_epoch, self.config.train.windows_per_epoch
        return {round(steps * (k + 1) / windows) for k in range(windows)}

    def _window_row(self, split: str, window: Window) -> dict[str, Any]:
        alpha = self.alpha.detach()
        probability = self.hooks.probabilities(alpha, self.candidates).cpu().numpy()
        weight = self.hooks.edge_weights(alpha, self.candidates).cpu().numpy()
        if self.config.train.until is not None and split == self.config.learning_split:
            recorded = probability.astype(np.float32), weight.astype(np.float32)
            self.course.append((self.steps, *recorded))
        row = window.row()
        if self.lost is None and not math.isfinite(float(row["loss"])):
            self.lost = self.steps - window.steps + window.first_lost()
        return {
            "step": self.steps,
            "epoch": self.epoch,
            "split": split,
            "steps": window.steps,
            "samples": window.samples,
            "alpha": alpha.masked_fill(~self.candidates.mask, -torch.inf).cpu().numpy(),
            "probability": probability,
            "edge_weight": weight,
            "displacement": self.displacement,
            **row,
        }

    def _epoch_row(self, split: str, sums: SampleSums, rate: float) -> dict[str, Any]:
        return {
            "epoch": self.epoch,
            "split": split,
            "samples": int(sums.samples),
            "lr": rate,
            "genotype": json.dumps(self.genotype()),
            **sums.means(),
        }

    def _curvature(self) -> float:
        """Of the loss on the first samples that alpha learns from; NaN where it is not measured."""
        every = self.config.train.curvature_every
        if not every or (self.epoch + 1) % every:
            return math.nan
        x, y, _ = self.batches[self.config.learning_split].first()
        return curvature(self.net, self.alpha, self.candidates, x, y)

    def _repeatable_draw(self) -> Draw:
        """Gates from the same noise at each call: only alpha changes them."""
        noise = torch.Generator().manual_seed(self.config.seed)
        context = self.context(self.config.learning_split)
        return self.method.draw(self.alpha, self.candidates, noise, context)

    def genotype(self) -> dict[str, str]:
        """The op that the method keeps on each edge, by its own rule; `none`: it keeps no edge."""
        columns = self.hooks.select(self.alpha.detach(), self.candidates)
        return {
            str(edge): "none" if column is None else self.space.ops[column]
            for edge, column in zip(self.space.edges, columns, strict=True)
        }

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the search depends on, at the end of an epoch."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "displacement": self.displacement,
            "course": [(step, *map(torch.from_numpy, wiring)) for step, *wiring in self.course],
            "net": self.net.state_dict(),
            "alpha": self.alpha.detach(),
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "generators": [self.data.get_state(), self.draws.get_state()],
            "chance": chance.states(),
            "candidates": self.candidates.columns,
            "method": self.hooks.state_dict(),
            "batches": {split: batches.state_dict() for split, batches in self.batches.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken; a checkpoint's tensors are on the CPU."""
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.displacement = state["displacement"]
        self.course = [(step, p.numpy(), weight.numpy()) for step, p, weight in state["course"]]
        self.net.load_state_dict(state["net"])
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])
        for generator, saved in zip((self.data, self.draws), state["generators"], strict=True):
            generator.set_state(saved)
        chance.restore(state["chance"])
        self.candidates = self.candidates.limited(state["candidates"])
        self.hooks.load_state_dict(state["method"])
        for split, batches in self.batches.items():
            batches.load_state_dict(state["batches"][split])
