"""The dose of a search, and the curve over all of them."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from tests.synthetic import altered, config, grows, write_search
from tests.test_figures import check
from wiring.claims.dose import fits, logistic
from wiring.dynamics import Dynamics
from wiring.figures.dose import draw_dose
from wiring.figures.style import styled
from wiring.patterns.dose import displacement, measure, standardised_gap
from wiring.trajectory import Trajectory

RATE, WINDOWS, STEPS = 0.01, 12, 10


def search(root: Path, **changes: Any) -> Trajectory:
    base: dict[str, Any] = {"alpha": {"lr": RATE}, "train": {"epochs": WINDOWS}}
    return Trajectory.read(write_search(root, config(**{**base, **changes}), grows))


def with_credit(one: Trajectory, square: float, gap: np.ndarray) -> Trajectory:
    """The same, with this mean square of every edge's credit."""
    return altered(
        one,
        credit_square=np.full((len(gap), len(one.shape.edges)), square),
        loss=gap + 2.0,
        entropy=np.full(len(gap), 2.0),
    )


def test_the_dose_by_hand(tmp_path: Path) -> None:
    gap = np.array([1.0] * 8 + [-1.0] * 4)
    far = np.cumsum(np.full(WINDOWS, RATE * STEPS))
    one = altered(with_credit(search(tmp_path), 7.0, gap), displacement=far)
    size = 5 * np.sqrt(7.0)
    assert standardised_gap(one) == pytest.approx(gap / size)
    assert displacement(one) == pytest.approx([RATE * STEPS] * WINDOWS)
    found = measure(one)
    assert found["dose"] == pytest.approx(RATE * STEPS * 4 / size)
    assert found["dose_peak"] == pytest.approx(RATE * STEPS * 8 / size)


def test_the_gap_is_the_mean_of_the_edges_drifts(tmp_path: Path) -> None:
    """The mean of R / rms(R), weighted by rms(R), where the credits sum to the gap."""
    generator = np.random.default_rng(0)
    credit = generator.normal(size=(WINDOWS, 5))
    square = credit**2 + generator.uniform(0.1, 2, size=(WINDOWS, 5))
    one = altered(
        search(tmp_path),
        credit_square=square,
        loss=credit.sum(-1) + 2,
        entropy=np.full(WINDOWS, 2.0),
    )
    size = np.sqrt(square)
    drift = credit / size
    assert np.abs(drift).max() <= 1
    assert standardised_gap(one) == pytest.approx((size * drift).sum(-1) / size.sum(-1), rel=1e-5)


def test_what_rests_has_no_dose(tmp_path: Path) -> None:
    rests = Dynamics.of([search(tmp_path / "rests", method="uniform", alpha={"lr": 0.0})])
    assert np.isnan(rests.searches["dose"]).all()


def test_an_empty_network_adds_nothing(tmp_path: Path) -> None:
    one = with_credit(search(tmp_path), 0.0, np.zeros(WINDOWS))
    assert measure(one) == {"dose": 0.0, "dose_peak": 0.0}


# The curve


def searches(
    curve: tuple[float, float] = (-2.0, 1.5), odd: float = 0.0, noise: float = 0.0
) -> pd.DataFrame:
    """Forty searches on a curve; `odd` is what the method `other` lies above it."""
    chance = np.random.default_rng(1)
    rows = []
    for place in range(8):
        method = ("dsnas", "darts", "snas", "other")[place % 4]
        for seed in range(5):
            dose = -2 + place * 0.6 + 0.1 * seed
            end = expit(curve[0] + curve[1] * dose) + (odd if method == "other" else 0.0)
            end = float(np.clip(end + noise * chance.normal(), 0, 1))
            rows.append(
                {
                    **{"search": f"{place}_{seed}", "condition": str(place), "method": method},
                    **{"alpha_learns": True, "intervened": False, "level": "single"},
                    **{"dose": dose, "none_input_final": end, "none_intermediate_final": end},
                    **{"dose_peak": max(dose, 0.0), "none_input_peak": max(end, 0.125)},
                    "none_intermediate_peak": max(end, 0.125),
                }
            )
    return pd.DataFrame(rows)


@settings(deadline=None, max_examples=25)
@given(st.floats(-3, 1), st.floats(-3, 3))
def test_the_curve_is_found(start: float, slope: float) -> None:
    dose = np.linspace(-2, 3, 30)
    found = logistic(dose, expit(start + slope * dose))
    assert found == pytest.approx((start, slope), abs=1e-3)


def test_a_fit_says_how_good_it_is() -> None:
    found = fits(searches(noise=0.02), 0.95)
    assert [(fit.moment, fit.edge_class) for fit in found] == [
        *product(("end", "peak"), ("input", "intermediate"))
    ]
    for fit in found[:2]:
        assert fit.slope == pytest.approx(1.5, abs=0.2)
        assert fit.low is not None
        assert fit.high is not None
        assert fit.low < 1.5 < fit.high
        assert fit.high - fit.low < 1
        assert fit.explained > 0.95
        assert fit.rank > 0.95
        low, high = fit.band(np.array([0.0, 1.0]))
        assert (low < fit.curve(np.array([0.0, 1.0]))).all()
        assert (fit.curve(np.array([0.0, 1.0])) < high).all()
        assert not any(row.differs for row in fit.residuals if abs(row.mean) < 0.002)
    shuffled = searches(noise=0.02)
    shuffled["dose"] = np.random.default_rng(0).permutation(shuffled["dose"])
    assert fits(shuffled, 0.95)[0].explained < 0.2


def test_the_method_that_does_not_obey_is_named() -> None:
    (fit, *_) = fits(searches(odd=-0.15, noise=0.005), 0.95)
    left = {row.method: row for row in fit.residuals}
    assert min(left, key=lambda name: left[name].mean) == "other"
    assert left["other"].differs
    # The others are held against a curve that this one bends; less than its own distance.
    assert all(abs(left[name].mean) < 0.1 for name in ("dsnas", "darts", "snas"))


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_searches_have_no_curve(count: int, tmp_path: Path) -> None:
    few = searches().head(count)
    assert fits(few, 0.95) == []
    with styled():
        check(draw_dose(Dynamics(few)), tmp_path / "dose.svg")


def test_interventions_and_resting_searches_have_no_say() -> None:
    table = searches()
    table.loc[::2, "intervened"] = True
    table.loc[1::4, "alpha_learns"] = False
    assert fits(table, 0.95)[0].searches == 10


def test_one_condition_has_a_curve_without_an_interval() -> None:
    fit = fits(searches().head(5), 0.95)[0]
    assert fit.low is None
    assert fit.residuals == ()


def test_the_figure_can_be_read(tmp_path: Path) -> None:
    with styled():
        check(draw_dose(Dynamics(searches(noise=0.05))), tmp_path / "dose.svg")
        found = [
            search(tmp_path / name, method=method, level=level, seed=seed)
            for name, method, level in (("a", "dsnas", "single"), ("b", "darts", "bi"))
            for seed in (0, 1)
        ]
        check(draw_dose(Dynamics.of(found)), tmp_path / "dose.svg")
