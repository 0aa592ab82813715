"""Alpha's gradients against brute-force twins, in float64."""

from __future__ import annotations

from itertools import permutations, product

import pytest
import torch
from tests.test_cost import LABELS, measure

from benchmarks import plain
from tests.test_space import CPU, images, make
from wiring.config import SpaceConfig
from wiring.errors import InputError
from wiring.measure import sample_statistics
from wiring.methods.common import one_hot
from wiring.methods.dsnas import DSNAS
from wiring.methods.protocol import Context, load_method
from wiring.space import Candidates, Draw

METHODS = ["darts", "dsnas", "proxylessnas", "snas"]
MOMENT = Context(temperature=0.7)
SEED = 11


def parts(seed: int = 0, **space: object):
    config = SpaceConfig.model_validate({"cells": 2, "nodes": 2, "channels": 2, **space})
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.randn(len(config.edges), len(config.ops), generator=generator).double()
    return config, make(config, seed), images(6, 8, seed), alpha, Candidates.of(config, CPU)


def relaxed(alpha: torch.Tensor, candidates: Candidates, seed: int, temperature: float):
    """SNAS's sample as its paper writes it, by torch's own Gumbel distribution's formula."""
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.empty_like(alpha.detach()).exponential_(generator=generator)
    log_p = alpha.masked_fill(~candidates.mask, -torch.inf).log_softmax(-1)
    return ((log_p - uniform.log()) / temperature).softmax(-1)


def surrogate(
    name: str, alpha: torch.Tensor, candidates: Candidates, draw: Draw, cost: torch.Tensor
) -> torch.Tensor:
    """What alpha's gradient is the gradient of: the unified form, with C held constant.

    E_Z[log p(Z) C(Z)] of a discrete draw, or <Z(alpha), C> of a reparametrised one.
    """
    masked = alpha.masked_fill(~candidates.mask, -torch.inf)
    if name == "dsnas":
        log_p = (masked.log_softmax(-1).masked_fill(~candidates.mask, 0) * draw.gates).sum(-1)
        return (log_p * (draw.gates * cost).sum(-1)).sum()
    if name == "darts":
        z = masked.softmax(-1)
    elif name == "snas":
        z = relaxed(alpha, candidates, SEED, MOMENT.temperature)
    else:
        z = torch.zeros_like(draw.gates)
        for row, columns in enumerate(draw.active):
            z[row, list(columns)] = alpha[row, list(columns)].softmax(-1)
    return (z * cost).sum()


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(4))
def test_unified_form(name: str, seed: int) -> None:
    """Alpha's gradient is grad log p(Z) C(Z) or (dZ/dalpha)^T C, with C = dL/dZ by autograd."""
    _, net, x, alpha, candidates = parts(seed, forbid_ops={"0-2": ("none", "sep_conv_3x3")})
    method = load_method(name)
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(SEED), MOMENT)
    record, _ = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0), MOMENT)
    z = draw.gates.clone().requires_grad_()
    loss = sample_statistics(plain.forward(net, x, z), LABELS).loss.mean()
    (cost,) = torch.autograd.grad(loss, z)
    alpha.requires_grad_()
    (twin,) = torch.autograd.grad(surrogate(name, alpha, candidates, draw, cost), alpha)
    torch.testing.assert_close(found, twin, rtol=1e-8, atol=1e-12)
    assert found.abs().max() > 1e-6
    assert found[0, [0, 4]].abs().max() == 0


@pytest.mark.parametrize("name", ["darts", "snas"])
def test_reparametrised_gradients_are_autograd_through_everything(name: str) -> None:
    """No cost by name: the loss of the op-by-op network, differentiated down to alpha."""
    _, net, x, alpha, candidates = parts(1)
    method = load_method(name)
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(SEED), MOMENT)
    record, _ = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0), MOMENT)
    alpha.requires_grad_()
    z = alpha.softmax(-1)
    if name == "snas":
        z = relaxed(alpha, candidates, SEED, MOMENT.temperature)
    torch.testing.assert_close(draw.gates, z.detach(), rtol=1e-12, atol=1e-15)
    loss = sample_statistics(plain.forward(net, x, z), LABELS).loss.mean()
    (twin,) = torch.autograd.grad(loss, alpha)
    torch.testing.assert_close(found, twin, rtol=1e-8, atol=1e-12)


def test_proxylessnas_gradient_is_autograd_through_straight_through_gates() -> None:
    _, net, x, alpha, candidates = parts(2)
    method = load_method("proxylessnas")
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(SEED), MOMENT)
    record, _ = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0), MOMENT)
    alpha.requires_grad_()
    rows = []
    for row, columns in enumerate(draw.active):
        q = alpha[row, list(columns)].softmax(-1)
        gate = draw.gates[row].clone()
        rows.append(gate.index_add(0, torch.tensor(columns), q - q.detach()))
    loss = sample_statistics(plain.forward(net, x, torch.stack(rows)), LABELS).loss.mean()
    (twin,) = torch.autograd.grad(loss, alpha)
    torch.testing.assert_close(found, twin, rtol=1e-8, atol=1e-12)


def test_snas_expected_gradient_by_finite_differences() -> None:
    """The derivative of the mean loss over fixed noise is the mean of the gradients."""
    ops = ["none", "skip_connect", "avg_pool_3x3", "sep_conv_3x3"]
    _, net, x, alpha, candidates = parts(3, cells=1, nodes=1, ops=ops)
    method, noise, h = load_method("snas"), range(5), 1e-5

    def mean_loss(at: torch.Tensor) -> torch.Tensor:
        losses = []
        for seed in noise:
            draw = method.draw(at, candidates, torch.Generator().manual_seed(seed), MOMENT)
            with torch.no_grad():
                logits = plain.forward(net, x, draw.gates)
                losses.append(sample_statistics(logits, LABELS).loss.mean())
        return torch.stack(losses).mean()

    gradients = []
    for seed in noise:
        draw = method.draw(alpha, candidates, torch.Generator().manual_seed(seed), MOMENT)
        record, _ = measure(net, x, draw, LABELS)
        cost = record.cost.sum(0)
        gradients.append(method.gradient(alpha, candidates, draw, cost, MOMENT))
    found = torch.stack(gradients).mean(0)
    for row, column in product(range(2), range(4)):
        step = torch.zeros_like(alpha)
        step[row, column] = h
        slope = (mean_loss(alpha + step) - mean_loss(alpha - step)) / (2 * h)
        torch.testing.assert_close(found[row, column], slope, rtol=1e-4, atol=1e-8)


def test_proxylessnas_samples_two_paths_and_opens_one_gate() -> None:
    """Frequencies against the probabilities by enumeration: pairs without replacement, then q."""
    ops = ["none", "skip_connect", "avg_pool_3x3"]
    _, _, _, alpha, candidates = parts(4, cells=1, nodes=1, ops=ops)
    p, n = alpha.softmax(-1)[0].tolist(), 20_000
    expected = {}
    for i, j in permutations(range(3), 2):
        pair = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        expected[tuple(sorted((i, j))), i] = pair * p[i] / (p[i] + p[j])
    assert sum(expected.values()) == pytest.approx(1)
    method, generator = load_method("proxylessnas"), torch.Generator().manual_seed(0)
    counts = dict.fromkeys(expected, 0)
    for _ in range(n):
        draw = method.draw(alpha, candidates, generator, MOMENT)
        (opened,) = draw.gates[0].nonzero()[:, 0].tolist()
        counts[draw.active[0], opened] += 1
        assert draw.resting[0] == tuple(c for c in draw.active[0] if c != opened)
    for key, weight in expected.items():
        assert counts[key] / n == pytest.approx(weight, abs=5 * (weight * (1 - weight) / n) ** 0.5)


def test_proxylessnas_samples_one_path_where_only_weights_learn() -> None:
    _, _, _, alpha, candidates = parts(4)
    moment = Context(learns=False)
    draw = load_method("proxylessnas").draw(alpha, candidates, torch.Generator(), moment)
    assert [len(columns) for columns in draw.active] == [1] * 5
    assert draw.resting == ()


def test_uniform_sampling_takes_every_allowed_op_alike_and_never_learns() -> None:
    _, _, _, alpha, candidates = parts(5, forbid_ops={"0-2": ("none", "sep_conv_3x3")})
    method, generator, n = load_method("uniform"), torch.Generator().manual_seed(0), 6_000
    total = torch.zeros_like(alpha)
    for _ in range(n):
        draw = method.draw(alpha * 10, candidates, generator, MOMENT)
        total += draw.gates
    allowed = candidates.mask.sum(-1, keepdim=True)
    expected = candidates.mask / allowed
    assert ((total / n - expected).abs() <= 5 * (expected / n).sqrt()).all()
    assert method.gradient(alpha, candidates, draw, total, MOMENT).abs().max() == 0
    again = [method.evaluation(alpha * k, candidates).active for k in (1, 9)]
    assert again[0] == again[1]


def test_dsnas_expected_gradient_by_enumeration() -> None:
    """Over every wiring of a small space: E_Z[grad log p(Z) C(Z)], by draws and by enumeration."""
    ops = ["none", "skip_connect", "sep_conv_3x3"]
    _, net, x, alpha, candidates = parts(1, cells=1, nodes=1, ops=ops)
    method = DSNAS()
    p = alpha.softmax(-1)
    costs, expected = {}, torch.zeros_like(alpha)
    for columns in product(range(3), repeat=2):
        draw = one_hot(torch.tensor(columns), alpha)
        record, _ = measure(net, x, draw, LABELS)
        costs[columns] = record.cost.sum(0)
        weight = p[0, columns[0]] * p[1, columns[1]]
        expected += weight * method.gradient(alpha, candidates, draw, costs[columns], MOMENT)
    total, generator, n = torch.zeros_like(alpha), torch.Generator().manual_seed(0), 20_000
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        draw = method.draw(alpha, candidates, generator, MOMENT)
        columns = tuple(columns[0] for columns in draw.active)
        counts[columns] = counts.get(columns, 0) + 1
        total += method.gradient(alpha, candidates, draw, costs[columns], MOMENT)
    # Five standard errors of the mean, from the spread of the gradients themselves.
    spread = (
        torch.stack(
            [
                method.gradient(alpha, candidates, one_hot(torch.tensor(c), alpha), k, MOMENT)
                for c, k in costs.items()
            ]
        )
        .abs()
        .amax(0)
    )
    assert ((total / n - expected).abs() <= 5 * spread / n**0.5 + 1e-15).all()
    for columns, count in counts.items():
        weight = float(p[0, columns[0]] * p[1, columns[1]])
        assert count / n == pytest.approx(weight, abs=5 * (weight * (1 - weight) / n) ** 0.5)


@pytest.mark.parametrize("name", METHODS)
def test_forbidden_and_fixed_ops_never_move(name: str) -> None:
    space, net, x, alpha, candidates = parts(
        2, fix_edges={"0-3": "sep_conv_3x3"}, forbid_ops={"2-3": ("none",)}, delete_edges=["1-2"]
    )
    method = load_method(name)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        draw = method.draw(alpha, candidates, generator, MOMENT)
        record, _ = measure(net, x, draw, LABELS)
        gradient = method.gradient(alpha, candidates, draw, record.cost.sum(0), MOMENT)
        assert gradient[~candidates.mask].abs().max() == 0
        assert gradient[space.edges.index("0-3")].abs().max() < 1e-15
        assert draw.gates[~candidates.mask].abs().max() == 0
        assert 4 in draw.active[space.edges.index("0-3")]
        assert 0 not in draw.active[space.edges.index("2-3")]


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'enas'.*darts, dsnas, proxylessnas, snas"):
        load_method("enas")
