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
from wiring.methods.dsnas import DSNAS
from wiring.methods.protocol import Context, load_method
from wiring.methods.proxylessnas import ProxylessNAS
from wiring.space import Candidates, Draw, Supernet

BATCH, CLASSES = 8, 5
SKIP = SpaceConfig().ops.index("skip_connect")


def intermediate(space: SpaceConfig) -> list[int]:
    return [row for row, edge in enumerate(space.edges) if edge.source >= 2]


def one_hot(space: SpaceConfig, columns: list[int]) -> Tensor:
    return F.one_hot(torch.tensor(columns), len(space.ops)).double()


def measure(space: SpaceConfig, gates: Tensor, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Costs (cells, edges, ops), mean loss and mean entropy of a random supernet and batch."""
    generator = torch.Generator().manual_seed(seed)
    return measure_net(Supernet(space, 2, CLASSES, generator, 1e-12).double(), gates, generator)


def measure_net(
    net: Supernet, gates: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """The same of a supernet that is there, on the batch that the generator gives next."""
    x = torch.randn(BATCH, 2, 8, 8, generator=generator).double()
    labels = torch.randint(CLASSES, (BATCH,), generator=generator)
    z = gates.expand(net.space.cells, -1, -1).clone().requires_grad_()
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


# What is not taken

CONVS = [column for column, op in enumerate(SpaceConfig().ops) if "conv" in op]


@settings(deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 7), min_size=5, max_size=5), st.integers(0, 99))
def test_no_law_binds_what_is_not_taken(columns: list[int], seed: int) -> None:
    """Another sign of an op's last kernel: the same network, and the op's cost negated."""
    space = SpaceConfig(cells=2, nodes=2, channels=2)
    gates = one_hot(space, columns)

    def costs(flipped: dict[tuple[int, int, int], bool]) -> tuple[Tensor, Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        net = Supernet(space, 2, CLASSES, generator).double()  # with the usual epsilon
        for (cell, row, column), turn in flipped.items():
            conv = net.cells[cell].convs[f"{space.edges[row]}:{space.ops[column]}"]
            with torch.no_grad():
                conv.pointwise[-1].mul_(-1 if turn else 1)
        return measure_net(net, gates, generator)

    untaken = [
        (cell, row, column)
        for cell in range(space.cells)
        for row in range(len(space.edges))
        for column in CONVS
        if column != columns[row]
    ]
    cost, loss, entropy = costs({})
    # Each untaken convolution is made to cost at most 0, whatever the gap.
    other, same_loss, same_entropy = costs({place: bool(cost[place] > 0) for place in untaken})
    assert (float(loss), float(entropy)) == (float(same_loss), float(same_entropy))
    torch.testing.assert_close((gates * other).sum(-1), (gates * cost).sum(-1), rtol=0, atol=1e-14)
    for place in untaken:
        assert float(other[place]) == pytest.approx(-abs(float(cost[place])), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("probability", [0.02, 0.5, 0.9])
def test_what_takes_the_laws_place_for_a_pair(probability: float) -> None:
    """ProxylessNAS's drift of `none`, over both gates, by their probabilities."""
    space = SpaceConfig.model_validate({"ops": ["none", "sep_conv_3x3"]})
    candidates = Candidates.of(space, torch.device("cpu"))
    q = torch.tensor([1 - probability, probability]).double()
    alpha = q.log().expand(5, 2).clone()
    pair = ((0, 1),) * 5
    cost = {1: -0.7, 0: 0.4}  # of the convolution where it is taken, and where it is not
    drift = torch.zeros(5, 2).double()
    for opened, own in cost.items():
        gates = one_hot(space, [opened] * 5)
        draw = Draw(gates, pair, resting=((1 - opened,),) * 5)
        charged = torch.tensor([0.0, own]).double().expand(5, 2)
        moved = -ProxylessNAS().gradient(alpha, candidates, draw, charged, Context())
        drift += q[opened] * moved
    wanted = q[0] * q[1] * (q[1] * cost[1] + q[0] * cost[0])
    torch.testing.assert_close(drift[:, 0], wanted.expand(5))
    torch.testing.assert_close(drift[:, 1], -wanted.expand(5))
    # A charge for what is taken alone has no second term.
    taken = one_hot(space, [1] * 5)
    charged = torch.tensor([0.0, cost[1]]).double().expand(5, 2)
    draw = Draw(taken, ((1,),) * 5, unit=True)
    moved = -q[1] * DSNAS().gradient(alpha, candidates, draw, charged, Context())
    torch.testing.assert_close(moved[:, 0] - moved[:, 1], (2 * q[0] * q[1] * cost[1]).expand(5))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**16))
def test_where_gates_do_not_compete_none_goes_where_it_started(seed: int) -> None:
    """By Adam and its decay as a search has them, at any costs; the others' alphas change sign."""
    space = SpaceConfig(nodes=2)
    generator = torch.Generator().manual_seed(seed)
    candidates = Candidates.of(space, torch.device("cpu"))
    method = load_method("fairdarts")
    start = 1e-3 * torch.randn(len(space.edges), len(space.ops), generator=generator).double()
    alpha = start.clone().requires_grad_()
    adam = torch.optim.Adam([alpha], lr=0.02, betas=(0.5, 0.999), weight_decay=1e-3)
    none = space.ops.index("none")
    for _ in range(40):
        draw = method.draw(alpha, candidates, generator, Context())
        cost = torch.randn(alpha.shape, generator=generator).double()
        cost[:, none] = 0.0
        alpha.grad = method.gradient(alpha, candidates, draw, cost, Context())
        adam.step()
        assert torch.equal(alpha[:, none].sign(), start[:, none].sign())
    moved = alpha.detach().abs() - start.abs()
    assert (moved[:, none] > 0.3).all()
    assert (alpha.sign() != start.sign()).any()
