"""The supernet against the plain one, op by op, in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plain
from tests.strategies import spaces
from wiring.config import OPS, SpaceConfig
from wiring.methods.common import one_hot
from wiring.methods.darts import DARTS
from wiring.methods.dsnas import DSNAS
from wiring.space import Candidates, Draw, Supernet, plan_of, spatial

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
    st.sampled_from([6, 11, 12]),
    st.integers(0, 2**16),
)
def test_outputs_and_gradients_equal_the_plain_twin(
    space: SpaceConfig, kind: str, size: int, seed: int
) -> None:
    # 6x6 takes the matrix path of depthwise, 12x12 the phased and 11x11 the dilated convolutions.
    net, x = make(space, seed), images(size, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    candidates = Candidates.of(space, CPU)
    method = DARTS() if kind == "mixture" else DSNAS()
    draw = method.draw(alpha, candidates, generator)
    direction = torch.randn(4, 5, generator=generator).double()

    def gradients(logits: torch.Tensor) -> list[torch.Tensor]:
        found = torch.autograd.grad(
            (logits * direction).sum(), list(net.parameters()), allow_unused=True
        )
        return [
            torch.zeros_like(p) if g is None else g
            for p, g in zip(net.parameters(), found, strict=True)
        ]

    fast, slow = net(net.embed(x), draw), plain.forward(net, x, draw.gates)
    torch.testing.assert_close(fast, slow, rtol=1e-10, atol=1e-10)
    for (name, _), a, b in zip(
        net.named_parameters(), gradients(fast), gradients(slow), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("shape", [(8, 8), (5, 7), (12, 16), (13, 11)])
@pytest.mark.parametrize("per_slot", [False, True])
def test_depthwise_equals_conv2d(shape: tuple[int, int], per_slot: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    kinds = [(3, 1), (5, 1), (3, 2), (5, 2)]
    weights = [torch.randn(3, k, k, generator=generator).double() for k, _ in kinds]
    x = torch.randn(*([4] if per_slot else []), 3, 2, *shape, generator=generator).double()
    out = spatial.depthwise(x, weights, [d for _, d in kinds])
    for slot, ((k, d), w) in enumerate(zip(kinds, weights, strict=True)):
        source = (x[slot] if per_slot else x).transpose(0, 1)
        expected = F.conv2d(source, w[:, None], padding=d * (k - 1) // 2, dilation=d, groups=3)
        torch.testing.assert_close(out[slot].transpose(0, 1), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [8, 16])
def test_average_pool_does_not_count_padding(size: int) -> None:
    x = images(size)
    expected = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(spatial.avg_pool(x), expected, rtol=1e-12, atol=1e-12)


def test_a_sampled_op_is_the_only_one_evaluated() -> None:
    space = SpaceConfig(cells=1, nodes=2, channels=2)
    net = make(space)
    column = OPS.index("sep_conv_5x5")
    draw = one_hot(torch.full((5,), column), torch.zeros(5, 8, dtype=torch.float64))
    net(net.embed(images(8)), draw).sum().backward()
    touched = {name for name, p in net.named_parameters() if p.grad is not None}
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
    assert space.edges[:5] == ("0-2", "1-2", "0-3", "1-3", "2-3")


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
