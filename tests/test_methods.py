"""Alpha's gradients against brute-force twins, in float64."""

# ruff: noqa: ARG002  # the arguments are the protocol's

from __future__ import annotations

import json
import random
from io import BytesIO
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import plain
from tests.test_measure import LABELS, measure
from tests.test_space import CPU, images, make
from wiring.config import DatasetConfig, Edge, SearchConfig, SpaceConfig, plugins
from wiring.data.dataset import Dataset, load
from wiring.data.prepare import prepare
from wiring.errors import InputError
from wiring.measure import sample_statistics
from wiring.methods.common import one_hot
from wiring.methods.dsnas import DSNAS
from wiring.methods.protocol import Context, load_method
from wiring.search import Search
from wiring.search.passes import Passes
from wiring.space import Candidates, Draw

METHODS = ["darts", "dsnas", "proxylessnas", "snas"]
TEMPERATURE = 0.7
MOMENT = Context(progress=(1 - TEMPERATURE) / (1 - 0.03))
"""When SNAS's temperature, which falls from 1 to 0.03, is 0.7."""
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
        z = relaxed(alpha, candidates, SEED, TEMPERATURE)
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
    record = measure(net, x, draw, LABELS)
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
    record = measure(net, x, draw, LABELS)
    found = method.gradient(alpha, candidates, draw, record.cost.sum(0), MOMENT)
    alpha.requires_grad_()
    z = alpha.softmax(-1)
    if name == "snas":
        z = relaxed(alpha, candidates, SEED, TEMPERATURE)
    torch.testing.assert_close(draw.gates, z.detach(), rtol=1e-12, atol=1e-15)
    loss = sample_statistics(plain.forward(net, x, z), LABELS).loss.mean()
    (twin,) = torch.autograd.grad(loss, alpha)
    torch.testing.assert_close(found, twin, rtol=1e-8, atol=1e-12)


def test_proxylessnas_gradient_is_autograd_through_straight_through_gates() -> None:
    _, net, x, alpha, candidates = parts(2)
    method = load_method("proxylessnas")
    draw = method.draw(alpha, candidates, torch.Generator().manual_seed(SEED), MOMENT)
    record = measure(net, x, draw, LABELS)
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
        record = measure(net, x, draw, LABELS)
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
        record = measure(net, x, draw, LABELS)
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
        record = measure(net, x, draw, LABELS)
        gradient = method.gradient(alpha, candidates, draw, record.cost.sum(0), MOMENT)
        assert gradient[~candidates.mask].abs().max() == 0
        assert gradient[space.edges.index(Edge(0, 3))].abs().max() < 1e-15
        assert draw.gates[~candidates.mask].abs().max() == 0
        assert 4 in draw.active[space.edges.index(Edge(0, 3))]
        assert 0 not in draw.active[space.edges.index(Edge(2, 3))]


def test_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'enas'.*darts, .*dsnas, .*proxylessnas, .*snas"):
        load_method("enas")


class Remembering(DSNAS):
    """All that a method may bring: state, an optimizer, global chance, fewer candidates."""

    wants_loss = True

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.zeros(())

    def gradient(self, alpha, candidates, draw, cost, context):
        """A moving average of costs that also asks for passes, and draws where it should not."""
        again = context.loss.cost(draw, held_out=True)
        assert 0 <= context.loss.accuracy(draw) <= 1
        torch.testing.assert_close(again, cost, rtol=1e-4, atol=1e-6)
        noise = torch.rand(()) + np.random.random() + random.random()
        self.mean = 0.5 * self.mean + cost.abs().mean()
        gradient = super().gradient(alpha, candidates, draw, cost, context)
        return gradient / (1 + self.mean) * noise

    def optimizer(self, alpha, config):
        return torch.optim.SGD([alpha], config.lr, momentum=0.9)

    def probabilities(self, alpha, candidates):
        return alpha.sigmoid() * candidates.mask

    def epoch_done(self, alpha, candidates, context):
        assert context.epochs == round(context.progress * 4)
        row = context.epochs - 1
        return candidates.fixed(row, candidates.columns[row][-1]) if context.epochs < 4 else None

    def select(self, alpha, candidates):
        return (None, *(columns[0] for columns in candidates.columns[1:]))

    def state_dict(self):
        return {"mean": self.mean}

    def load_state_dict(self, state):
        self.mean = state["mean"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("data")
    prepare(
        DatasetConfig(source="digits", test_fraction=0.02, train_samples=48), folder / "d", folder
    )
    return load(folder / "d")


def tiny(**changes: object) -> SearchConfig:
    base: dict[str, object] = {
        "experiment": "E1",
        "dataset": "d",
        "method": "dsnas",
        "level": "single",
        "seed": 3,
        "space": {"cells": 1, "nodes": 2, "channels": 2},
        "alpha": {"lr": 0.05},
        "train": {"epochs": 4, "batch_size": 16},
    }
    return SearchConfig.model_validate({**base, **changes})


def kept(state: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint gives back."""
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("level", ["single", "bi"])
def test_all_that_a_method_brings_survives_a_checkpoint(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setattr("wiring.search.search.load_method", lambda *_: Remembering())
    whole = Search(tiny(level=level), digits, CPU)
    rows = [row for _ in range(2) for row in whole.run_epoch()]
    state = kept(whole.state_dict())
    rows += [row for _ in range(2) for row in whole.run_epoch()]
    random.seed(0)
    np.random.seed(0)
    resumed = Search(tiny(level=level), digits, CPU)
    resumed.load_state_dict(state)
    for _ in range(2):
        list(resumed.run_epoch())
    assert torch.equal(whole.alpha, resumed.alpha)
    assert whole.candidates.columns == resumed.candidates.columns
    assert [len(columns) for columns in whole.candidates.columns] == [1, 1, 1, 8, 8]
    last = [row.values for row in rows if row.table == "windows"][-1]
    # The third edge was decided after this window, in which the two before it were.
    assert np.isinf(last["alpha"]).sum(-1).tolist() == [7, 7, 7, 0, 0]
    np.testing.assert_allclose(last["probability"][4], whole.alpha.detach()[4].sigmoid())
    genotype = json.loads([row.values for row in rows if row.table == "epochs"][-1]["genotype"])
    assert genotype["0-2"] == genotype["1-3"] == "none"
    assert genotype["1-2"] == "sep_conv_5x5"


def test_equal_seeds_seed_the_global_generators_alike(digits: Dataset) -> None:
    drawn = []
    for seed in (3, 3, 4):
        Search(tiny(seed=seed), digits, CPU)
        drawn.append((torch.rand(1).item(), np.random.random(), random.random()))
    assert drawn[0] == drawn[1]
    assert not set(drawn[0]) & set(drawn[2])


def test_passes_leave_weights_and_gradients_as_they_were(digits: Dataset) -> None:
    search = Search(tiny(), digits, CPU)
    passes = Passes(search.net, search.test, amp=False)
    x, y, _ = next(search.batches["train"].epoch())
    passes.train = passes.held_out = (x, y)
    draw = load_method("darts").evaluation(search.alpha, search.candidates)
    search.net.gradient.fill_(1)
    before = [weight.detach().clone() for weight in search.net.parameters()]
    cost, slopes = passes.slopes(draw, held_out=False)
    with passes.moved(slopes, -1e-3):
        assert float((draw.gates * passes.cost(draw, held_out=True)).sum()) != float(
            (draw.gates * cost).sum()
        )
    assert any(slope.any() for slope in slopes)
    for weight, old in zip(search.net.parameters(), before, strict=True):
        assert torch.equal(weight, old)
    assert (search.net.gradient == 1).all()


LEARNING = [name for name in plugins.built_in(plugins.METHODS) if name != "uniform"]


@pytest.mark.parametrize("name", LEARNING)
def test_every_method_searches_learns_and_resumes(digits: Dataset, name: str) -> None:
    config = tiny(method=name, level="bi", train={"epochs": 2, "batch_size": 24})
    whole, resumed = Search(config, digits, CPU), Search(config, digits, CPU)
    before = whole.alpha.detach().clone()
    list(whole.run_epoch())
    resumed.load_state_dict(kept(whole.state_dict()))
    for search in (whole, resumed):
        rows = [row.values for row in search.run_epoch()]
        assert all(np.isfinite(row["loss"]) for row in rows)
    assert torch.equal(whole.alpha, resumed.alpha)
    assert whole.candidates.columns == resumed.candidates.columns
    assert (whole.alpha.detach() - before).abs().max() > 1e-4
