"""What mixes pixels: depthwise convolutions and pools; and the batch norm that follows them.

Feature maps are channel-major, (C, B, H, W): concatenations, slices and groups of channels are
contiguous, a pointwise convolution is one matrix product, and batch norm normalises rows.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

SMALL_MAP = 100
"""Up to this many pixels a depthwise convolution is a dense pixel-by-pixel matrix product: on maps
this small it wins over the convolution kernels, and kernels of all sizes share one product."""


@lru_cache(maxsize=64)
def _shifts(
    kernel: int, dilation: int, height: int, width: int, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """The (k^2, P, P) matrices that shift a map of P pixels by each tap's offset, zero outside.

    Entry [tap, p, q] is 1 where output pixel q reads input pixel p through that tap.
    """
    radius = dilation * (kernel - 1) // 2
    row = torch.arange(height).repeat_interleave(width)
    column = torch.arange(width).repeat(height)
    taps = [
        (row[:, None] == row + dy) & (column[:, None] == column + dx)
        for dy in range(-radius, radius + 1, dilation)
        for dx in range(-radius, radius + 1, dilation)
    ]
    return torch.stack(taps).to(device=device, dtype=dtype)


def depthwise(x: Tensor, weights: list[Tensor], dilations: list[int]) -> Tensor:
    """Apply S depthwise convolutions, "same" padding, stride 1.

    Args:
        x: (C, B, H, W), read by all S; or (S, C, B, H, W), one map each.
        weights: S kernels (C, k, k), of any odd sizes k.
        dilations: S dilations.

    Returns:
        (S, C, B, H, W).
    """
    *_, batch, height, width = x.shape
    channels, pixels = weights[0].shape[0], height * width
    if pixels <= SMALL_MAP:
        mixers = torch.stack(
            [
                (
                    w.flatten(1)
                    @ _shifts(w.shape[-1], d, height, width, w.device, w.dtype).flatten(1)
                ).view(channels, pixels, pixels)
                for w, d in zip(weights, dilations, strict=True)
            ]
        )
        return (x.flatten(-2) @ mixers).view(-1, channels, batch, height, width)
    inputs = x.unbind(0) if x.dim() == 5 else [_images(x)] * len(weights)
    outputs = [
        _convolve(source if x.dim() == 4 else _images(source), w, d)
        for source, w, d in zip(inputs, weights, dilations, strict=True)
    ]
    return torch.stack([out.transpose(0, 1) for out in outputs])


def _images(x: Tensor) -> Tensor:
    """(C, B, H, W) as images (B, C, H, W), channels last in memory: the fast kernels want it."""
    return x.transpose(0, 1).contiguous(memory_format=torch.channels_last)


def _convolve(images: Tensor, weight: Tensor, dilation: int) -> Tensor:
    batch, channels, height, width = images.shape
    kernel = weight[:, None]
    padding = (weight.shape[-1] - 1) // 2
    if dilation == 1 or height % dilation or width % dilation:
        return F.conv2d(
            images, kernel, padding=dilation * padding, dilation=dilation, groups=channels
        )
    # A dilated kernel never mixes pixels of different phases: each phase is a dense convolution,
    # and dense depthwise kernels are several times faster than dilated ones.
    phases = images.view(batch, channels, height // dilation, dilation, width // dilation, dilation)
    phases = phases.permute(3, 5, 0, 1, 2, 4).reshape(
        dilation**2 * batch, channels, height // dilation, width // dilation
    )
    out = F.conv2d(
        phases.contiguous(memory_format=torch.channels_last),
        kernel,
        padding=padding,
        groups=channels,
    )
    out = out.view(dilation, dilation, batch, channels, height // dilation, width // dilation)
    return out.permute(2, 3, 4, 0, 5, 1).reshape(batch, channels, height, width)


def max_pool(x: Tensor) -> Tensor:
    """3x3 max pool, stride 1, padding 1, of (C, B, H, W)."""
    return F.max_pool2d(x, 3, stride=1, padding=1)


@lru_cache(maxsize=16)
def _averages(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    mixer = _shifts(3, 1, height, width, device, dtype).sum(0)
    return mixer / mixer.sum(0)


def avg_pool(x: Tensor) -> Tensor:
    """3x3 average pool, stride 1, padding 1 that is not counted, of (C, B, H, W)."""
    height, width = x.shape[-2:]
    if height * width <= SMALL_MAP:
        return (x.flatten(-2) @ _averages(height, width, x.device, x.dtype)).view_as(x)
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def batch_norm(x: Tensor, eps: float) -> Tensor:
    """Batch norm without affine parameters, by the statistics of the batch itself.

    In channel-major layout a channel is a row, so this is a layer norm over (B, H, W). There are
    no running averages: those of a supernet would mix the statistics of many wirings, and the
    conservation laws hold for batch statistics.

    Args:
        x: (..., C, B, H, W).
        eps: added to the variance.
    """
    # Under autocast x may be of half precision; statistics and node sums must not be.
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    return F.layer_norm(x, x.shape[-3:], eps=eps)


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """1x1 convolutions: x (S, C, B, H, W) by weight (S, C', C), S of them at once.

    Without the leading S, one: x (C, B, H, W) by weight (C', C).
    """
    return (weight @ x.flatten(-3)).view(*weight.shape[:-1], *x.shape[-3:])
