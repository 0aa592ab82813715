"""E0 and its rule: what is measured, who is chosen by it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic import config, stays, write_search
from tests.test_figures import check
from wiring.claims.judge import judge
from wiring.claims.judgement import read, write
from wiring.claims.regime import of_settings
from wiring.config import ClaimsConfig, Condition, ScaleConfig, load_scale, twins
from wiring.dynamics import Dynamics
from wiring.errors import InputError
from wiring.figures.catalogue import paths_of
from wiring.figures.regime import draw_regime
from wiring.figures.style import styled
from wiring.patterns.regime import PARTS, course
from wiring.study import read_study
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
REST: dict[str, Any] = {"experiment": "E0", "method": "uniform", "alpha": {"lr": 0.0}}


def gap_of(
    root: Path, gap: Callable[[float], float], level: str = "single", epochs: int = 40, **more: Any
) -> Trajectory:
    """A search at rest with this gap over its share of time (held-out: 0.3 more, as written)."""
    less = 0.3 if level == "bi" else 0.0
    search = config(**{**REST, "level": level, "train": {"epochs": epochs}, **more})
    folder = write_search(
        root, search, stays, loss=lambda time: 2 + gap(time) - less, entropy=lambda _: 2.0
    )
    return Trajectory.read(folder)


def row(*trajectories: Trajectory) -> Any:
    return Dynamics.of(trajectories).searches.iloc[0]


@pytest.mark.parametrize(
    ("gap", "above", "cause"),
    [
        (lambda time: 1 - 2 * time, 0.5, 0.5),  # half of the time above, then below
        (lambda time: 0.7 - time, 0.7, 0.7),
        (lambda _: 0.4, 1.0, 0.0),  # never turns: failure's cause, not growth's
        (lambda time: -1 + 2 * time, 0.5, 0.0),  # turns the other way
        (lambda _: -0.1, 0.0, 0.0),
    ],
)
def test_growth_needs_a_gap_above_zero_for_long_and_then_below(
    tmp_path: Path, gap: Callable[[float], float], above: float, cause: float
) -> None:
    found = row(gap_of(tmp_path, gap))
    assert found["gap_above"] == pytest.approx(above)
    assert found["growth_cause"] == pytest.approx(cause)
    assert np.isnan(found["failure_cause"])
    assert found["gap_first"] == pytest.approx((gap(0) + gap(1 / 39)) / 2)
    assert found["gap_last"] == pytest.approx((gap(1) + gap(38 / 39)) / 2)


def test_failure_counts_held_out_windows(tmp_path: Path) -> None:
    found = row(gap_of(tmp_path, lambda time: 0.9 - time, "bi", epochs=101))
    assert found["failure_cause"] == pytest.approx(90 / 101, abs=0.011)


def test_frozen_epochs_have_no_say(tmp_path: Path) -> None:
    """Of 4 epochs that rest and 16 that train: above in the first 2 and the 8 after them."""
    train = {"epochs": 16, "frozen_epochs": 2}
    found = row(gap_of(tmp_path, lambda time: 1 if time < 9.5 / 19 else -1, train=train))
    assert found["growth_cause"] == pytest.approx(0.5)


@given(st.lists(st.tuples(st.floats(-2, 2), st.integers(1, 60)), min_size=1, max_size=120))
def test_the_course_is_a_mean_over_parts_of_the_steps(windows: list[tuple[float, int]]) -> None:
    gap, steps = (np.array(values, float) for values in zip(*windows, strict=True))
    total, done = int(steps.sum()), 0
    parts: dict[int, list[float]] = {}
    for value, count in windows:
        # Exact: the middle in half steps.
        part = (2 * done + count) * PARTS // (2 * total)
        parts.setdefault(part, []).extend([value] * count)
        done += count
    twin = [np.mean(parts[part]) for part in sorted(parts)]
    assert course(gap, steps) == pytest.approx(twin, abs=1e-9)


# Who is chosen

CHOSEN: dict[str, Any] = {
    "scale": "mine",
    "datasets": {"digits": {"source": "digits", "test_fraction": 0.2}},
    "defaults": {"space": {"cells": 2}, "train": {"epochs": 30}},
    "methods": {"uniform": {"alpha": {"lr": 0.0}}},
    "experiments": {
        "E0": {
            "title": "t",
            "methods": ["uniform", "darts"],
            "levels": ["single", "bi"],
            "datasets": ["digits"],
            "seeds": [0, 1, 2, 3, 4],
            "variants": {"w": {"weights": {"lr": 0.3}}, "v": {}},
            "overrides": [{"method": "darts", "set": {"alpha": {"lr": 0.0}}}],
        },
        "E1": {
            "title": "t",
            "methods": ["dsnas", "darts"],
            "levels": ["single"],
            "datasets": ["digits"],
            "seeds": [10],
            "variants": {"slow": {"weights": {"lr": 0.3}}, "fast": {"train": {"epochs": 5}}},
        },
    },
    "regime": {
        "experiments": ["E0"],
        "measured_by": {"dsnas": "uniform", "darts": "darts"},
        "chosen": {"E1": ["slow"]},
    },
}


def scale_with(**changes: object) -> dict[str, Any]:
    raw = json.loads(json.dumps(CHOSEN))
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = raw
        for key in parents:
            place = place[key]
        place[last] = value
    return raw


def of_e1(method: str, variant: str) -> Condition:
    return Condition("E1", method, "single", "digits", variant)


def test_a_search_is_measured_by_the_one_that_differs_in_alpha_alone() -> None:
    scale = ScaleConfig.model_validate(CHOSEN)
    assert twins(scale, "E0") == {
        of_e1("dsnas", "slow"): Condition("E0", "uniform", "single", "digits", "w"),
        of_e1("darts", "slow"): Condition("E0", "darts", "single", "digits", "w"),
    }
    assert twins(scale, "E1") == {}
    # What is only recorded makes no other setting.
    recorded = {"windows_per_epoch": 3, "followed_samples": 4, "curvature_every": 2}
    changed = scale_with(
        experiments__E1__variants__slow={"train": recorded, "weights": {"lr": 0.3}}
    )
    assert len(twins(ScaleConfig.model_validate(changed), "E0")) == 2


@pytest.mark.parametrize(
    ("path", "value", "place", "said"),
    [
        ("regime__experiments", ["E0", "E9"], "regime.experiments.1", "unknown experiment 'E9'"),
        ("regime__experiments", ["E1"], "regime.experiments.0", "alpha learns in E1_dsnas_single"),
        ("regime__experiments", [], "regime.experiments", "at least 1"),
        ("regime__measured_by__snas", "darts", "regime.measured_by.snas", "no experiment whose"),
        ("regime__measured_by__darts", "gdas", "regime.measured_by.darts", "rests has 'gdas'"),
        ("regime__chosen__E7", ["slow"], "regime.chosen.E7", "unknown experiment"),
        ("regime__chosen__E1", ["slaw"], "regime.chosen.E1.0", "unknown variant 'slaw'"),
        (
            "regime__chosen__E1",
            ["fast"],
            "regime.chosen.E1",
            "other settings than that of E1_dsnas_single",
        ),
        ("regime__measured_by", {}, "regime.measured_by", "at least 1"),
        ("regime__thresholds", {}, "regime.thresholds", "unknown key"),
        ("claims", {"thresholds": {"growth_cause": 1.5}}, "claims.thresholds", "0 to 1"),
        (
            "experiments__E0__variants",
            {"v": {}, "u": {"weights": {"lr": 0.1}}},
            "regime.experiments",
            "no search has a setting that is measured there",
        ),
    ],
)
def test_a_rule_that_cannot_choose_is_refused_where_it_stands(
    tmp_path: Path, path: str, value: object, place: str, said: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(scale_with(**{path: value})))
    with pytest.raises(InputError) as caught:
        read_study(file)
    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"{file}: {place}") and said in line for line in lines), lines


def test_a_rule_that_can_choose_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(CHOSEN))
    assert read_study(file).regime is not None


@pytest.mark.parametrize(
    "name",
    [path.stem for path in (ROOT / "config").glob("*.yaml") if "regime:" in path.read_text()],
)
def test_each_shipped_choice_was_measured(name: str) -> None:
    scale = load_scale(ROOT / f"config/{name}.yaml")
    assert scale.regime is not None
    measured = {}
    for experiment in scale.regime.experiments:
        measured |= twins(scale, experiment)
    for search in scale.searches().values():
        if search.variant in scale.regime.chosen.get(search.experiment, ()):
            assert search.condition in measured
            assert name == "smoke" or search.seed >= 10  # no trial has used them


# The verdict


def measured(root: Path, turn: float) -> Dynamics:
    """E0 of :data:`CHOSEN` as if sampled operations had a gap above 0 for this share of time."""
    searches = [
        gap_of(root, lambda time: turn - time, level, 20, seed=seed, variant="w")
        for level in ("single", "bi")
        for seed in range(5)
    ]
    return Dynamics.of(searches)


@pytest.mark.parametrize(("turn", "verdict"), [(0.6, "reproduced"), (0.1, "not reproduced")])
def test_a_verdict_on_a_setting_is_one_on_each_search_that_has_it(
    tmp_path: Path, turn: float, verdict: str
) -> None:
    dynamics = measured(tmp_path, turn)
    scale = ScaleConfig.model_validate(CHOSEN)
    write(ClaimsConfig(), dynamics, tmp_path / "claims.json", twins(scale, "E0"))
    found = [one for one in read(tmp_path / "claims.json").verdicts if one.experiment == "E1"]
    assert [(one.claim, one.condition, one.verdict) for one in found] == [
        ("E0-growth", str(of_e1("dsnas", "slow")), verdict)
    ]
    assert found[0].note.startswith("measured by E0_uniform_single_digits_w")
    assert found[0].variant == "slow"
    (own,) = (
        one
        for one in judge(ClaimsConfig(), dynamics)
        if (one.claim, one.level) == ("E0-failure", "bi")
    )
    assert own.verdict == ("not reproduced" if turn < 0.8 else "reproduced")


def test_other_verdicts_stay_where_they_are(tmp_path: Path) -> None:
    verdicts = judge(ClaimsConfig(), measured(tmp_path, 0.5))
    here = {Condition(*verdict.condition.split("_")): verdict for verdict in verdicts}
    found = of_settings(verdicts, {of_e1("dsnas", "slow"): next(iter(here))})
    assert {one.claim for one in found} <= {"E0-growth", "E0-failure"}


def test_its_page_has_its_figure_which_can_be_read(tmp_path: Path) -> None:
    assert "regime.svg" in paths_of(ScaleConfig.model_validate(CHOSEN), "E0")
    assert "regime.svg" not in paths_of(ScaleConfig.model_validate(CHOSEN), "E1")
    searches = [
        gap_of(tmp_path, partial(float.__sub__, turn), level, seed=seed, **more)
        for level in ("single", "bi")
        for turn, more in (
            (0.5, {"variant": "8-cells-rate-0.3"}),
            (0.2, {"variant": "w"}),
            (0.9, {"variant": "w", "method": "darts"}),
            (-0.5, {"variant": "few", "dataset": "digits-noisy"}),
        )
        for seed in (0, 1)
    ]
    with styled():
        check(draw_regime(Dynamics.of(searches)), tmp_path / "regime.svg")
