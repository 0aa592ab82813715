"""Batches of a dataset that lives on the device, augmentation included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from wiring.config import AugmentConfig
from wiring.config.search import steps_of
from wiring.errors import InputError


def normalise(
    images: Tensor, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor
) -> Tensor:
    """(images / 255 - mean) / std, as a network takes them.

    Args:
        images: uint8 (n, channels, height, width).
        mean: per channel, of pixels in [0, 1].
        std: per channel, likewise.

    Returns:
        float32 of the same shape on the same device.
    """
    mean, std = (
        torch.as_tensor(values, dtype=torch.float32, device=images.device)[:, None, None]
        for values in (mean, std)
    )
    return images.to(torch.float32).div(255).sub_(mean).div_(std)


class Batches:
    """Shuffled, augmented, normalised batches of some samples of a dataset.

    The augmentation is that of the published protocol, pixel for pixel what torchvision's
    RandomCrop and RandomHorizontalFlip do: the *raw* image is padded with 0 and cropped back to
    its size at a uniform offset, then flipped with probability 1/2, then normalised.

    A pass leaves out the last n mod `batch_size` samples of its order, so that every batch is full
    and a mean over a batch always weighs a sample alike; the next pass has another order. With
    `last_batch` "keep" they are a batch of their own.

    Chance comes from a CPU generator, so batches are the same on every device. It may be shared
    with other users: its state is its owner's to save, together with :meth:`state_dict`.

    Args:
        images: uint8 (all samples, channels, height, width); where it lives, batches do.
        labels: int64 (all samples,), on the same device.
        mean: per channel, of pixels in [0, 1].
        std: per channel, likewise.
        batch_size: samples of a batch, B.
        augment: the augmentation.
        generator: CPU generator of orders, offsets and flips.
        indices: int64, the samples to draw from; all when absent.
        last_batch: `drop` or `keep` what is left of a pass for a batch that is not full.

    Raises:
        InputError: fewer samples than one batch, or a last batch of one sample, of which batch
            norm has no statistics worth the name.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        batch_size: int,
        augment: AugmentConfig,
        generator: torch.Generator,
        indices: Tensor | None = None,
        last_batch: Literal["drop", "keep"] = "drop",
    ) -> None:
        self._images, self._labels = images, labels
        self._device = images.device
        self._samples = torch.arange(len(images)) if indices is None else indices
        self._samples = self._samples.to(self._device)
        if not 1 <= batch_size <= len(self._samples):
            raise InputError(
                f"train.batch_size: {batch_size} does not fit a split of {len(self._samples)} "
                f"samples, expected 1 to {len(self._samples)}"
            )
        if last_batch == "keep" and len(self._samples) % batch_size == 1:
            raise InputError(
                f"train.last_batch: keep leaves one of a split of {len(self._samples)} samples for "
                f"the last batch, expected 2 at least: another batch_size than {batch_size}, or "
                "drop"
            )
        self.steps_per_epoch = steps_of(len(self._samples), batch_size, last_batch)
        """Batches of one pass."""
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self._device)
        self._std = torch.tensor(std, dtype=torch.float32, device=self._device)
        self._batch_size, self._augment, self._generator = batch_size, augment, generator
        self._order = torch.empty(0, dtype=torch.int64, device=self._device)
        self._position = self.steps_per_epoch  # no pass is under way

    def epoch(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One pass in a new order, or the rest of a pass that was interrupted.

        Yields:
            x: float32 (B, channels, height, width); y: int64 (B,); index: int64 (B,), the samples'
            rows in `images`. All on the device; of a kept last batch, B is what was left.
        """
        if self._position == self.steps_per_epoch:
            order = torch.randperm(len(self._samples), generator=self._generator)
            self._order, self._position = self._send(order), 0
        while self._position < self.steps_per_epoch:
            start = self._position * self._batch_size
            index = self._samples[self._order[start : start + self._batch_size]]
            self._position += 1
            yield self._augmented(index), self._labels[index], index

    def cycle(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Passes without end, each in an order of its own; yields what :meth:`epoch` does."""
        while True:
            yield from self.epoch()

    def first(self) -> tuple[Tensor, Tensor, Tensor]:
        """A batch that is always the same: the first samples, without augmentation."""
        index = self._samples[: self._batch_size]
        x = normalise(self._images[index], self._mean, self._std)
        return x, self._labels[index], index

    def _augmented(self, index: Tensor) -> Tensor:
        images, padding = self._images[index], self._augment.crop_padding
        if padding:
            height, width = images.shape[2:]
            size = (2, len(index))
            offsets = torch.randint(2 * padding + 1, size, generator=self._generator)
            top, left = self._send(offsets)
            # A view of every crop there is; the index then copies one for each image.
            crops = functional.pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
            images = crops[torch.arange(len(index), device=self._device), :, top, left]
        if self._augment.flip:
            flips = torch.randint(2, (len(index), 1, 1, 1), generator=self._generator)
            images = torch.where(self._send(flips == 1), images.flip(3), images)
        return normalise(images, self._mean, self._std)

    def _send(self, drawn: Tensor) -> Tensor:
        """To the device without waiting for it."""
        if self._device.type == "cuda":
            drawn = drawn.pin_memory()  # only from pinned memory is a copy asynchronous
        return drawn.to(self._device, non_blocking=True)

    def state_dict(self) -> dict[str, Any]:
        """The pass under way; its order and position. The generator's state is not in it."""
        return {"order": self._order, "position": self._position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken (and the generator's state with it).

        Raises:
            ValueError: the state is that of another split or batch size.
        """
        order, position = state["order"], state["position"]
        fits = len(order) == len(self._samples) and 0 <= position <= self.steps_per_epoch
        if not fits and not (len(order) == 0 and position == self.steps_per_epoch):
            raise ValueError(
                f"batches: state of {len(order)} samples at batch {position}, expected "
                f"{len(self._samples)} samples and at most batch {self.steps_per_epoch}"
            )
        self._order, self._position = order.to(self._device), position
