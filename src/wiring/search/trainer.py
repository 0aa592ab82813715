"""The steps of a search, single-level and bi-level."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wiring.config import SearchConfig
from wiring.data.batches import Batches, normalise
from wiring.data.dataset import Dataset
from wiring.measure import (
    CostProbe,
    StepRecord,
    Window,
    backward,
    one_by_one,
    sample_credit,
    sample_statistics,
    scalar_row,
)
from wiring.methods.common import probabilities
from wiring.methods.protocol import Context, load_method
from wiring.space import Candidates, Draw, Supernet
from wiring.trajectory import Shape

Row = dict[str, Any]
EVALUATION_BATCH = 512


class Trainer:
    """Everything that a search changes, and the steps that change it.

    All chance comes from CPU generators seeded by the config, so draws, batches and augmentation
    are the same on every device. Weights that take no part in a step are left alone by it: no
    momentum, no weight decay.

    Args:
        config: the search.
        dataset: what it trains on.
        device: where it computes.
    """

    def __init__(self, config: SearchConfig, dataset: Dataset, device: torch.device) -> None:
        self.config, self.space, self.device = config, config.space, device
        self.method = load_method(config.method, config.method_settings)
        self.candidates = Candidates.of(self.space, device)
        self.shape = Shape(self.space.cells, self.space.edges, self.space.ops)
        seeds = np.random.SeedSequence(config.seed).generate_state(4).tolist()
        weights, alphas, data, draws = (torch.Generator().manual_seed(seed) for seed in seeds)
        self.draws = draws
        channels = dataset.train_images.shape[1]
        self.net = Supernet(self.space, channels, dataset.classes, weights).to(device)
        # 40 to 112 numbers decide the search: float64 costs nothing.
        size = (len(self.space.edges), len(self.space.ops))
        alpha = torch.randn(size, generator=alphas, dtype=torch.float64) * config.alpha.init_std
        self.alpha = nn.Parameter(alpha.to(device))

        w, a = config.weights, config.alpha
        self.weight_optimizer = torch.optim.SGD(
            self.net.parameters(), w.lr, w.momentum, weight_decay=w.weight_decay, fused=True
        )
        for weight in self.net.parameters():
            # The fused kernel wants every buffer at once; a zero buffer is the same first step.
            self.weight_optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.weight_optimizer, config.train.epochs, w.lr_min
        )
        self.alpha_optimizer = torch.optim.Adam(
            [self.alpha], a.lr, (a.beta1, a.beta2), weight_decay=a.weight_decay, fused=True
        )

        images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)

        def batches(indices: Tensor | None) -> Batches:
            return Batches(
                images,
                labels,
                dataset.mean,
                dataset.std,
                config.train.batch_size,
                config.train.augment,
                data,
                indices,
            )

        self.search: Batches | None = None
        if config.level == "bi":
            mask = dataset.search_mask
            self.train = batches((~mask).nonzero()[:, 0])
            self.search = batches(mask.nonzero()[:, 0])
        else:
            self.train = batches(None)
        # As many as a batch has, since batch norm sees them all; some of them are recorded.
        self.followed: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        if config.train.followed_samples:
            for split, source in {"train": self.train, "search": self.search}.items():
                if source is not None:
                    self.followed[split] = source.first()
        self.test_images = normalise(dataset.test_images.to(device), dataset.mean, dataset.std)
        self.test_labels = dataset.test_labels.to(device)
        self.data = data
        self.epoch = 0
        self.steps = 0
        # The step whose loss was the first that is not finite.
        self.lost: int | None = None

    @property
    def learning(self) -> str:
        """The split that alpha learns from."""
        return self.config.learning_split

    def moment(self, split: str) -> Context:
        """When and what for the gates of a pass over a split are drawn."""
        config = self.config
        progress = (self.epoch - config.train.frozen_epochs) / config.train.epochs
        progress = min(max(progress, 0.0), 1.0)
        return Context(split == self.learning, progress)

    def _pass(self, split: str, x: Tensor, y: Tensor, window: Window, *, trains: bool) -> None:
        """One pass of a fresh draw, its costs and statistics recorded; a step of what learns."""
        moment = self.moment(split)
        draw = self.method.draw(self.alpha, self.candidates, self.draws, moment)
        probe = CostProbe(self.space, draw)
        weights = trains and split == "train"
        amp = self.config.run.amp
        statistics = backward(self.net, x, y, draw, probe, weights=weights, amp=amp)
        record = StepRecord.of(self.space, draw, probe)
        window.add(record, statistics)
        if trains and moment.learns:
            self._step_alpha(draw, record, moment)
        if weights:
            self._step_weights()

    def _step_alpha(self, draw: Draw, record: StepRecord, moment: Context) -> None:
        settings = self.config.alpha
        if not settings.lr:
            return
        cost = record.cost.sum(0)
        if settings.cost_clamp is not None:
            cost = cost.clamp(-settings.cost_clamp, settings.cost_clamp)
        self.alpha.grad = self.method.gradient(self.alpha, self.candidates, draw, cost, moment)
        if settings.grad_clip is not None:
            nn.utils.clip_grad_norm_([self.alpha], settings.grad_clip, foreach=True)
        self.alpha_optimizer.step()

    def _step_weights(self) -> None:
        if self.config.weights.grad_clip is not None:
            nn.utils.clip_grad_norm_(
                self.net.parameters(), self.config.weights.grad_clip, foreach=True
            )
        self.weight_optimizer.step()
        self.weight_optimizer.zero_grad()

    def run_epoch(self) -> Iterator[tuple[str, Row]]:
        """Do one epoch: train, or only measure if the config freezes this one.

        Yields:
            ("steps", row) at the end of each window and split, then ("epochs", row) for each split
            and the test set, then ("samples", row) for each followed sample: the rows of the
            trajectory.
        """
        config = self.config.train
        trains = config.trains(self.epoch)
        per_epoch = self.train.steps_per_epoch
        ends = {
            round(per_epoch * (k + 1) / config.windows_per_epoch)
            for k in range(config.windows_per_epoch)
        }
        splits = ("train",) if self.search is None else ("train", "search")
        windows = {split: Window(self.space, self.device) for split in splits}
        sums = dict.fromkeys(splits, np.zeros(8))
        held_out = self.search.cycle() if self.search is not None else None
        for done, (x, y, _) in enumerate(self.train.epoch(), start=1):
            if held_out is not None:
                x_search, y_search, _ = next(held_out)
                self._pass("search", x_search, y_search, windows["search"], trains=trains)
            self._pass("train", x, y, windows["train"], trains=trains)
            self.steps += 1
            if done in ends:
                for split in splits:
                    sums[split] = sums[split] + windows[split].sums()
                    row = self._step_row(split, windows[split])
                    if self.lost is None and not math.isfinite(row["loss"]):
                        window = windows[split]
                        self.lost = self.steps - window.steps + window.first_lost()
                    yield "steps", row
                    windows[split] = Window(self.space, self.device)
        rate = 0.0
        if trains:
            rate = float(self.schedule.get_last_lr()[0])
            self.schedule.step()
        common = {"epoch": self.epoch, "lr": rate, "genotype": json.dumps(self.genotype())}
        for split, total in {**sums, "test": self._evaluate()}.items():
            yield (
                "epochs",
                {**common, "split": split, "samples": int(total[-1]), **scalar_row(total)},
            )
        for row in self._follow():
            yield "samples", row
        self.epoch += 1

    def _follow(self) -> Iterator[Row]:
        """The rows of the followed samples: in batches, draws and noise that never change."""
        for split, (x, y, index) in self.followed.items():
            noise = torch.Generator().manual_seed(self.config.seed)
            draw = self.method.draw(self.alpha, self.candidates, noise, self.moment(self.learning))
            probe = CostProbe(self.space, draw, one_by_one)
            statistics = backward(self.net, x, y, draw, probe, weights=False)
            credit = sample_credit(self.space, draw, probe).cpu().numpy()
            columns: dict[str, Sequence[Any]] = {
                "sample": index.tolist(),
                "label": y.tolist(),
                "correct": statistics.correct.tolist(),
                "loss": statistics.loss.tolist(),
                "entropy": statistics.entropy.tolist(),
                "credit": list(credit),
            }
            for place in range(self.config.train.followed_samples):
                own = {name: values[place] for name, values in columns.items()}
                yield {"epoch": self.epoch, "split": split, **own}

    def _step_row(self, split: str, window: Window) -> Row:
        alpha = self.alpha.detach()
        return {
            "step": self.steps,
            "epoch": self.epoch,
            "split": split,
            "steps": window.steps,
            "samples": window.samples,
            "alpha": alpha.masked_fill(~self.candidates.mask, -torch.inf).cpu().numpy(),
            "probability": probabilities(alpha, self.candidates).cpu().numpy(),
            **window.row(),
        }

    def genotype(self) -> dict[str, str]:
        """The most probable op of each edge."""
        columns = probabilities(self.alpha.detach(), self.candidates).argmax(-1).tolist()
        return {
            str(edge): self.space.ops[column]
            for edge, column in zip(self.space.edges, columns, strict=True)
        }

    @torch.no_grad()
    def _evaluate(self) -> np.ndarray:
        """Sums over the test set (see `Window.sums`), by the method's evaluation gates."""
        draw = self.method.evaluation(self.alpha, self.candidates)
        pieces = -(-len(self.test_labels) // EVALUATION_BATCH)
        window = Window(self.space, self.device)
        for x, y in zip(
            self.test_images.chunk(pieces), self.test_labels.chunk(pieces), strict=True
        ):
            window.add_samples(sample_statistics(self.net(self.net.embed(x), draw), y))
        return window.sums()

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the search depends on, at the end of an epoch."""
        return {
            "epoch": self.epoch,
            "steps": self.steps,
            "net": self.net.state_dict(),
            "alpha": self.alpha.detach(),
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generators": [self.data.get_state(), self.draws.get_state()],
            "train": self.train.state_dict(),
            "search": self.search.state_dict() if self.search is not None else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken."""
        self.epoch, self.steps = state["epoch"], state["steps"]
        self.net.load_state_dict(state["net"])
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        for generator, saved in zip((self.data, self.draws), state["generators"], strict=True):
            generator.set_state(saved.cpu())
        self.train.load_state_dict(state["train"])
        if self.search is not None:
            self.search.load_state_dict(state["search"])
