"""What mixes pixels or channels of large maps: convolutions, pools, the batch norm after them.

A feature map is (C, B, H, W). It has its channels last in memory (the strides of (B, H, W, C)),
which the library's convolution and pooling kernels want, and each convolution runs alone, so that
its map stays in the cache. Small maps are another matter: see `wiring.space.small`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

PIECE = 4096
"""Numbers that are added up in float32 before float64 takes over."""


def _images(x: Tensor) -> Tensor:
    """A large map (C, B, H, W) as images (B, C, H, W), channels last in memory."""
    return x.transpose(0, 1).contiguous(memory_format=torch.channels_last)


def dense(x: Tensor) -> Tensor:
    """The map (C, B, H, W) with its channels last in memory; itself, if it is so already."""
    return _images(x).transpose(0, 1)


def _rows(x: Tensor) -> Tensor:
    """A large map (C, B, H, W) as a matrix of each sample's pixels, (B, H W, C)."""
    return x.permute(1, 2, 3, 0).flatten(1, 2)


def _map(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_rows`: (C, B, H, W) of the batch and size of `like`."""
    return rows.reshape(*like.shape[1:], -1).permute(3, 0, 1, 2)


def sepconv(
    x: Tensor, depthwise: Tensor, dilation: int, pointwise: Tensor, eps: float, *, rectify: bool
) -> Tensor:
    """Depthwise convolution, pointwise convolution and batch norm of a large map.

    Args:
        x: (C, B, H, W).
        depthwise: (C, k, k), k odd; stride 1, "same" padding.
        dilation: its dilation.
        pointwise: (C', C).
        eps: of the batch norm.
        rectify: follow it by a ReLU.

    Returns:
        (C', B, H, W).
    """
    images = _images(x)
    # Under autocast convolutions are of half precision; it does not look into our functions.
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        images, depthwise = images.to(kind), depthwise.to(kind)
    mixed = _Depthwise.apply(images, depthwise, dilation)  # type: ignore[no-untyped-call]
    rows = _PointwiseNorm.apply(_rows(mixed.transpose(0, 1)), pointwise, eps, rectify)  # type: ignore[no-untyped-call]
    return _map(rows, x)


def _convolve(images: Tensor, weight: Tensor, dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] - 1) // 2
    return F.conv2d(images, weight[:, None], padding=padding, dilation=dilation, groups=len(weight))


def _phases(images: Tensor, dilation: int) -> Tensor:
    """Images (B, C, H, W) as dilation^2 B images of every dilation-th pixel, zeros added to fit."""
    if dilation == 1:
        return images
    *_, height, width = images.shape
    x = F.pad(images, (0, -width % dilation, 0, -height % dilation)).permute(0, 2, 3, 1)
    batch, height, width, channels = x.shape
    x = x.reshape(batch, height // dilation, dilation, width // dilation, dilation, channels)
    x = x.permute(2, 4, 0, 1, 3, 5).reshape(-1, *x.shape[1::2])
    return x.permute(0, 3, 1, 2)


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution of images (B, C, H, W) by a kernel (C, k, k).

    The library's forward kernels are fast, its gradients are not: the gradient of the input is a
    convolution by the flipped kernel; and a dilated kernel never mixes pixels of different phases,
    so the gradient of its weight is that of a dense kernel on the phases.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.dilation = dilation
        return _convolve(images, weight, dilation)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        images, weight = ctx.saved_tensors
        to_images = to_weight = None
        if ctx.needs_input_grad[0]:
            to_images = _convolve(gradient, weight.flip(1, 2), ctx.dilation)
        if ctx.needs_input_grad[1]:
            to_weight = _taps(
                _phases(images, ctx.dilation), _phases(gradient, ctx.dilation), weight.shape[-1]
            )
        return to_images, to_weight, None


def _taps(images: Tensor, gradient: Tensor, kernel: int) -> Tensor:
    """The gradient of a dense depthwise kernel, (C, k, k)."""
    channels, radius = images.shape[1], kernel // 2
    if kernel == 3:
        out: Tensor = conv2d_weight(
            images, (channels, 1, 3, 3), gradient, padding=1, groups=channels
        )
        return out[:, 0]
    # A wide kernel's taps by 3x3 blocks: the library is that much faster on 3x3 kernels.
    out = gradient.new_empty(channels, kernel, kernel)
    for top in range(0, kernel - 1, 2):
        for left in range(0, kernel - 1, 2):
            pad = (radius - left, left + 2 - radius, radius - top, top + 2 - radius)
            block = conv2d_weight(
                F.pad(images, pad), (channels, 1, 3, 3), gradient, groups=channels
            )
            out[:, top : top + 3, left : left + 3] = block[:, 0]
    return out


class _PointwiseNorm(torch.autograd.Function):
    """Batch norm without affine parameters of a 1x1 convolution, x (B, N, C) by weight (C', C).

    y = W x is never made: its mean and variance follow from those of x, so that both are one
    product with K = W / sqrt(var + eps). With means over the B N rows: S = cov(x),
    var = diag(W S W^T), and for g = dL/dy', with s = mean(g), M = cov(g, x),
    t = diag(M K^T) = mean(g y'):
        dL/dW = B N (M - t K S) / sqrt(var + eps),
        dL/dx = K^T (g - s - t y').
    The small matrices are worked out in float64. A ReLU may follow, in place.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, rectify: bool) -> Tensor:
        y, *small = _kernels.norm(x, weight, eps, rectify=rectify)
        ctx.save_for_backward(x, *small, *([y] if rectify else []))
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        to_x, to_weight = _kernels.gradients(
            gradient, *ctx.saved_tensors, needs=tuple(ctx.needs_input_grad[:2])
        )
        return to_x, to_weight, None, None


def _norm(x: Tensor, weight: Tensor, eps: float, *, rectify: bool) -> tuple[Tensor, ...]:
    """The output of `_PointwiseNorm`, and what its gradient needs."""
    mean, covariance = _mean_and_covariance(x)
    wide = weight.double()
    scale = ((wide @ covariance * wide).sum(1) + eps).rsqrt()
    matrix = wide * scale[:, None]
    dtype = torch.promote_types(x.dtype, torch.float32)
    y = (x.to(dtype) @ matrix.T.to(dtype)).sub_((matrix @ mean).to(dtype))
    return y.relu_() if rectify else y, mean, covariance, scale, matrix


def _gradients(
    gradient: Tensor,
    x: Tensor,
    mean: Tensor,
    covariance: Tensor,
    scale: Tensor,
    matrix: Tensor,
    rectified: Tensor | None = None,
    *,
    needs: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of `_PointwiseNorm`, of x and of the weight, those that are needed."""
    if rectified is not None:
        gradient = torch.ops.aten.threshold_backward(gradient, rectified, 0)
    dtype = gradient.dtype
    wide = x.to(dtype)
    s = _mean(gradient)
    m = _mean_product(gradient, wide) - s[:, None] * mean
    t = (m * matrix).sum(1)
    to_x = to_weight = None
    if needs[0]:
        back = matrix.T * t @ matrix
        shift = back @ mean - matrix.T @ s
        flat = (gradient @ matrix.to(dtype)).flatten(0, 1)
        flat.addmm_(wide.flatten(0, 1), back.to(dtype), alpha=-1).add_(shift.to(dtype))
        to_x = flat.view_as(x).to(x.dtype)
    if needs[1]:
        to_weight = m - t[:, None] * (matrix @ covariance)
        to_weight = (to_weight * scale[:, None] * x.shape[:2].numel()).to(dtype)
    return to_x, to_weight


class _Kernels:
    """The functions inside an op; they see shapes only, so a new draw never compiles anew."""

    def __init__(self) -> None:
        self.norm, self.gradients = _norm, _gradients

    def compile(self) -> None:
        self.norm, self.gradients = torch.compile(_norm), torch.compile(_gradients)


_kernels = _Kernels()


def compile_kernels() -> None:
    """From now on, in this process, run the insides of large maps' ops through torch.compile."""
    _kernels.compile()


def _mean(x: Tensor) -> Tensor:
    """The mean of the rows of x (B, N, C): (C), float64."""
    # In float32 over a sample only: an error of 1e-6 lets some ReLU or max pool of a map of a
    # million choose otherwise, and one of them is worth 1e-4 to 1e-2 of a cell's costs.
    return x.mean(1).double().mean(0)


def _mean_product(x: Tensor, y: Tensor) -> Tensor:
    """The mean of x^T y over the rows of x (B, N, C) and y (B, N, D): (C, D), float64."""
    return (x.transpose(1, 2) @ y).double().mean(0) / x.shape[1]


def _mean_and_covariance(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (C) and covariance (C, C) of the rows of x (B, N, C), float64."""
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = _mean(x)
    return mean, _mean_product(x, x) - mean[:, None] * mean


class _Norm(torch.autograd.Function):
    """Batch norm without affine parameters of x (B, N, C).

    The library's own adds channels-last maps up in float32, a row after the other.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> Tensor:
        mean, covariance = _mean_and_covariance(x)
        scale = (covariance.diagonal() + eps).rsqrt()
        shift, scale = (-mean * scale).to(x.dtype), scale.to(x.dtype)
        y = torch.addcmul(shift, x, scale)
        ctx.save_for_backward(y, scale)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        y, scale = ctx.saved_tensors
        s, t = _mean(gradient), _mean_product(gradient, y).diagonal()
        out = torch.addcmul((-s * scale).to(y.dtype), gradient, scale)
        return out.addcmul_(y, (-t * scale).to(y.dtype)), None


def pointwise(x: Tensor, weight: Tensor) -> Tensor:
    """1x1 convolution of x (C, B, H, W) by weight (C', C)."""
    return _map(_rows(x) @ weight.T, x)


def batch_norm(
    x: Tensor, eps: float, scale: Tensor | None = None, shift: Tensor | None = None
) -> Tensor:
    """Batch norm by the statistics of the batch itself.

    There are no running averages: those of a supernet would mix the statistics of many wirings, and
    the conservation laws hold for batch statistics.

    Args:
        x: (C, B, H, W).
        eps: added to the variance.
        scale: (C), of the affine transformation after it.
        shift: (C), likewise.
    """
    # Under autocast x may be of half precision; statistics and node sums must not be.
    rows = _rows(x.to(torch.promote_types(x.dtype, torch.float32)))
    out: Tensor = _Norm.apply(rows, eps)  # type: ignore[no-untyped-call]
    if scale is not None and shift is not None:
        out = torch.addcmul(shift, out, scale)
    return _map(out, x)


def stem(images: Tensor, weight: Tensor) -> Tensor:
    """The stem's 3x3 convolution, images (B, C, H, W) by weight (C', C, 3, 3): (C', B, H, W)."""
    images = images.contiguous(memory_format=torch.channels_last)
    return F.conv2d(images, weight, padding=1).transpose(0, 1)


def max_pool(x: Tensor) -> Tensor:
    """3x3 max pool, stride 1, padding 1, of (C, B, H, W)."""
    return F.max_pool2d(_images(x), 3, stride=1, padding=1).transpose(0, 1)


@lru_cache(maxsize=16)
def _shares(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """1 / number of pixels under a 3x3 window, (H, W)."""
    ones = torch.ones(1, 1, height, width, dtype=dtype)
    return 1 / F.conv2d(ones, torch.ones(1, 1, 3, 3, dtype=dtype), padding=1)[0, 0].to(device)


@lru_cache(maxsize=16)
def _box(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.ones(channels, 3, 3, device=device, dtype=dtype)


def avg_pool(x: Tensor) -> Tensor:
    """3x3 average pool, stride 1, padding 1 that is not counted, of (C, B, H, W)."""
    height, width = x.shape[-2:]
    # A sum by convolution, then a division: several times faster than the pooling kernel.
    total = _convolve(_images(x), _box(len(x), x.device, x.dtype), 1)
    return total.transpose(0, 1) * _shares(height, width, x.device, x.dtype)


def concatenate(maps: list[Tensor]) -> Tensor:
    """Maps (C, B, H, W) one after the other along the channels."""
    return torch.cat([_images(x) for x in maps], 1).transpose(0, 1)


def shuffle(x: Tensor, groups: int) -> Tensor:
    """A map (C, B, H, W) with the channels of its groups interleaved.

    Channel g C/groups + r goes to r groups + g: of each run of `groups` channels afterwards the
    first is one of the first group's.
    """
    rows = _rows(x).unflatten(2, (groups, len(x) // groups))
    return _map(rows.transpose(2, 3).flatten(2), x)


def average(x: Tensor) -> Tensor:
    """Global average pool of (C, B, H, W): (B, C)."""
    # Summed over rows so that the gradient has its channels last, too.
    return _rows(x).mean(1)


def weighted_dots(
    direct: Tensor | None, path: Tensor | None, outputs: Sequence[Tensor], weights: Tensor
) -> Tensor:
    """Sums of weight * gradient * output over samples, channels and pixels.

    Args:
        direct: the first gradient, (C, B, H, W); None is 0.
        path: the second one.
        outputs: K maps (C, B, H, W).
        weights: (M, B), M weightings of the samples.

    Returns:
        (K, 2, M), float64.
    """
    parts = [part for part in (direct, path) if part is not None]
    gradients = torch.cat([_pieces(part) for part in parts], 1)
    # Once through each output for both; the weights come after the pixels.
    dots = torch.stack([torch.bmm(gradients, _pieces(out).mT)[..., 0] for out in outputs])
    dots = dots.reshape(len(outputs), weights.shape[1], -1, len(parts)).double().sum(2)
    sums = dots.mT @ weights.double().T
    if len(parts) == 2:
        return sums
    none = torch.zeros_like(sums)
    return torch.cat([none, sums] if direct is None else [sums, none], 1)


def _pieces(x: Tensor) -> Tensor:
    """A large map (C, B, H, W) in pieces of whole rows of pixels, (B pieces, 1, numbers).

    A product of two pieces is added up in float32: of some thousand numbers, not of a whole map's.
    Mixed precision gives some maps in bfloat16.
    """
    channels, _, height, width = x.shape
    fitting = [n for n in range(1, height + 1) if not height % n and n * width * channels <= PIECE]
    rows = max(fitting, default=1)
    pieces = x.permute(1, 2, 3, 0).reshape(-1, 1, rows * width * channels)
    return pieces.to(torch.promote_types(x.dtype, torch.float32))
