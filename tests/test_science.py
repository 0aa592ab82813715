"""The laws as docs/science.md states them, by autograd alone, in float64."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmarks import plain
from wiring.config import SpaceConfig
from wiring.methods.protocol import Context, load_method
from wiring.space import Candidates, Supernet

BATCH, CLASSES = 8, 5
SKIP = SpaceConfig().ops.index("skip_connect")


def intermediate(space: SpaceConfig) -> list[int]:
    return [row for row, edge in enumerate(space.edges) if edge.source >= 2]


def one_hot(space: SpaceConfig, columns: list[int]) -> Tensor:
    return F.one_hot(torch.tensor(columns), len(space.ops)).double()


def measure(space: SpaceConfig, gates: Tensor, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Costs (cells, edges, ops), mean loss and mean entropy of a random supernet and batch."""
    generator = torch.Generator().manual_seed(seed)
    net = Supernet(space, 2, CLASSES, generator, 1e-12).double()
    x = torch.randn(BATCH, 2, 8, 8, generator=generator).double()
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    z = gates.expand(space.cells, -1, -1).clone().requires_grad_()
    log_p = plain.forward(net, x, z).log_softmax(1)
    loss, entropy = F.nll_loss(log_p, labels), -(log_p.exp() * log_p).sum(1).mean()
    (cost,) = torch.autograd.grad(loss, z)
    return cost, loss.detach(), entropy.detach()


def random_gates(space: SpaceConfig, seed: int, *, mixture: bool) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    return alpha.softmax(1) if mixture else one_hot(space, alpha.argmax(1).tolist())


@pytest.mark.parametrize("mixture", [True, False], ids=["mixture", "one-hot"])
@pytest.mark.parametrize("cells", [1, 3])
@pytest.mark.parametrize("nodes", [2, 4])
def test_credit_less_that_of_inner_skips_is_the_gap(nodes: int, cells: int, mixture: bool) -> None:
    space = SpaceConfig(cells=cells, nodes=nodes, channels=3)
    for seed in range(3):
        gates = random_gates(space, seed, mixture=mixture)
        cost, loss, entropy = measure(space, gates, seed)
        skips = (gates * cost)[:, intermediate(space), SKIP].sum(1)
        own = (gates * cost).sum((1, 2)) - skips
        assert own[:-1].abs().sum() < 1e-9  # a cell before the last only redistributes
        assert abs(own[-1] - (loss - entropy)) < 1e-9
    assert not mixture or skips.abs().max() > 1e-4  # it is no law without that term


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 7), min_size=5, max_size=5), st.integers(0, 99))
def test_some_kept_edge_pays_while_the_gap_is_positive(columns: list[int], seed: int) -> None:
    space = SpaceConfig(cells=3, nodes=2, channels=2)
    gates = one_hot(space, columns)
    cost, loss, entropy = measure(space, gates, seed)
    credit = (gates * cost).sum((0, 2))
    if loss - entropy > 1e-6:
        assert credit.max() > 0


@pytest.mark.parametrize("edge", range(5))
def test_the_last_kept_edge_has_all_the_credit(edge: int) -> None:
    space = SpaceConfig(cells=3, nodes=2, channels=3)
    gates = one_hot(space, [4 if row == edge else 0 for row in range(5)])
    cost, loss, entropy = measure(space, gates)
    assert abs((gates * cost).sum() - (loss - entropy)) < 1e-9
    if edge in intermediate(space):
        assert [float(loss), float(entropy)] == pytest.approx([math.log(CLASSES)] * 2)
    else:
        assert abs(loss - entropy) > 1e-4


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_an_empty_network(cells: int) -> None:
    space = SpaceConfig(cells=cells, nodes=2, channels=3)
    cost, loss, entropy = measure(space, one_hot(space, [0] * 5))
    assert float(loss) == pytest.approx(math.log(CLASSES), rel=1e-14)
    assert float(entropy) == pytest.approx(math.log(CLASSES), rel=1e-14)
    assert cost[..., 0].abs().max() == 0
    assert (cost.abs().max() == 0) == (cells >= 3)
    assert cells == 1 or cost[:-1].abs().max() == 0


@settings(deadline=None)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=6))
def test_a_correct_sample_has_loss_at_most_its_entropy(logits: list[float]) -> None:
    log_p = torch.tensor(logits).double().log_softmax(0)
    assert -log_p.max() <= -(log_p.exp() * log_p).sum() + 1e-12


def test_a_wrong_sample_may_have_either_sign() -> None:
    for p, sign in (((0.40, 0.35, 0.25), -1), ((0.90, 0.05, 0.05), 1)):
        log_p = torch.tensor(p).double().log()
        gap = -log_p[1] + (log_p.exp() * log_p).sum()
        assert gap * sign > 0


def test_the_gap_is_the_derivative_by_the_scale_of_the_logits() -> None:
    generator = torch.Generator().manual_seed(0)
    z = 3 * torch.randn(BATCH, CLASSES, generator=generator).double()
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(scale * z, labels)
    (slope,) = torch.autograd.grad(loss, scale)
    log_p = z.log_softmax(1)
    gap = loss + (log_p.exp() * log_p).sum(1).mean()
    assert float(slope) == pytest.approx(float(gap.detach()), rel=1e-12)


# The dose


@pytest.mark.parametrize("name", ["dsnas", "darts"])
def test_none_is_pushed_by_its_probability_times_the_edges_credit(name: str) -> None:
    """g(none) = -P(none) R in every step, whatever the costs are."""
    space = SpaceConfig(cells=3, nodes=3, channels=2)
    candidates, method = Candidates.of(space, torch.device("cpu")), load_method(name)
    generator = torch.Generator().manual_seed(0)
    dropped = 0
    for seed in range(6):
        alpha = torch.randn(len(space.edges), 8, generator=generator).double()
        draw = method.draw(alpha, candidates, generator, Context())
        cost = measure(space, draw.gates, seed)[0].sum(0)
        gradient = method.gradient(alpha, candidates, draw, cost, Context())
        credit = (draw.gates * cost).sum(1)
        assert torch.allclose(gradient[:, 0], -alpha.softmax(1)[:, 0] * credit, atol=1e-12)
        dropped += int((draw.gates[:, 0] == 1).sum())
    assert (dropped > 0) == (name == "dsnas")


def test_proxylessnas_charges_what_is_not_taken() -> None:
    """An edge whose open op is none has no credit, and is pushed all the same."""
    space = SpaceConfig(cells=3, nodes=2, channels=2)
    candidates, method = Candidates.of(space, torch.device("cpu")), load_method("proxylessnas")
    generator = torch.Generator().manual_seed(1)
    alpha = torch.zeros(5, 8, dtype=torch.float64)
    for seed in range(40):
        draw = method.draw(alpha, candidates, generator, Context())
        cost = measure(space, draw.gates, seed)[0].sum(0)
        gradient = method.gradient(alpha, candidates, draw, cost, Context())
        for row, ops in enumerate(draw.active):
            if draw.gates[row, 0] == 1 and len(ops) == 2 and abs(gradient[row, 0]) > 1e-6:
                return
    pytest.fail("no edge without credit was pushed")


def test_the_standardised_gap_is_the_mean_drift_weighted_by_its_noise() -> None:
    """By every wiring of one cell: sum of E[R] is E[gap], and each drift is at most 1."""
    space = SpaceConfig(cells=1, nodes=2, channels=3, ops=("none", "sep_conv_3x3"))
    credits, gaps = [], []
    for columns in product((0, 1), repeat=5):
        gates = one_hot(space, list(columns))
        cost, loss, entropy = measure(space, gates)
        credits.append((gates * cost).sum((0, 2)))
        gaps.append(loss - entropy)
    credit = torch.stack(credits)
    noise = credit.square().mean(0).sqrt()
    drift = credit.mean(0) / noise
    assert drift.abs().max() <= 1
    gap = torch.stack(gaps).mean() / noise.sum()
    assert float((noise * drift).sum() / noise.sum()) == pytest.approx(float(gap), rel=1e-8)
    # As it is recorded: over the wirings that take the op, its mean and variance, and P(op) = 1/2.
    taken = torch.tensor(list(product((0, 1), repeat=5)), dtype=torch.bool)
    for edge in range(5):
        own = credit[taken[:, edge], edge]
        square = 0.5 * (own.mean() ** 2 + own.var(unbiased=False))
        assert float(square.sqrt()) == pytest.approx(float(noise[edge]), rel=1e-12)


@settings(deadline=None)
@given(st.floats(0.01, 0.99), st.lists(st.floats(-3, 3), min_size=2, max_size=6))
def test_a_dropped_edge_drifts_by_the_root_of_its_probability(p: float, costs: list[float]) -> None:
    """An op sampled once in a while is paid so: the drift is sqrt(1 - P(none)) times its own."""
    cost = torch.tensor(costs).double()
    own = cost.mean() / cost.square().mean().sqrt().clamp(min=1e-300)
    first, second = (1 - p) * cost.mean(), (1 - p) * cost.square().mean()
    drift = first / second.sqrt().clamp(min=1e-300)
    assert float(drift) == pytest.approx(math.sqrt(1 - p) * float(own), abs=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 999))
def test_the_gap_is_the_credit_of_all_that_is_kept(cells: int, nodes: int, seed: int) -> None:
    """Over random spaces: without skip on intermediate edges the kept edges' R sum to the gap."""
    chosen = SpaceConfig(cells=cells, nodes=nodes, channels=2)
    generator = torch.Generator().manual_seed(seed)
    columns = torch.randint(8, (len(chosen.edges),), generator=generator)
    inner = torch.tensor([edge.source >= 2 for edge in chosen.edges])
    columns[inner & (columns == SKIP)] = 0
    gates = one_hot(chosen, columns.tolist())
    cost, loss, entropy = measure(chosen, gates, seed)
    credit = (gates * cost).sum((0, 2))
    assert abs(credit.sum() - (loss - entropy)) < 1e-8
    assert (credit[columns == 0] == 0).all()
    if loss - entropy > 1e-6:
        assert credit[columns != 0].max() > 0
