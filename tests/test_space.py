"""The supernet against the plain one, op by op, in float64."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain
from tests.strategies import spaces
from wiring.config import OPS, SpaceConfig
from wiring.measure import measure
from wiring.methods.common import one_hot
from wiring.methods.darts import DARTS
from wiring.methods.dsnas import DSNAS
from wiring.methods.protocol import Context
from wiring.space import Candidates, Draw, Supernet, kernels, plan_of, spatial

CPU = torch.device("cpu")


def make(space: SpaceConfig, seed: int = 0, eps: float = 1e-5) -> Supernet:
    return Supernet(space, 2, 5, torch.Generator().manual_seed(seed), eps).double()


def images(size: int, batch: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 2, size, size, generator=generator, dtype=torch.float64)


@settings(deadline=None, max_examples=60)
@given(
    spaces(),
    st.sampled_from(["mixture", "one-hot"]),
    st.sampled_from([6, 17, 18]),
    st.integers(0, 2**16),
)
def test_outputs_and_gradients_equal_the_plain_twin(
    space: SpaceConfig, kind: str, size: int, seed: int
) -> None:
    # 6x6 is a small map; 18x18 and 17x17 are large: even and odd phases of dilated kernels.
    net, x = make(space, seed), images(size, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    candidates = Candidates.of(space, CPU)
    method = DARTS() if kind == "mixture" else DSNAS()
    draw = method.draw(alpha, candidates, generator, Context())
    direction = torch.randn(4, 5, generator=generator).double()

    def gradients(logits: torch.Tensor) -> list[torch.Tensor]:
        net.gradient.zero_()
        (logits * direction).sum().backward()
        return [p.grad.clone() for p in net.parameters()]

    fast, slow = net(net.embed(x), draw), plain.forward(net, x, draw.gates)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    for (name, _), a, b in zip(
        net.named_parameters(), gradients(fast), gradients(slow), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


KERNELS = [(3, 1), (5, 1), (3, 2), (5, 2)]
LAST = {"memory_format": torch.channels_last}


def convolve(x: torch.Tensor, weight: torch.Tensor, dilation: int) -> torch.Tensor:
    """Images (B, C, H, W) by (C, k, k), as PyTorch does it."""
    padding = dilation * (weight.shape[-1] - 1) // 2
    return F.conv2d(x, weight[:, None], padding=padding, dilation=dilation, groups=x.shape[1])


def small_map(shape: tuple[int, int], channels: int = 3, batch: int = 2) -> torch.Tensor:
    """Images (B, C, H, W) that are no images."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, *shape, generator=generator).double()


def flat(images: torch.Tensor) -> torch.Tensor:
    """Images (B, C, H, W) as a small map (C, P, B)."""
    return images.permute(1, 2, 3, 0).flatten(1, 2).contiguous()


SHAPES = [(8, 8), (5, 7), (6, 5), (1, 4), (2, 2), (10, 10)]


@settings(deadline=None, max_examples=40)
@given(spaces(), st.sampled_from(["mixture", "one-hot"]), st.integers(0, 2**16))
def test_the_weights_that_learn_are_those_that_autograd_reaches(
    space: SpaceConfig, kind: str, seed: int
) -> None:
    net, x = make(space, seed), images(18, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    method = DARTS() if kind == "mixture" else DSNAS()
    draw = method.draw(alpha, Candidates.of(space, CPU), generator, Context())
    weights = list(net.parameters())
    reached = torch.autograd.grad(net(net.embed(x), draw).sum(), weights, allow_unused=True)
    parts = torch.zeros_like(net.weights, dtype=torch.bool)
    for part in net.learning(draw):
        assert not parts[part].any()
        parts[part] = True
    for weight, slope, own in zip(
        weights, reached, parts.split([w.numel() for w in weights]), strict=True
    ):
        assert own.all() == own.any() == (slope is not None), weight.shape


def padded(x: torch.Tensor, margin: int, fill: float = 0.0) -> np.ndarray:
    """A channel (H, W, B) as the kernels want it: `margin` pixels before and after each row."""
    height, width, batch = x.shape
    to = np.full(height * (width + 2 * margin) * batch, np.nan)
    run = width * batch
    kernels._pad(to, x.numpy().reshape(-1), height, run, margin * batch, fill, False)
    return to


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kernel", "dilation"), KERNELS)
def test_small_depthwise_equals_conv2d_and_its_gradient(
    shape: tuple[int, int], kernel: int, dilation: int
) -> None:
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(1, kernel, kernel, generator=generator).double().requires_grad_()
    x = small_map(shape, channels=1)
    rows, run = shape[0], shape[1] * 2
    channel = padded(flat(x)[0].view(*shape, 2), dilation * (kernel // 2))
    out = np.zeros(rows * run)
    taps = weight.detach().numpy().reshape(-1)
    kernels._convolve(out, channel, taps, kernel, dilation, rows, run, 2)
    expected = convolve(x, weight, dilation)
    close = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(torch.from_numpy(out), flat(expected.detach())[0].view(-1), **close)
    direction = small_map(shape, channels=1).flip(0)
    (slope,) = torch.autograd.grad(expected, weight, direction)
    found = np.zeros(kernel**2)
    g = flat(direction)[0].view(-1).numpy()
    kernels._kernel_slopes(found, g, channel, kernel, dilation, rows, run, 2, np.empty(run))
    torch.testing.assert_close(torch.from_numpy(found), slope.view(-1), **close)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("plateaus", [False, True])
def test_small_max_pool_and_its_gradient_equal_the_library(
    shape: tuple[int, int], plateaus: bool
) -> None:
    """On plateaus, too, where which of equal values gets the gradient is a matter of order."""
    x = small_map(shape, channels=1)
    x = (x.round() if plateaus else x).requires_grad_()
    expected = F.max_pool2d(x, 3, 1, 1)
    direction = small_map(shape, channels=1).flip(0)
    (slope,) = torch.autograd.grad(expected, x, direction)
    rows, run = shape[0], shape[1] * 2
    channel = padded(flat(x.detach())[0].view(*shape, 2), 1, -np.inf)
    out, winner, back = np.zeros((3, rows * run))
    kernels._max_pool(out, winner, channel, rows, run, 2)
    assert torch.equal(torch.from_numpy(out), flat(expected.detach())[0].view(-1))
    g = flat(direction)[0].view(-1).numpy()
    kernels._max_pool_back(back, winner, g, rows, run, 2, channel)
    torch.testing.assert_close(
        torch.from_numpy(back), flat(slope)[0].view(-1), rtol=1e-12, atol=1e-12
    )


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), st.integers(0, 2**16))
def test_a_fold_is_the_sum(size: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal(size)
    assert np.isclose(kernels._fold(x.copy(), size), x.sum(), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 1100), st.integers(0, 2**16))
def test_a_product_of_channels_is_numpys(
    leaving: int, entering: int, pixels: int, seed: int
) -> None:
    """Above and below the inputs and the numbers that are taken at a time."""
    random = np.random.default_rng(seed)
    weights, x = random.standard_normal((leaving, entering)), random.random((entering, pixels))
    for step_out, step_in, matrix in [(entering, 1, weights), (1, leaving, weights.T)]:
        flat_weights = np.ascontiguousarray(matrix).reshape(-1)
        to = np.ones(leaving * pixels)
        kernels._mix(to, flat_weights, leaving, entering, step_out, step_in, x.reshape(-1), pixels)
        assert np.allclose(to.reshape(leaving, pixels), 1 + weights @ x, rtol=1e-12, atol=1e-12)


def same_gradients(
    out: torch.Tensor,
    expected: torch.Tensor,
    inputs: Sequence[torch.Tensor],
    generator: torch.Generator,
    rtol: float,
    atol: float,
) -> None:
    """Both outputs hand a drawn gradient back to the inputs alike."""
    direction = torch.randn(out.shape, generator=generator).double()
    for ours, theirs in zip(
        torch.autograd.grad(out, inputs, direction),
        torch.autograd.grad(expected, inputs, direction),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol)


@pytest.mark.parametrize("shape", [(12, 16), (13, 11), (12, 13)])
@pytest.mark.parametrize(("kernel", "dilation"), [*KERNELS, (7, 1), (3, 3)])
def test_large_depthwise_equals_conv2d_and_its_gradients(
    shape: tuple[int, int], kernel: int, dilation: int
) -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 3, *shape, generator=generator).double().contiguous(**LAST)
    weight = torch.randn(3, kernel, kernel, generator=generator).double()
    inputs = (images.requires_grad_(), weight.requires_grad_())
    out = spatial._Depthwise.apply(*inputs, dilation)
    expected = convolve(*inputs, dilation)
    torch.testing.assert_close(out, expected, rtol=1e-12, atol=1e-12)
    same_gradients(out, expected, inputs, generator, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("channels", [(3, 3), (5, 2)])
def test_pointwise_and_norm_in_one_equal_the_two(channels: tuple[int, int], rectify: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    entering, leaving = channels
    x = 2 + torch.randn(4, 100, entering, generator=generator).double()
    weight = torch.randn(leaving, entering, generator=generator).double()
    inputs = (x.requires_grad_(), weight.requires_grad_())
    product = x @ weight.T
    mean, covariance = spatial._mean_and_covariance(x)
    close = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(weight @ mean, product.mean((0, 1)), **close)
    variance = (weight @ covariance @ weight.T).diagonal()
    torch.testing.assert_close(variance, product.var((0, 1), unbiased=False), **close)
    flat = F.batch_norm(product.flatten(0, 1), None, None, training=True, eps=1e-3)
    expected = flat.view_as(product)
    expected = expected.relu() if rectify else expected
    out = spatial._PointwiseNorm.apply(*inputs, 1e-3, rectify)
    torch.testing.assert_close(out, expected, **close)
    same_gradients(out, expected, inputs, generator, **close)


@pytest.mark.parametrize("affine", [False, True])
def test_batch_norm_equals_the_library(affine: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    x = 2 + torch.randn(3, 4, 9, 7, generator=generator).double()
    inputs = [x.requires_grad_()]
    if affine:
        inputs += [torch.randn(3, generator=generator).double().requires_grad_() for _ in range(2)]
    out = spatial.batch_norm(inputs[0], 1e-3, *inputs[1:])
    images, *transformation = inputs
    expected = F.batch_norm(
        images.transpose(0, 1), None, None, *transformation, training=True, eps=1e-3
    ).transpose(0, 1)
    close = {"rtol": 1e-10, "atol": 1e-10}
    torch.testing.assert_close(out, expected, **close)
    same_gradients(out, expected, inputs, generator, **close)


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_float32_statistics_of_large_maps_are_exact_to_its_rounding(offset: float) -> None:
    # The library's batch norm of maps with their channels last is off by 6e-5 here: rows added up
    # one after the other. A ReLU that so chooses otherwise is worth up to 1e-2 of a cell's costs.
    generator = torch.Generator().manual_seed(1)
    x = offset + torch.randn(16, 96, 32, 32, generator=generator)
    weight = torch.randn(8, 16, generator=generator)
    norm = spatial.batch_norm(x, 1e-5)
    torch.testing.assert_close(
        norm, spatial.batch_norm(x.double(), 1e-5).float(), rtol=0, atol=3e-6
    )
    rows = spatial._rows(x)
    both = [
        spatial._PointwiseNorm.apply(r, w, 1e-5, False).float()
        for r, w in ((rows, weight), (rows.double(), weight.double()))
    ]
    torch.testing.assert_close(*both, rtol=0, atol=1e-5)


@pytest.mark.parametrize("missing", [None, 0, 1])
def test_weighted_dots_equal_the_sum_written_out(missing: int | None) -> None:
    generator = torch.Generator().manual_seed(1)
    shape = (3, 4, 6, 6)
    maps = [torch.randn(shape, generator=generator).double() for _ in range(2)]
    outputs = [torch.randn(shape, generator=generator).double() for _ in range(3)]
    weights = torch.rand(5, 4, generator=generator).double()
    known = [None if i == missing else m for i, m in enumerate(maps)]
    both = torch.stack([torch.zeros_like(m) if i == missing else m for i, m in enumerate(maps)])
    expected = torch.einsum("gcbhw,kcbhw,mb->kgm", both, torch.stack(outputs), weights)
    large = [None if m is None else spatial.dense(m) for m in known]
    found = spatial.weighted_dots(*large, [spatial.dense(out) for out in outputs], weights)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("draw_from", ["mixture", "one-hot"])
@pytest.mark.parametrize("size", [8, 18])
def test_frozen_weights_get_no_gradient_and_costs_stay(draw_from: str, size: int) -> None:
    net, x = make(SpaceConfig(cells=2, nodes=2, channels=2)), images(size)
    alpha = torch.zeros(5, 8, dtype=torch.float64)
    candidates = Candidates.of(net.space, CPU)
    method = DARTS() if draw_from == "mixture" else DSNAS()
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(3), Context())
    with net.frozen():
        stem = net.embed(x).requires_grad_()
        net(stem, draw).square().sum().backward()
    assert not net.gradient.any()
    assert all(p.requires_grad for p in net.parameters())
    twin = net.embed(x)
    (expected,) = torch.autograd.grad(net(twin, draw).square().sum(), twin)
    torch.testing.assert_close(stem.grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [8, 18])
def test_costs_are_the_same_where_no_weight_learns(size: int) -> None:
    """There the way back ends earlier: nothing asks for the gradient of the stem."""
    net, x = make(SpaceConfig(cells=3, nodes=2, channels=2)), images(size)
    draw = DARTS().evaluation(torch.zeros(5, 8, dtype=torch.float64), Candidates.of(net.space, CPU))
    costs = []
    for weights in (False, True):
        costs.append(measure(net, x, torch.arange(4), draw, weights=weights).cost)
        assert all(bool(p.grad.any()) == weights for p in net.parameters())
        net.gradient.zero_()
    frozen, learning = costs
    torch.testing.assert_close(frozen, learning, rtol=1e-12, atol=1e-12)
    assert (frozen[..., 1:] != 0).all()


@pytest.mark.parametrize("size", [4, 8, 18])
def test_average_pool_does_not_count_padding(size: int) -> None:
    x = images(size)
    expected = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(spatial.avg_pool(x), expected, rtol=1e-12, atol=1e-12)
    channel, out = padded(x[:, 0].permute(1, 2, 0).contiguous(), 1), np.zeros(size * size * 4)
    kernels._add_nine(out, channel, size, size * 4, 4)
    kernels._average(out, size, size * 4, 4)
    twin = expected[:, 0].permute(1, 2, 0).reshape(-1)
    torch.testing.assert_close(torch.from_numpy(out), twin, rtol=1e-12, atol=1e-12)


def test_a_sampled_op_is_the_only_one_evaluated() -> None:
    space = SpaceConfig(cells=1, nodes=2, channels=2)
    net = make(space)
    column = OPS.index("sep_conv_5x5")
    draw = one_hot(torch.full((5,), column), torch.zeros(5, 8, dtype=torch.float64))
    net(net.embed(images(8)), draw).sum().backward()
    touched = {name for name, p in net.named_parameters() if p.grad.any()}
    assert {n.split(":")[1].split(".")[0] for n in touched if ":" in n} == {"sep_conv_5x5"}


def test_none_everywhere_is_a_constant() -> None:
    net = make(SpaceConfig(cells=2, nodes=2, channels=2))
    draw = one_hot(torch.zeros(5).long(), torch.zeros(5, 8, dtype=torch.float64))
    assert not plan_of(net.space, draw.active).slots
    assert torch.equal(net(net.embed(images(8)), draw), torch.zeros(4, 5, dtype=torch.float64))


@pytest.mark.parametrize(("nodes", "edges"), [(2, 5), (4, 14)])
def test_edges_of_the_minimal_and_the_full_cell(nodes: int, edges: int) -> None:
    space = SpaceConfig(nodes=nodes)
    assert len(space.edges) == edges
    assert [str(edge) for edge in space.edges[:5]] == ["0-2", "1-2", "0-3", "1-3", "2-3"]


def test_parameter_count_follows_from_the_definitions() -> None:
    c = 16
    net = Supernet(SpaceConfig(cells=8, nodes=2, channels=c), 3, 10)
    edge = 2 * (9 * c + c * c) + (9 * c + c * c) + (25 * c + c * c) + 2 * (25 * c + c * c)
    preprocess = c * (3 * c + 3 * c) + c * (3 * c + 2 * c) + 6 * c * (2 * c + 2 * c)
    stem = 3 * c * (3 * 9) + 2 * 3 * c
    assert sum(p.numel() for p in net.parameters()) == stem + 8 * 5 * edge + preprocess + 10 * 2 * c


def test_gates_of_inactive_ops_do_not_count() -> None:
    net, x = make(SpaceConfig(cells=1, nodes=1, channels=2)), images(8)
    gates = torch.zeros(2, 8, dtype=torch.float64)
    gates[:, 4], gates[:, 1] = 0.5, 0.25
    both = Draw(gates, ((1, 4), (1, 4)))
    wide = Draw(gates, (tuple(range(8)),) * 2)
    torch.testing.assert_close(
        net(net.embed(x), both), net(net.embed(x), wide), rtol=1e-12, atol=1e-12
    )


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_kernels_equal_the_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = make(SpaceConfig(cells=1, nodes=2, channels=2)), images(18)
    draw = DARTS().evaluation(torch.zeros(5, 8, dtype=torch.float64), Candidates.of(net.space, CPU))

    def outputs() -> list[torch.Tensor]:
        logits = net(net.embed(x), draw)
        return [logits, *torch.autograd.grad(logits.square().sum(), list(net.parameters()))]

    eager = outputs()
    monkeypatch.setattr(spatial, "_kernels", spatial._Kernels())
    spatial.compile_kernels()
    for ours, theirs in zip(outputs(), eager, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
