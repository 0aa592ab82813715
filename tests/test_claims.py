from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from tests.synthetic import config, deepens, fails, grows, stays, write_search
from wiring.claims.contrasts import contrast
from wiring.claims.interval import interval
from wiring.claims.judge import Verdict, judge, of_the_end
from wiring.claims.judgement import read, write
from wiring.claims.power import detectable
from wiring.claims.thresholds import BEGIN, END, check_thresholds, thresholds_table
from wiring.config import ClaimsConfig, Edge, ScaleConfig
from wiring.dynamics import Dynamics
from wiring.errors import InputError
from wiring.patterns import CLAIMS
from wiring.study import read_study
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
SEEDS = 5


def verdicts(
    root: Path,
    courses: Callable[[int], Any] = lambda _: grows,
    seeds: int = SEEDS,
    level: str = "single",
    alpha: dict[str, float] | None = None,
    settings: Callable[[int], dict[str, Any]] = lambda _: {},
    reading: str = "settled",
    tail: int = 5,
    **changes: Any,
) -> dict[str, Verdict]:
    """By claim: of one reading, and of what is read over the whole search."""
    searches = [
        Trajectory.read(
            write_search(
                root,
                config(seed=seed, level=level, alpha=alpha or {}, **changes),
                courses(seed),
                noise=0.003,
                tail=tail,
                **settings(seed),
            )
        )
        for seed in range(seeds)
    ]
    found = judge(ClaimsConfig(), Dynamics.of(searches))
    return {each.claim: each for each in found if each.reading in (reading, "whole")}


@pytest.mark.parametrize(
    ("settled", "published", "told"),
    [
        ("reproduced", "not reproduced", "settled"),
        ("unfinished", "reproduced", "published"),
        ("inconclusive", "unfinished", "settled"),
        ("unfinished", "unfinished", "settled"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_of_two_readings_the_end_is_told_if_it_is_finished(
    tmp_path: Path, settled: Any, published: Any, told: str, order: int
) -> None:
    one = verdicts(tmp_path)["P1"]
    rows = [
        replace(one, reading="settled", verdict=settled),
        replace(one, reading="published", verdict=published),
    ][::order]
    other = replace(one, claim="F1", reading="whole")
    assert [row.reading for row in of_the_end([*rows, other])] == [told, "whole"]
    assert len(of_the_end([*rows, *(replace(row, condition="elsewhere") for row in rows)])) == 2


def half(one: Any, other: Any) -> Callable[[int], Any]:
    """Seeds that disagree: one thing on even seeds, another on odd ones."""
    return lambda seed: other if seed % 2 else one


def returns_in_order(edge: Edge, time: float) -> float:
    """Every edge is dropped and comes back, input edges first."""
    return 0.9 if 0.2 < time < (0.6 if edge.kind == "input" else 0.9) else 0.03


def returns_reversed(edge: Edge, time: float) -> float:
    """Every edge is dropped and comes back, intermediate ones first."""
    return 0.9 if 0.2 < time < (0.9 if edge.kind == "input" else 0.6) else 0.03


def returns_alone(edge: Edge, time: float) -> float:
    """All are dropped, one comes back: of edges that come back there is one."""
    return returns_in_order(edge, time) if str(edge) == "0-2" else fails(edge, time)


def input_only(edge: Edge, time: float) -> float:
    """The reverse of width: none gains on input edges alone."""
    return stays(edge, time) if edge.kind == "intermediate" else fails(edge, time)


@pytest.mark.parametrize(
    ("claim", "courses", "level", "verdict"),
    [
        ("P1", lambda _: grows, "single", "reproduced"),
        ("P1", lambda _: stays, "single", "not reproduced"),
        ("P1", lambda _: fails, "single", "not reproduced"),
        ("P1", lambda _: returns_alone, "single", "not reproduced"),
        ("P1-order", lambda _: returns_in_order, "single", "reproduced"),
        ("P1-order", lambda _: returns_reversed, "single", "not reproduced"),
        ("P1-order", half(returns_in_order, returns_reversed), "single", "inconclusive"),
        ("P1", lambda seed: grows if seed == 0 else stays, "single", "inconclusive"),
        ("P2", lambda _: grows, "single", "reproduced"),
        ("P2", lambda _: input_only, "single", "not reproduced"),
        ("P2", lambda _: stays, "single", "not reproduced"),
        ("P2", half(grows, input_only), "single", "inconclusive"),
        ("P2-shape", lambda _: grows, "single", "reproduced"),
        ("P2-shape", lambda _: deepens, "single", "not reproduced"),
        ("P2-shape", lambda _: stays, "single", "inconclusive"),  # every edge: nothing to choose
        ("P2-shape", half(grows, deepens), "single", "inconclusive"),
        ("P3", lambda _: fails, "bi", "reproduced"),
        ("P3", lambda _: grows, "bi", "not reproduced"),
        ("P3", half(fails, grows), "bi", "inconclusive"),
    ],
)
def test_wiring_claims(
    tmp_path: Path, claim: str, courses: Callable[[int], Any], level: str, verdict: str
) -> None:
    assert verdicts(tmp_path, courses, level=level)[claim].verdict == verdict


ABOVE = {"loss": lambda _: 2.0, "entropy": lambda _: 1.0}
BELOW = {"loss": lambda _: 0.5, "entropy": lambda _: 1.5}
RISES = {"entropy": lambda time: 2.2 - 3 * time}


@pytest.mark.parametrize(
    ("claims", "settings", "verdict"),
    [
        (("P3-cause",), lambda _: ABOVE, "reproduced"),
        (("P3-cause",), lambda _: BELOW, "not reproduced"),
        (("P3-cause",), half(ABOVE, BELOW), "inconclusive"),
        (("M-correct", "M-wrong"), lambda _: {}, "reproduced"),
        (("M-correct", "M-wrong"), lambda _: {"right_sign": False}, "not reproduced"),
        (("M-correct", "M-wrong"), half({}, {"right_sign": False}), "inconclusive"),
        (("M-follows",), lambda _: {}, "reproduced"),
        (("M-follows",), lambda _: RISES, "not reproduced"),
        (("M-follows",), half({}, RISES), "inconclusive"),
        (("M-correct-each", "M-wrong-each"), lambda _: {}, "reproduced"),
        (("M-correct-each", "M-wrong-each"), lambda _: {"right_sign": False}, "not reproduced"),
        (("M-correct-each", "M-wrong-each"), half({}, {"right_sign": False}), "inconclusive"),
        (("F1", "F3-inner", "F3-total"), lambda _: {}, "reproduced"),
        (("F1", "F3-inner", "F3-total"), lambda _: {"residual": 0.2}, "not reproduced"),
        (("F1", "F3-inner", "F3-total"), half({}, {"residual": 0.2}), "inconclusive"),
        (("F2",), lambda _: {}, "reproduced"),
    ],
)
def test_mechanism_and_laws(
    tmp_path: Path, claims: tuple[str, ...], settings: Callable[[int], Any], verdict: str
) -> None:
    train = {"epochs": 20, "followed_samples": 20}
    found = verdicts(tmp_path, level="bi", settings=settings, train=train)
    assert {claim: found[claim].verdict for claim in claims} == dict.fromkeys(claims, verdict)


def test_claims_are_judged_only_where_they_apply(tmp_path: Path) -> None:
    everywhere = {"M-correct", "M-wrong", "M-follows", "F1", "F2", "F3-inner", "F3-total"}
    single = verdicts(tmp_path / "a")
    bi = verdicts(tmp_path / "b", level="bi")
    frozen = verdicts(tmp_path / "c", alpha={"lr": 0.0})
    skipping = verdicts(tmp_path / "d", settings=lambda _: {"skip": lambda _: 0.2})
    uniform = verdicts(tmp_path / "e", alpha={"lr": 0.0}, method="uniform")
    train = {"epochs": 20, "followed_samples": 4}
    followed = verdicts(tmp_path / "f", level="bi", train=train)
    assert set(single) == everywhere | {"P1", "P1-order", "P2", "P2-shape", "M-charge"}
    unordered = verdicts(tmp_path / "h", lambda _: stays)
    assert set(unordered) == set(single) - {"P1-order"}
    assert set(bi) == everywhere | {"P3", "P3-cause", "M-charge"}
    held_out = verdicts(tmp_path / "g", alpha={"lr": 0.0}, level="bi")
    assert set(frozen) == everywhere | {"E0-growth"}
    assert set(held_out) == everywhere | {"E0-failure"}
    assert set(uniform) == set(frozen) | {"P2-cause"}
    assert set(followed) == set(bi) | {"M-correct-each", "M-wrong-each"}
    assert set(skipping) == set(single)  # the laws hold with skip, too
    assert set(CLAIMS) == set().union(single, bi, uniform, held_out, followed)


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        (lambda _: {"inner": 0.1}, "reproduced"),
        (lambda _: {"inner": -0.1}, "not reproduced"),
        (half({"inner": 0.1}, {"inner": -0.1}), "inconclusive"),
    ],
)
def test_cost_of_intermediate_edges(
    tmp_path: Path, settings: Callable[[int], Any], verdict: str
) -> None:
    found = verdicts(tmp_path, alpha={"lr": 0.0}, method="uniform", settings=settings)
    assert found["P2-cause"].verdict == verdict
    expected = np.mean([settings(seed)["inner"] for seed in range(SEEDS)])
    assert found["P2-cause"].effect == pytest.approx(expected, abs=1e-6)


def test_contrasts_are_paired_differences(tmp_path: Path) -> None:
    folders = []
    for seed in range(SEEDS):
        for variant, course in (("free", grows), ("same", grows), ("cut", fails)):
            search = config(seed=seed, variant=variant)
            folders.append(write_search(tmp_path, search, course, noise=0.003, tail=5))
    dynamics = Dynamics.of([Trajectory.read(folder) for folder in folders])
    found = {(c.variant, c.statistic): c for c in contrast(ClaimsConfig(), dynamics)}
    assert {variant for variant, _ in found} == {"same", "cut"}
    for (variant, statistic), one in found.items():
        assert one.seeds == tuple(range(SEEDS))
        if variant == "same":  # equal seeds, equal courses
            assert one.values == (0.0,) * SEEDS, statistic
            assert one.differs is False
    cut = found["cut", "P(none) 0-3"]
    last = dynamics.edges[(dynamics.edges["edge"] == "0-3")].groupby("search")["p_none"].last()
    for seed, value in zip(cut.seeds, cut.values, strict=True):
        name = f"E1_dsnas_single_digits_{{}}_s{seed}"
        assert value == pytest.approx(last[name.format("cut")] - last[name.format("free")])
    assert cut.differs
    assert cut.effect > 0.8
    assert found["cut", "edges_selected"].effect == -4
    assert not contrast(ClaimsConfig(baseline="other"), dynamics)


def test_one_seed_decides_a_law_but_no_tendency(tmp_path: Path) -> None:
    found = verdicts(tmp_path, seeds=1)
    assert found["P1"].verdict == "inconclusive"
    assert found["P1"].low is None
    assert found["P1"].note == "one seed gives no interval"
    assert found["F1"].verdict == "reproduced"
    assert found["F1"].note == "one seed"


def test_effect_size_has_the_sign_of_the_claim(tmp_path: Path) -> None:
    found = verdicts(tmp_path, settings=lambda seed: {"residual": 1e-6 * (1 + seed)})
    width, direct = found["P2"], found["F1"]
    spread = np.std(width.values, ddof=1)
    assert width.effect_size == pytest.approx((np.mean(width.values) - 0.05) / spread)
    assert width.effect_size > 0
    assert direct.effect_size is not None
    assert direct.effect_size > 0


def test_intervals() -> None:
    assert interval([0.3], 0.95)[:3] == (None, None, "none")
    assert interval([0.3, 0.3, 0.3], 0.95)[:3] == (0.3, 0.3, "range")

    low, high, method, note = interval([0.0, 1.0, 2.0], 0.95)
    # By hand: 1 -+ 4.3027 * 1 / sqrt(3).
    assert (low, high) == pytest.approx((1 - 2.4841, 1 + 2.4841), abs=1e-4)
    assert method == "Student t"
    assert "weak: 3 seeds" in note

    sample = [0.1, 0.4, 0.35, 0.8, 0.2, 0.55]
    twin = stats.bootstrap((sample,), np.mean, n_resamples=9999, method="BCa", rng=0)
    assert interval(sample, 0.95)[:2] == tuple(twin.confidence_interval)
    assert interval(sample, 0.95) == interval(sample, 0.95)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8), st.floats(0.5, 0.98))
@settings(max_examples=40, deadline=None)
def test_interval_contains_the_mean_and_widens(values: list[float], confidence: float) -> None:
    low, high, _, _ = interval(values, confidence)
    wide_low, wide_high, _, _ = interval(values, 0.99)
    assert low is not None
    assert high is not None
    assert wide_low is not None
    assert wide_high is not None
    slack = 1e-9 * (1 + max(map(abs, values)))
    assert wide_low - slack <= low <= high <= wide_high + slack


def test_student_interval_covers() -> None:
    """A simulation of three normal seeds: 95% of the intervals hold the true mean."""
    random = np.random.default_rng(0)
    hits = 0
    for sample in random.normal(size=(2000, 3)):
        low, high, _, _ = interval(sample, 0.95)
        assert low is not None
        assert high is not None
        hits += low <= 0 <= high
    assert 0.935 < hits / 2000 < 0.965


def test_file_holds_every_number_and_reads_back(tmp_path: Path) -> None:
    verdicts(tmp_path / "trajectories")
    paths = (tmp_path / "trajectories").iterdir()
    dynamics = Dynamics.of([Trajectory.read(path) for path in paths])
    found = judge(ClaimsConfig(), dynamics)
    write(ClaimsConfig(), dynamics, tmp_path / "claims.json")
    content = json.loads((tmp_path / "claims.json").read_text())
    assert read(tmp_path / "claims.json").verdicts == found
    assert set(content["claims"]) == set(CLAIMS)
    assert content["claims"]["P1"]["threshold"] == content["config"]["thresholds"]["growth"] == 0.25
    assert "have come back" in content["claims"]["P1"]["definition"]


@pytest.mark.parametrize(
    ("thresholds", "says"),
    [
        ({"growth": 2.0}, r"claims\.thresholds\.growth: expected 0 to 1, got 2\.0"),
        ({"follows": -1.5}, r"claims\.thresholds\.follows: expected -1 to 1, got -1\.5"),
        ({"path": 0.0}, r"claims\.thresholds\.path: expected any number above 0, got 0\.0"),
        (
            {"grwoth": 0.1},
            r"claims\.thresholds\.grwoth: unknown threshold, expected one of growth_cause, ",
        ),
    ],
)
def test_thresholds_are_validated(thresholds: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        check_thresholds(ClaimsConfig(thresholds=thresholds))


def test_claims_of_a_scale_are_validated() -> None:
    with pytest.raises(ValidationError, match="unknown"):
        ClaimsConfig.model_validate({"unknown": 1})
    with pytest.raises(ValidationError, match="growth"):
        ClaimsConfig.model_validate({"thresholds": {"growth": "much"}})
    assert ScaleConfig.model_fields["claims"].default == ClaimsConfig()
    check_thresholds(ClaimsConfig(thresholds={"growth": 1, "wider": -7.5}))


def test_a_scale_files_thresholds_are_checked_before_anything_runs(tmp_path: Path) -> None:
    text = (ROOT / "config/smoke.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text + "\nclaims: {thresholds: {growth: 3}}\n")
    with pytest.raises(InputError, match=r"mine\.yaml: claims\.thresholds\.growth: expected 0"):
        read_study(path)


def test_a_scale_files_threshold_decides(tmp_path: Path) -> None:
    search = write_search(tmp_path, config(), grows)
    dynamics = Dynamics.of([Trajectory.read(search)])
    judged = judge(ClaimsConfig(thresholds={"direct": 1e-9}), dynamics)
    verdict = {each.claim: each for each in judged}["F1"]
    assert (verdict.threshold, verdict.verdict) == (1e-9, "not reproduced")


def test_every_threshold_is_documented() -> None:
    text = (ROOT / "config/README.md").read_text()
    assert text.split(BEGIN)[1].split(END)[0] == thresholds_table()


def test_a_studys_claims_are_its_experiments(tmp_path: Path) -> None:
    paths = []
    for name in ("E5", "E1"):
        search = write_search(tmp_path, config(experiment=name))
        paths.append(tmp_path / f"{name}.json")
        write(ClaimsConfig(), Dynamics.of([Trajectory.read(search)]), paths[-1])
    study = read(*paths)
    ones = [verdict for path in paths for verdict in read(path).verdicts]
    assert sorted(study.verdicts, key=ones.index) == ones
    assert [(v.experiment, v.reading) for v in study.verdicts if v.claim == "P1"] == [
        (experiment, reading) for experiment in ("E5", "E1") for reading in ("published", "settled")
    ]
    assert [v.claim for v in study.verdicts][:9] == [*4 * ["P1"], *4 * ["P1-order"], "P2"]
    other = ClaimsConfig(thresholds={"growth": 0.5})
    write(other, Dynamics.of([Trajectory.read(search)]), paths[1])
    with pytest.raises(InputError, match=r"E1\.json: config: differs, expected that of .*E5\.json"):
        read(*paths)


def test_what_became_of_a_wiring_is_read_twice(tmp_path: Path) -> None:
    """At 60% of its displacement nothing has come back; at its end it has."""

    def late(edge: Edge, time: float) -> float:  # noqa: ARG001
        return 0.9 if 0.1 < time < 0.85 else 0.03

    search = {"courses": lambda _: late, "settings": lambda _: {"displacement": 39.0}}
    published = verdicts(tmp_path, reading="published", **search)
    settled = verdicts(tmp_path, **search)
    assert published["P1"].verdict == "not reproduced"
    assert settled["P1"].verdict == "reproduced"
    assert published["F1"] == settled["F1"]
    assert {published[name].reading for name in ("P1", "P2", "F1")} == {"published", "whole"}


def test_what_is_unfinished_has_no_verdict(tmp_path: Path) -> None:
    """Too short for both readings; still moving at the end; and a wiring that never moved."""
    short = {"settings": lambda seed: {"displacement": 30.0 - 7 * (seed == 2)}}
    for reading in ("published", "settled"):
        found = verdicts(tmp_path / "short", reading=reading, **short)
        for claim in ("P1", "P2", "P2-shape"):
            assert found[claim].verdict == "unfinished"
            assert found[claim].note.startswith(
                "1 of 5 searches are unfinished: seed 2: alpha's displacement is 23 of 23.4"
            )
            assert found[claim].effect == pytest.approx(np.mean(found[claim].values))
        assert found["F1"].verdict == "reproduced"
    moving = {"courses": lambda _: fails, "level": "bi", "tail": 0}
    found = verdicts(tmp_path / "moving", reading="settled", **moving)
    assert found["P3"].verdict == "unfinished"
    assert "5 of 5 searches are unfinished: seed 0: P changed by 0.1" in found["P3"].note
    assert "over the last fifth of the steps, expected less than 0.01" in found["P3"].note
    assert found["P3-cause"].verdict == "reproduced"  # of the loss, not of the wiring
    found = verdicts(tmp_path / "moving", reading="published", **moving)
    assert found["P3"].verdict == "reproduced"


def test_a_wiring_that_never_left_its_start_has_no_verdict(tmp_path: Path) -> None:
    """P(none) moves by a tenth of, or ten times, four times its noise at the start (1.2e-4)."""
    for by, verdict in ((5e-5, "unfinished"), (5e-3, "not reproduced")):
        folders = [
            write_search(
                tmp_path / verdict,
                config(seed=seed),
                lambda _, time, by=by * (1 + seed / 10): 0.125 + by * time,
                tail=5,
            )
            for seed in range(2)
        ]
        dynamics = Dynamics.of([Trajectory.read(folder) for folder in folders])
        found = {(v.claim, v.reading): v for v in judge(ClaimsConfig(), dynamics)}
        growth = found["P1", "settled"]
        assert growth.verdict == verdict
        assert ("P(none) moved by" in growth.note) == (verdict == "unfinished")


def test_unfinished_searches_differ_in_nothing_that_counts(tmp_path: Path) -> None:
    folders = [
        write_search(tmp_path, config(seed=seed, variant=variant), course, noise=0.003)
        for seed in range(SEEDS)
        for variant, course in (("free", grows), ("cut", fails))
    ]
    one = config(seed=2, variant="cut")
    folders.append(write_search(tmp_path / "short", one, fails, noise=0.003, displacement=23.0))
    folders.remove(tmp_path / one.id)
    dynamics = Dynamics.of([Trajectory.read(folder) for folder in folders])
    found = {each.statistic: each for each in contrast(ClaimsConfig(), dynamics)}
    accuracy = found.pop("test_accuracy")
    assert accuracy.differs is not None  # whatever became of the wiring
    assert {each.differs for each in found.values()} == {None}
    said = "1 of 5 searches are unfinished: seed 2: alpha's displacement is 23 of 23.4"
    assert all(each.note.startswith(said) for each in found.values())


@pytest.mark.parametrize("seeds", [2, 3, 4])
def test_a_detectable_effect_is_seen_four_times_in_five(seeds: int) -> None:
    """By simulation, the true standard deviation known: normal seeds at that distance."""
    random = np.random.default_rng(seeds)
    # A sample whose standard deviation is the population's, 1.
    sample = stats.zscore(np.arange(seeds), ddof=1)
    low, high, method, _ = interval(sample.tolist(), 0.95)
    assert method == "Student t"
    distance = detectable(sample.tolist(), low, high)
    assert distance is not None
    others = random.normal(distance, 1, size=(20_000, seeds))
    half = stats.t.ppf(0.975, seeds - 1) * stats.sem(others, axis=1)
    seen = (others.mean(axis=1) - half > 0).mean()
    assert seen == pytest.approx(0.8, abs=0.01)


def test_more_seeds_see_smaller_effects_and_no_spread_sees_none() -> None:
    random = np.random.default_rng(1)
    found = []
    for seeds in (3, 5, 10, 40):
        sample = stats.zscore(random.normal(size=seeds), ddof=1).tolist()
        low, high, _, _ = interval(sample, 0.95)
        found.append(detectable(sample, low, high))
    assert all(found)
    assert found == sorted(found, reverse=True)
    # Many seeds: the normal approximation, (z_0.975 + z_0.8) / sqrt(n).
    assert found[-1] == pytest.approx((1.96 + 0.8416) / 40**0.5, rel=0.1)
    assert detectable([0.3], None, None) is None
    assert detectable([0.3, 0.3], 0.3, 0.3) is None


def test_a_verdict_says_what_its_seeds_could_have_seen(tmp_path: Path) -> None:
    found = verdicts(tmp_path)
    for claim in ("P2", "P2-shape", "M-follows"):
        one = found[claim]
        assert one.detectable == detectable(one.values, one.low, one.high)
    assert found["P2"].detectable
    assert found["F1"].detectable is None
