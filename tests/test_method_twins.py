"""Methods against brute-force twins on a toy loss in float64: autograd, by hand, quadrature."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations

import pytest
import torch
from scipy import integrate, special
from torch import Tensor

from wiring.config import SpaceConfig
from wiring.config.search import AlphaConfig, SearchConfig
from wiring.methods.beta_darts import BetaDARTS
from wiring.methods.darts import DARTS
from wiring.methods.darts_minus import DARTSMinus
from wiring.methods.darts_pt import DARTSPT
from wiring.methods.darts_second import DARTSSecond
from wiring.methods.drnas import DrNAS
from wiring.methods.dsnas import DSNAS
from wiring.methods.fairdarts import FairDARTS
from wiring.methods.gaea import GAEA
from wiring.methods.gdas import GDAS
from wiring.methods.pc_darts import PCDARTS
from wiring.methods.protocol import Context
from wiring.methods.proxylessnas import ProxylessNAS
from wiring.methods.settings import (
    BetaDARTSSettings,
    DARTSMinusSettings,
    DARTSPTSettings,
    DARTSSecondSettings,
    DARTSSettings,
    DrNASSettings,
    DSNASSettings,
    FairDARTSSettings,
    GDASSettings,
    PCDARTSSettings,
    ProxylessNASSettings,
    SGASSettings,
)
from wiring.methods.sgas import SGAS
from wiring.space import Candidates, Draw, active_mask

CPU = torch.device("cpu")
SPACE = SpaceConfig.model_validate(
    {"fix_edges": {"0-3": "sep_conv_3x3"}, "forbid_ops": {"0-2": ["none", "sep_conv_3x3"]}}
)
CANDIDATES = Candidates.of(SPACE, CPU)
SHAPE = (len(SPACE.edges), len(SPACE.ops))
FIXED, NONE, SKIP = 2, 0, 1
ALPHA = AlphaConfig(lr=0.05, beta1=0.0, weight_decay=0.0)
SEEDS = range(3)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def toy_loss(z: Tensor, seed: int = 0) -> Tensor:
    """A smooth loss of the gates that couples all of them; `none` adds nothing, as in the net."""
    a, b, c = normal(seed + 100, 3, *SHAPE)
    z = z.index_fill(-1, torch.tensor([NONE]), 0)
    return (torch.sin(z * a) * b).sum() + (z * c).sum().square()


def cost_of(draw: Draw, seed: int = 0) -> Tensor:
    """The local costs dL/dZ, 0 where the search does not evaluate an op."""
    z = draw.gates.clone().requires_grad_()
    (cost,) = torch.autograd.grad(toy_loss(z, seed), z)
    return cost * active_mask(draw.active, SHAPE, CPU)


def masked(alpha: Tensor) -> Tensor:
    return alpha.masked_fill(~CANDIDATES.mask, -torch.inf)


def learned(method, alpha: Tensor, context: Context, seed: int = 0) -> tuple[Draw, Tensor]:
    draw = method.draw(alpha, CANDIDATES, torch.Generator().manual_seed(seed), context)
    return draw, method.gradient(alpha, CANDIDATES, draw, cost_of(draw, seed), context)


def through(alpha: Tensor, loss) -> Tensor:
    """The gradient by autograd alone; 0 where alpha plays no part."""
    alpha = alpha.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(alpha), alpha)
    return gradient.nan_to_num()


@pytest.mark.parametrize("seed", SEEDS)
def test_darts_minus_is_autograd_through_mixture_and_auxiliary_skip(seed: int) -> None:
    alpha, context = normal(seed, *SHAPE), Context(progress=0.25)
    method = DARTSMinus(DARTSMinusSettings.model_validate({"skip": {"start": 0.8, "end": 0.4}}))
    auxiliary = torch.zeros(SHAPE, dtype=torch.float64)
    auxiliary[:, SKIP] = 0.7
    auxiliary[FIXED] = 0  # its one op is not in competition with any
    draw, found = learned(method, alpha, context, seed)
    torch.testing.assert_close(draw.gates, masked(alpha).softmax(-1) + auxiliary)
    twin = through(alpha, lambda a: toy_loss(masked(a).softmax(-1) + auxiliary, seed))
    torch.testing.assert_close(found, twin, rtol=1e-12, atol=1e-14)
    assert method.evaluation(alpha, CANDIDATES).gates.sum() == pytest.approx(SHAPE[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_beta_darts_is_autograd_through_loss_and_mean_log_sum_exp(seed: int) -> None:
    alpha, context = normal(seed, *SHAPE), Context(progress=0.3)
    method = BetaDARTS(BetaDARTSSettings.model_validate({"weight": {"start": 1.0, "end": 2.0}}))
    free = [row for row in range(SHAPE[0]) if row != FIXED]

    def loss(a: Tensor) -> Tensor:
        decay = masked(a)[free].logsumexp(-1).mean()
        return toy_loss(masked(a).softmax(-1), seed) + 1.3 * decay

    _, found = learned(method, alpha, context, seed)
    torch.testing.assert_close(found, through(alpha, loss), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
def test_fairdarts_is_autograd_through_sigmoids_and_zero_one_loss(seed: int) -> None:
    alpha = normal(seed, *SHAPE)
    learning = CANDIDATES.mask.clone()
    learning[FIXED] = False
    given = CANDIDATES.mask & ~learning

    def loss(a: Tensor) -> Tensor:
        z = torch.where(learning, a.sigmoid(), 0.0) + given
        apart = (a.sigmoid()[learning] - 0.5).square().mean()
        return toy_loss(z, seed) - 4.0 * apart

    draw, found = learned(FairDARTS(FairDARTSSettings(zero_one=4.0)), alpha, Context(), seed)
    torch.testing.assert_close(found, through(alpha, loss), rtol=1e-12, atol=1e-14)
    assert draw.gates[FIXED].tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


@pytest.mark.parametrize("seed", SEEDS)
def test_gdas_is_autograd_through_straight_through_gates(seed: int) -> None:
    """Gates of ops that are not taken have no cost: their path is cut, as in the search."""
    alpha, context = normal(seed, *SHAPE), Context(progress=0.5)
    method = GDAS(GDASSettings.model_validate({"temperature": {"start": 3.0, "end": 1.0}}))
    draw, found = learned(method, alpha, context, seed)
    noise = torch.empty(SHAPE, dtype=torch.float64)
    noise = -noise.exponential_(generator=torch.Generator().manual_seed(seed)).log()

    def loss(a: Tensor) -> Tensor:
        h = ((masked(a).log_softmax(-1) + noise) / 2.0).softmax(-1)
        hard = torch.zeros(SHAPE, dtype=torch.float64).scatter(-1, h.argmax(-1, True), 1.0)
        assert torch.equal(hard, draw.gates)
        return toy_loss(hard * (1 + h - h.detach()), seed)

    torch.testing.assert_close(found, through(alpha, loss), rtol=1e-12, atol=1e-14)
    assert draw.unit


def test_gdas_draws_from_the_softmax_whatever_its_temperature() -> None:
    alpha, n = normal(1, 1, 4), 20_000
    every = Candidates((tuple(range(4)),) * n, torch.ones(n, 4, dtype=torch.bool))
    generator = torch.Generator().manual_seed(0)
    draw = GDAS().draw(alpha.expand(n, 4), every, generator, Context(progress=0.9))
    p = alpha.softmax(-1)[0]
    assert ((draw.gates.mean(0) - p).abs() <= 5 * (p * (1 - p) / n).sqrt()).all()


ONE = Candidates(((0, 1, 2),), torch.ones(1, 3, dtype=torch.bool))


def dirichlet(alpha: list[float], n: int) -> tuple[Tensor, Candidates]:
    rows = torch.tensor([alpha], dtype=torch.float64).expand(n, len(alpha))
    columns = tuple(range(len(alpha)))
    return rows, Candidates((columns,) * n, torch.ones(n, len(alpha), dtype=torch.bool))


def test_drnas_moves_a_sample_so_that_its_quantile_stays() -> None:
    """Two ops: Z is a beta variable, dZ/dbeta = -(dF/dbeta) / density, by finite differences."""
    method = DrNAS(DrNASSettings(anchor=0.0))
    alpha, candidates = dirichlet([0.4, -0.6], 20)
    a, b, h = 1.4, math.exp(-0.6), 1e-6
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(0), Context())
    cost = torch.tensor([1.0, 0.0], dtype=torch.float64).expand(20, 2)  # L = Z of the first op
    found = method.gradient(alpha, candidates, draw, cost, Context())
    for z, gradient in zip(draw.gates[:, 0].tolist(), found.tolist(), strict=True):
        density = z ** (a - 1) * (1 - z) ** (b - 1) / special.beta(a, b)
        by_a = special.betainc(a + h, b, z) - special.betainc(a - h, b, z)
        by_b = special.betainc(a, b + h, z) - special.betainc(a, b - h, z)
        assert gradient[0] == pytest.approx(-by_a / (2 * h) / density, rel=1e-3, abs=1e-6)
        # The second alpha is below 0, where elu's slope is exp(alpha).
        assert gradient[1] == pytest.approx(-by_b / (2 * h) / density * b, rel=1e-3, abs=1e-6)


def test_drnas_mean_gradient_is_that_of_the_mean_loss() -> None:
    """L = c Z + Z^2 d in closed form: the moments of a Dirichlet variable."""
    n, c, d = 40_000, normal(1, 3), normal(2, 3)
    method = DrNAS(DrNASSettings(anchor=0.0))
    alpha, candidates = dirichlet([0.5, -0.3, 0.1], n)

    def mean_loss(a: Tensor) -> Tensor:
        beta = torch.nn.functional.elu(a) + 1
        total = beta.sum()
        first, second = beta / total, beta * (beta + 1) / (total * (total + 1))
        return (c * first + d * second).sum()

    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(3), Context())
    z = draw.gates
    torch.testing.assert_close(z.sum(-1), torch.ones(n, dtype=torch.float64))
    found = method.gradient(alpha, candidates, draw, c + 2 * d * z, Context())
    error = found.std(0) / n**0.5
    assert ((found.mean(0) - through(alpha[0], mean_loss)).abs() <= 5 * error).all()


def test_drnas_anchor_is_autograd_through_the_divergence() -> None:
    alpha = normal(4, *SHAPE)

    def divergence(a: Tensor) -> Tensor:
        beta, total = torch.nn.functional.elu(a) + 1, torch.zeros((), dtype=torch.float64)
        for row, columns in enumerate(CANDIDATES.columns):
            if row != FIXED:
                own = torch.distributions.Dirichlet(beta[row, list(columns)])
                flat = torch.distributions.Dirichlet(torch.ones(len(columns)).double())
                total = total + torch.distributions.kl_divergence(own, flat)
        return 0.2 * total

    method = DrNAS(DrNASSettings(anchor=0.2))
    draw = method.draw(alpha, CANDIDATES, torch.Generator().manual_seed(0), Context())
    found = method.gradient(alpha, CANDIDATES, draw, torch.zeros_like(alpha), Context())
    torch.testing.assert_close(found, through(alpha, divergence), rtol=1e-10, atol=1e-12)


def test_drnas_strength_is_the_mean_of_its_samples() -> None:
    """By quadrature of the first op's beta density."""
    alpha, candidates = dirichlet([0.4, -0.6], 1)
    a, b = 1.4, math.exp(-0.6)

    def weighted(z: float) -> float:
        return float(z**a * (1 - z) ** (b - 1) / special.beta(a, b))

    mean, _ = integrate.quad(weighted, 0, 1)
    assert DrNAS().probabilities(alpha, candidates)[0, 0] == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_gaea_steps_by_an_exponentiated_gradient_on_the_simplex(seed: int) -> None:
    alpha = torch.nn.Parameter(normal(seed, *SHAPE))
    theta = masked(alpha.detach()).softmax(-1)
    method = GAEA()
    optimizer = method.optimizer(alpha, ALPHA)
    for step in range(3):
        _, alpha.grad = learned(method, alpha, Context(), step)
        optimizer.step()
        slope = through(theta, lambda z, step=step: toy_loss(z, step))
        theta = theta * (-ALPHA.lr * slope).exp()
        theta = theta / theta.sum(-1, keepdim=True)
    torch.testing.assert_close(masked(alpha.detach()).softmax(-1), theta, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", SEEDS)
def test_dsnas_with_one_log_is_autograd_through_the_log_of_the_sum(seed: int) -> None:
    """Per edge, since each has a cost of its own: k times the log of the sum, by its own alpha."""
    alpha = normal(seed, *SHAPE)
    draw, found = learned(DSNAS(DSNASSettings(one_log=True)), alpha, Context(), seed)

    def one_log(a: Tensor) -> Tensor:
        return SHAPE[0] * (masked(a).softmax(-1) * draw.gates).sum().log()

    paid = (draw.gates * cost_of(draw, seed)).sum(-1, keepdim=True)
    torch.testing.assert_close(found, paid * through(alpha, one_log), rtol=1e-12, atol=1e-14)


def test_proxylessnas_rescaled_keeps_the_probability_of_all_others() -> None:
    method = ProxylessNAS(ProxylessNASSettings(rescale=True))
    alpha = torch.nn.Parameter(normal(0, *SHAPE))
    optimizer = method.optimizer(alpha, ALPHA)
    assert optimizer is not None
    for seed in range(5):
        before = masked(alpha.detach()).softmax(-1)
        draw, alpha.grad = learned(method, alpha, Context(), seed)
        optimizer.step()
        after = masked(alpha.detach()).softmax(-1)
        pair = active_mask(draw.active, SHAPE, CPU) > 0
        torch.testing.assert_close(after[~pair], before[~pair], rtol=1e-12, atol=1e-15)
        moved = (after - before).abs().amax(-1)
        assert (moved[[row for row in range(SHAPE[0]) if row != FIXED]] > 1e-4).all()


def test_proxylessnas_rests_where_none_is_open_if_told_to() -> None:
    alpha = normal(0, *SHAPE)
    told, plain = ProxylessNAS(ProxylessNASSettings(rest_where_none=True)), ProxylessNAS()
    rested = 0
    for seed in range(20):
        draw, found = learned(told, alpha, Context(), seed)
        _, usual = learned(plain, alpha, Context(), seed)
        opened = draw.gates[:, NONE] == 1
        rested += int(opened.sum())
        assert found[opened].abs().max().item() == 0 if opened.any() else True
        assert torch.equal(found[~opened], usual[~opened])
    assert rested


def test_the_shift_that_proxylessnas_leaves_out_is_of_first_order() -> None:
    """It is q . (the pair's update): q_1 - q_2 of it under plain descent, and more under Adam."""
    shares = {}
    for kind in (torch.optim.Adam, torch.optim.SGD):
        method, alpha = ProxylessNAS(), torch.nn.Parameter(0.1 * normal(9, *SHAPE))
        optimizer = kind([alpha], 1e-4)
        shift = update = 0.0
        for seed in range(100):
            draw, alpha.grad = learned(method, alpha, Context(), seed)
            before = alpha.detach().clone()
            optimizer.step()
            for row, pair in enumerate(map(list, draw.active)):
                if row != FIXED:
                    old, new = before[row, pair], alpha.detach()[row, pair]
                    own = float(new.logsumexp(-1) - old.logsumexp(-1))
                    first_order = float(old.softmax(-1) @ (new - old))
                    assert abs(own - first_order) <= float((new - old).abs().max()) ** 2
                    shift += abs(own)
                    update += float((new - old).abs().mean())
        shares[kind] = shift / update
    assert shares[torch.optim.Adam] > 0.2 > 4 * shares[torch.optim.SGD] > 0


def weighted(alpha: Tensor, beta: Tensor) -> Tensor:
    """PC-DARTS's gates, edge by edge: each node's softmax is over its edges with a choice."""
    p, rows = masked(alpha).softmax(-1), []
    for row, edge in enumerate(SPACE.edges):
        among = [
            other
            for other, also in enumerate(SPACE.edges)
            if also.target == edge.target and other != FIXED
        ]
        b = beta[among].softmax(0)[among.index(row)] if row in among else torch.ones(())
        rows.append(b * p[row])
    return torch.stack(rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_pc_darts_is_autograd_through_both_softmaxes(seed: int) -> None:
    method, alpha = PCDARTS(), torch.nn.Parameter(normal(seed, *SHAPE))
    optimizer = method.optimizer(alpha, ALPHA)
    method.load_state_dict({"beta": normal(seed + 50, SHAPE[0])})
    beta, context = method.beta.detach().clone(), Context(progress=0.5)
    draw, found = learned(method, alpha, context, seed)
    torch.testing.assert_close(draw.gates, weighted(alpha.detach(), beta))
    twin = through(alpha.detach(), lambda a: toy_loss(weighted(a, beta), seed))
    torch.testing.assert_close(found, twin, rtol=1e-12, atol=1e-14)
    of_beta = through(beta, lambda b: toy_loss(weighted(alpha.detach(), b), seed))
    torch.testing.assert_close(method.beta.grad, of_beta, rtol=1e-12, atol=1e-14)
    assert (of_beta[[r for r in range(SHAPE[0]) if r != FIXED]].abs() > 1e-6).all()
    alpha.grad = found
    before = alpha.detach().clone()
    optimizer.step()  # Adam's first step is the rate times the sign
    torch.testing.assert_close(method.beta.detach(), beta - ALPHA.lr * of_beta.sign())
    assert not torch.equal(alpha.detach(), before)


def test_pc_darts_starts_uniform_and_rests_before_it_learns() -> None:
    method, alpha = PCDARTS(PCDARTSSettings(warm_up=0.5)), torch.nn.Parameter(normal(0, *SHAPE))
    optimizer = method.optimizer(alpha, ALPHA)
    assert method.edge_weights(alpha, CANDIDATES).tolist() == pytest.approx([0.5, 0.5, 1, 0.5, 0.5])
    before = alpha.detach().clone()
    rests = [method.rests(Context(progress=progress)) for progress in (0.0, 0.49, 0.5)]
    assert rests == [True, True, False]
    _, alpha.grad = learned(method, alpha, Context(progress=0.5))
    optimizer.step()
    assert not torch.equal(alpha.detach(), before)
    assert method.beta.detach().any()


def test_pc_darts_keeps_by_the_product_of_both() -> None:
    method = PCDARTS(PCDARTSSettings(keep="two_inputs"))
    alpha = torch.zeros(SHAPE, dtype=torch.float64)
    alpha[:, SKIP] = torch.tensor([0.0, 0.0, 0.0, 0.3, 0.1])  # by alpha, 1-3 beats 2-3
    method.optimizer(alpha, ALPHA)
    method.load_state_dict({"beta": torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])})
    kept = method.select(alpha, CANDIDATES)
    assert kept[2:] == (SPACE.ops.index("sep_conv_3x3"), None, SKIP)


def decisions_by_hand(alpha: Tensor, candidates: Candidates) -> tuple[int, int]:
    """The edge and op of SGAS's next decision, each term as the paper names it."""
    best = (-1.0, 0, 0)
    for row, columns in enumerate(candidates.columns):
        if len(columns) == 1:
            continue
        weights = {c: math.exp(alpha[row, c]) for c in columns}
        real = {c: w for c, w in weights.items() if c != NONE}
        importance = sum(real.values()) / sum(weights.values())
        p = [w / sum(real.values()) for w in real.values()]
        certainty = 1 + sum(q * math.log(q) for q in p) / math.log(len(p))
        score = importance * certainty
        if score > best[0]:
            best = (score, row, max(real, key=lambda c: real[c]))
    return best[1:]


@pytest.mark.parametrize("seed", SEEDS)
def test_sgas_decides_greedily_and_takes_the_rest_from_a_full_node(seed: int) -> None:
    space = SpaceConfig.model_validate({"nodes": 3})
    candidates = Candidates.of(space, CPU)
    alpha = normal(seed, len(space.edges), len(space.ops))
    method = SGAS(SGASSettings(warm_up=0.2, every=0.1))
    decided: dict[int, int] = {}
    for epoch in range(1, 11):
        now = method.epoch_done(alpha, candidates, Context(True, epoch / 10, epoch))
        assert now is not None
        if epoch < 2:
            assert now.columns == candidates.columns
        elif any(len(columns) > 1 for columns in candidates.columns):
            row, column = decisions_by_hand(alpha, candidates)
            decided[row] = column
            assert now.columns[row] == (column,)
            node = space.edges[row].target
            entering = [r for r, edge in enumerate(space.edges) if edge.target == node]
            for other in entering:
                if other not in decided:
                    full = sum(r in decided for r in entering) == 2
                    assert now.columns[other] == ((NONE,) if full else tuple(range(8)))
        candidates = now
    assert len(decided) == 6  # two inputs of each of three nodes
    assert all(len(columns) == 1 for columns in candidates.columns)


def test_sgas_makes_as_many_decisions_in_a_short_search_as_in_a_long_one() -> None:
    candidates = {}
    for epochs in (4, 40):
        found = Candidates.of(SpaceConfig(), CPU)
        for epoch in range(1, epochs + 1):
            context = Context(True, epoch / epochs, epoch)
            found = SGAS().epoch_done(normal(0, *SHAPE), found, context) or found
        candidates[epochs] = found.columns
    assert candidates[4] == candidates[40]


class Twice:
    """A loss of weights and gates by autograd alone, as the second order needs it."""

    def __init__(self, seed: int, rate: float) -> None:
        self.rate, self.w = rate, normal(seed + 50, *SHAPE)
        self.a, self.b = normal(seed + 60, 2, *SHAPE)

    def value(self, w: Tensor, z: Tensor, *, held_out: bool) -> Tensor:
        target = self.b if held_out else self.a
        z = z.index_fill(-1, torch.tensor([NONE]), 0)
        return (torch.tanh(z * w) * target).sum() + 0.1 * (z * w * target.roll(1)).sum().square()

    def slopes(self, draw: Draw, *, held_out: bool) -> tuple[Tensor, list[Tensor]]:
        w, z = self.w.clone().requires_grad_(), draw.gates.clone().requires_grad_()
        by_z, by_w = torch.autograd.grad(self.value(w, z, held_out=held_out), (z, w))
        return by_z, [by_w]

    def cost(self, draw: Draw, *, held_out: bool) -> Tensor:
        return self.slopes(draw, held_out=held_out)[0]

    @contextmanager
    def moved(self, direction: list[Tensor], by: float) -> Iterator[None]:
        kept, self.w = self.w, self.w + by * direction[0]
        yield
        self.w = kept


@pytest.mark.parametrize("seed", SEEDS)
def test_darts_second_order_is_autograd_through_a_step_of_the_weights(seed: int) -> None:
    alpha, loss = normal(seed, *SHAPE), Twice(seed, rate=0.3)

    def ahead(a: Tensor) -> Tensor:
        z, w = masked(a).softmax(-1), loss.w.clone().requires_grad_()
        train = loss.value(w, z, held_out=False)
        (step,) = torch.autograd.grad(train, w, create_graph=True)
        return loss.value(w - loss.rate * step, z, held_out=True)

    method = DARTSSecond(DARTSSecondSettings(epsilon=1e-4))
    draw = method.draw(alpha, CANDIDATES, torch.Generator(), Context())
    context = Context(loss=loss)
    found = method.gradient(alpha, CANDIDATES, draw, torch.zeros_like(alpha), context)
    twin = through(alpha, ahead)
    torch.testing.assert_close(found, twin, rtol=1e-5, atol=1e-8)
    first = DARTS().gradient(alpha, CANDIDATES, draw, loss.cost(draw, held_out=True), context)
    assert (first - twin).abs().max() > 1e-2  # the second order is not small here


def test_two_inputs_are_kept_as_darts_keeps_them() -> None:
    """By trying every pair of inputs: the pair of largest summed strength, `none` left out."""
    space = SpaceConfig.model_validate({"nodes": 3})
    candidates, alpha = Candidates.of(space, CPU), normal(5, 9, 8)
    selected = DARTS(DARTSSettings(keep="two_inputs")).select(alpha, candidates)
    p = alpha.softmax(-1)
    for node in (2, 3, 4):
        rows = [row for row, edge in enumerate(space.edges) if edge.target == node]
        pair = max(permutations(rows, 2), key=lambda two: float(p[list(two), 1:].amax(-1).sum()))
        for row in rows:
            expected = 1 + int(p[row, 1:].argmax()) if row in pair else None
            assert selected[row] == expected


def test_fairdarts_keeps_two_inputs_above_its_threshold() -> None:
    space = SpaceConfig.model_validate({"nodes": 3})
    alpha = torch.full((9, 8), -1.0, dtype=torch.float64)
    alpha[:, NONE] = 9.0  # never kept, however strong
    for row, (column, strength) in {0: (4, 3.0), 2: (1, 2.5), 3: (2, 4.0), 4: (5, 3.0)}.items():
        alpha[row, column] = strength
    selected = FairDARTS().select(alpha, Candidates.of(space, CPU))
    assert selected == (4, None, None, 2, 5, None, None, None, None)


def test_second_order_refuses_a_clamp_that_it_would_not_heed() -> None:
    with pytest.raises(ValueError, match=r"darts-second: .*alpha.cost_clamp must be absent"):
        SearchConfig.model_validate(
            {
                "experiment": "E1",
                "dataset": "d",
                "method": "darts-second",
                "level": "bi",
                "seed": 0,
                "alpha": {"cost_clamp": 5.0},
            }
        )


class Accuracy:
    """A held-out accuracy in closed form."""

    def __init__(self, edges: int, seed: int) -> None:
        self.worth = normal(seed + 70, edges, 8)
        self.asked = 0

    def accuracy(self, draw: Draw) -> float:
        self.asked += 1
        for row, columns in enumerate(draw.active):  # what is not active must not count
            rest = [column for column in range(8) if column not in columns]
            assert draw.gates[row, rest].abs().sum() == 0
        return self.of(draw.gates)

    def of(self, gates: Tensor) -> float:
        gates = gates.index_fill(-1, torch.tensor([NONE]), 0)
        return float((gates * self.worth).sum().sigmoid())


@pytest.mark.parametrize("seed", SEEDS)
def test_darts_pt_decides_by_what_is_lost_without_an_op_and_without_an_edge(seed: int) -> None:
    space = SpaceConfig.model_validate(
        {"nodes": 3, "fix_edges": {"0-2": "skip_connect"}, "forbid_ops": {"0-4": ["none"]}}
    )
    candidates, alpha = Candidates.of(space, CPU), normal(seed, len(space.edges), 8)
    start, loss = candidates, Accuracy(len(space.edges), seed)
    method = DARTSPT(DARTSPTSettings(warm_up=0.1, every=0.1))
    for epoch in range(1, 9):  # each free edge, in order
        p = method.evaluation(alpha, candidates).gates
        losses = {}
        for op in (column for column in start.columns[epoch] if column != NONE):
            gates = p.clone()
            gates[epoch, op] = 0
            losses[op] = loss.of(gates)
        context = Context(True, epoch / 10, epoch, loss)
        candidates = method.epoch_done(alpha, candidates, context) or candidates
        assert candidates.columns[epoch] == (min(losses, key=lambda op, found=losses: found[op]),)
        assert candidates.columns[epoch + 1 :] == start.columns[epoch + 1 :]
    for epoch, node in ((9, 3), (10, 4)):  # then each node that has too many
        before = candidates.columns
        p = method.evaluation(alpha, candidates).gates
        rows = [r for r, edge in enumerate(space.edges) if edge.target == node]
        lost = {}
        for row in (r for r in rows if NONE in start.columns[r]):
            gates = p.clone()
            gates[row] = 0
            lost[row] = loss.of(gates)
        removed = sorted(lost, key=lambda row, found=lost: -found[row])[: len(rows) - 2]
        context = Context(True, epoch / 10, epoch, loss)
        candidates = method.epoch_done(alpha, candidates, context) or candidates
        for row, columns in enumerate(candidates.columns):
            assert columns == ((NONE,) if row in removed else before[row])
    # Each decision asked once for each op, or each edge, that could be lost.
    assert loss.asked == 8 * 7 + 3 + 3
