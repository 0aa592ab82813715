"""The audit: who pays, budget, answers, differences, and the whole of a small one."""

# ruff: noqa: ARG001, ARG002, ARG005 (a course takes edge and time, whether it looks at them or not)

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import time
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests import synthetic
from tests.looks import Look
from tests.synthetic import fails, grows, stays, write_search
from tests.terminals import Terminal
from tools import field as tools_field
from tools.browser import CHROMIUM
from wiring.audit import budget
from wiring.audit import run as audit
from wiring.audit.budget import Timing, makespan, plan
from wiring.audit.design import METHODS, data_of, design, written
from wiring.claims.answers import NOTHING, Answer, answers
from wiring.claims.judgement import read as read_claims
from wiring.claims.judgement import write as write_claims
from wiring.claims.paired import differences
from wiring.cli import BAD_INPUT, FAILED, app
from wiring.config import AuditConfig, ClaimsConfig, ScaleConfig, SpaceConfig, load_scale, plugins
from wiring.dynamics import Dynamics, build
from wiring.errors import InputError
from wiring.figures.draw import draw_overview
from wiring.methods import charge as charges
from wiring.methods.ask import charge, charge_of
from wiring.methods.charge import Charge
from wiring.methods.check import faults_of
from wiring.methods.common import probabilities, sample, strongest
from wiring.methods.gdas import GDAS
from wiring.methods.protocol import Context
from wiring.methods.settings import GDASSettings
from wiring.report import audit_lines, write_audit
from wiring.report.field import field
from wiring.space import Candidates
from wiring.trajectory import Trajectory

ROOT = Path(__file__).parents[1]
OBEYS = Charge(1.0, 0.0, 0.1, pushed=False, keeps_none=True, decides=False)
LEVELS = {"single": 20, "bi": 10}
AGAINST = AuditConfig(methods=("dsnas",), against=("darts",))


# Who pays.


def test_of_the_built_in_methods_only_proxylessnas_pays_for_what_it_does_not_take() -> None:
    names = [name for name in plugins.built_in(plugins.METHODS) if name != "uniform"]
    found = {name: charge(name) for name in names}
    assert {name for name, one in found.items() if one.untaken > 0} == {"proxylessnas"}
    # Of a pair with equal weights each op's cost counts alike, and one of the two is open.
    assert found["proxylessnas"].untaken == pytest.approx(0.5, abs=0.05)
    assert found["proxylessnas"].evaluated == 2
    assert all(one.none_gains > 0 for one in found.values())
    assert {name for name, one in found.items() if one.decides} == {"sgas", "darts-pt"}
    assert {name for name, one in found.items() if not one.keeps_none} == {"fairdarts"}
    assert {name for name, one in found.items() if one.pushed} == {
        *("beta-darts", "drnas", "fairdarts")
    }


def test_a_gain_of_none_by_hand() -> None:
    """DARTS at alpha 0: dZ_none = -p (0 - 7p) and the others' dZ = -p (1 - 7p), p = 1/8."""
    p = 1 / 8
    assert charge("darts").none_gains == pytest.approx(p * 7 * p + p * (1 - 7 * p), rel=1e-5)
    assert charge("gaea").none_gains == pytest.approx(1, rel=1e-5)


def test_a_method_that_pays_for_everything_that_it_did_not_take() -> None:
    class Jealous:
        def draw(self, alpha: Any, candidates: Any, generator: Any, context: Any) -> Any:
            draw = sample(probabilities(alpha.detach(), candidates), generator)
            return type(draw)(draw.gates, candidates.columns)

        def gradient(self, alpha: Any, candidates: Any, draw: Any, cost: Any, context: Any) -> Any:
            return cost * (1 - draw.gates)

        def evaluation(self, alpha: Any, candidates: Any) -> Any:
            return strongest(alpha, candidates)

    found = charge_of(Jealous())
    assert found.untaken == 1
    assert not found.obeys
    assert "100%" in found.reason


def test_charges_are_read_as_they_were_written(tmp_path: Path) -> None:
    charges.write({"mine": OBEYS}, tmp_path / "c.json")
    assert charges.read(tmp_path / "c.json") == {"mine": OBEYS}
    (tmp_path / "c.json").write_text('{"mine": {"evaluated": "x"}}')
    with pytest.raises(InputError, match=r"mine\.evaluated"):
        charges.read(tmp_path / "c.json")


# The budget.


@given(st.lists(st.floats(0.1, 9), min_size=1, max_size=6), st.integers(1, 3))
def test_the_last_job_ends_no_earlier_than_in_the_best_order(jobs: list[float], cores: int) -> None:
    best = min(
        max(
            sum(job for job, own in zip(jobs, chosen, strict=True) if own == core)
            for core in range(cores)
        )
        for chosen in itertools.product(range(cores), repeat=len(jobs))
    )
    found = makespan(jobs, cores)
    assert best - 1e-9 <= found <= best * (4 / 3) + 1e-9  # Graham 1969
    assert makespan(jobs, 1) == pytest.approx(sum(jobs))


@given(st.floats(0.001, 0.05), st.floats(15, 60), st.integers(1, 4))
def test_a_plan_keeps_its_budget_and_wastes_little_of_it(
    step: float, minutes: float, cores: int
) -> None:
    timings = {(m, level): Timing(step, 0.1, 1.0) for m in "ab" for level in LEVELS}
    try:
        chosen = plan(timings, LEVELS, minutes, cores)
    except InputError:
        assert 6 * budget.FEWEST * step * 4 / cores > 60 * minutes * budget.SHARE / 2
        return
    assert chosen.seconds <= 60 * minutes
    steps = {level: chosen.epochs[level] * LEVELS[level] for level in LEVELS}
    reached = steps["single"] >= budget.MOST
    assert chosen.missing == (() if reached else ("single",))
    assert steps["bi"] >= budget.FEWEST
    assert steps["bi"] == pytest.approx(steps["single"], abs=20)

    def takes(seeds: int, more: int = 0) -> float:
        length = {
            level: count + more * 20 // LEVELS[level] for level, count in chosen.epochs.items()
        }
        jobs = [
            budget.START + seeds * timing.seconds(length[level] * LEVELS[level], length[level])
            for (_, level), timing in timings.items()
        ]
        return (budget.REST + makespan(jobs, cores)) / budget.SHARE

    if not reached:
        assert takes(chosen.seeds, more=1) > 60 * minutes
    elif chosen.seeds < 5:
        assert takes(chosen.seeds + 1) > 60 * minutes


def test_too_few_minutes_are_refused_with_how_many_would_do() -> None:
    timings = {("a", "single"): Timing(0.1, 0.0, 0.0)}
    with pytest.raises(InputError, match=r"--minutes: 2 are too few") as refused:
        plan(timings, {"single": 20}, 2, 1, 5)
    enough = int(re.search(r"expected (\d+) or more", str(refused.value))[1])  # type: ignore[index]
    assert plan(timings, {"single": 20}, enough, 1, 5).seeds == 5
    with pytest.raises(InputError):
        plan(timings, {"single": 20}, enough - 1, 1, 5)


def test_fewer_seeds_before_no_plan() -> None:
    timings = {("a", "single"): Timing(0.2, 0.0, 0.0)}
    assert plan(timings, {"single": 20}, 6, 1)[1::2] == (3, ("single",))
    assert plan(timings, {"single": 20}, 60, 1)[1::2] == (5, ())


# The scale file.


def test_what_is_written_is_a_scale_that_says_all(tmp_path: Path) -> None:
    chosen = budget.Plan({"single": 10, "bi": 20}, 3, 60.0)
    raw = design("mine", ["gdas"], ["dsnas", "gaea"], data_of(None), 48, chosen)
    path = tmp_path / "mine.yaml"
    path.write_text(written(raw, ["a remark"]))
    scale = load_scale(path)
    searches = scale.searches()
    assert len(searches) == 3 * (3 * 2 + 1)
    assert searches["A1_gdas_bi_digits-noisy_s2"].train.epochs == 20
    assert searches["A1_gaea_single_digits-noisy_s0"].alpha.lr == METHODS["gaea"]["alpha"]["lr"]
    assert {one.method for one in searches.values() if one.experiment == "A2"} == {"uniform"}
    assert scale.audit == AuditConfig(methods=("gdas",), against=("dsnas", "gaea"))
    assert "*id" not in path.read_text()


def test_data_by_source_by_scale_and_in_full() -> None:
    assert data_of("digits").config.test_fraction == 0.2
    assert data_of("digit-pairs").config.test_fraction is None  # it has a test set
    of_scale = data_of(f"{ROOT}/config/embedded.yaml:digits-noisy")
    assert (of_scale.name, of_scale.config.label_noise) == ("digits-noisy", 0.4)
    assert data_of('{"source": "digits", "test_fraction": 0.3}').config.test_fraction == 0.3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mnist", "--data: unknown source 'mnist', expected one of"),
        (f"{ROOT}/config/embedded.yaml:mnist", "has no dataset 'mnist', expected one of digits"),
        ('{"source": "digits"}', "test_fraction"),
        ("{", "not valid JSON"),
        ("folder", "expected its name"),
    ],
)
def test_data_that_there_is_none_of(text: str, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        data_of(text)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nobody"], "unknown method 'nobody'"),
        (["uniform"], "uniform never learns"),
        (["gdas", "--against", "darts, uniform"], "uniform never learns"),
        (["gdas", "--against", "gdas"], "--against: gdas is audited itself"),
        (["gdas", "--against", "darts", "--name", "a/b"], "--name: 'a/b'"),
    ],
)
def test_the_command_refuses(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["audit", *words])
    assert result.exit_code == BAD_INPUT
    assert says in result.output
    assert not list(tmp_path.iterdir())


def test_make_asks_in_the_commands_words() -> None:
    data = '{"source": "digits", "test_fraction": 0.2}'
    said = ("METHOD=gdas snas", "AGAINST=dsnas", f"DATA={data}", "SEEDS=3", "MINUTES=5")
    words = ("make", "-n", "--no-print-directory", "-o", ".venv/.installed", "audit", *said)
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shlex.split(told.replace("\\\n", ""))[1:] == [
        *("wiring", "audit", "gdas", "snas", "--against", "dsnas", "--data", data),
        *("--seeds", "3", "--minutes", "5"),
    ]


def test_an_audit_names_methods_that_run() -> None:
    raw = design(
        "x", ["gdas"], ["darts"], data_of(None), 48, budget.Plan({"single": 1, "bi": 1}, 1, 0)
    )
    raw["audit"] = {"methods": ["gdas"], "against": ["snas"]}
    with pytest.raises(InputError, match=r"audit.against.0: no experiment uses snas"):
        ScaleConfig.model_validate(raw).searches()
    raw["audit"] = {"methods": ["gdas"], "against": ["gdas"]}
    with pytest.raises(ValueError, match="gdas stands twice"):
        ScaleConfig.model_validate(raw)


# The charge of a search.


def row(folder: Path) -> pd.Series[Any]:
    return Dynamics.of([Trajectory.read(folder)]).searches.iloc[0]


def test_none_that_follows_what_an_edge_is_charged(tmp_path: Path) -> None:
    """The synthetic charge is the gap, the same on each edge: it falls from above 0 to below."""
    search = synthetic.config(train={"epochs": 21})
    gap = {"loss": lambda time: 1.0 - 2 * time, "entropy": lambda time: 0.0}

    def course(sign: float) -> float:
        # Log odds whose increments fall with time, as the gap does.
        def none(edge: Any, time: float) -> float:
            return float(1 / (1 + np.exp(2 - sign * (time - time**2))))

        folder = write_search(tmp_path / str(sign), search, none, **gap)
        return float(row(folder)["none_follows_charge"])

    assert course(1) == pytest.approx(1, abs=0.02)
    assert course(-1) == pytest.approx(-1, abs=0.02)


def test_alignment_is_the_mean_cosine_of_pairs_of_cells(tmp_path: Path) -> None:
    search = synthetic.config(space={"cells": 3, "nodes": 2, "channels": 4}, train={"epochs": 3})
    found = Trajectory.read(write_search(tmp_path, search))
    cost = np.random.default_rng(0).normal(size=(3, 3, 5, 8))
    cost[:, :, 0, 1] = np.nan  # never evaluated
    changed = synthetic.altered(found, cost_mean=cost.reshape(3, -1))
    clean = torch.from_numpy(np.nan_to_num(cost.astype(np.float32)).astype(float)).flatten(2)
    wanted = [
        torch.cosine_similarity(clean[:, a], clean[:, b]).mean().item()
        for a, b in itertools.combinations(range(3), 2)
    ]
    assert Dynamics.of([changed]).searches["alignment"].iloc[0] == pytest.approx(np.mean(wanted))


# What is said.


def tables(
    root: Path, displacement: float | None = None, noise: float = 0.002, **courses: Any
) -> Dynamics:
    """The tables of three seeds of each method, single- and bi-level."""
    for method, course in courses.items():
        for level, seed in itertools.product(("single", "bi"), range(3)):
            changes = {"method": method, "level": level, "seed": seed}
            search = synthetic.config(**changes, alpha={"lr": 0.01})
            write_search(root, search, course, noise=noise, displacement=displacement)
    return Dynamics.of([Trajectory.read(path) for path in sorted(root.iterdir())])


def asked(charge: Charge, found: Dynamics) -> tuple[Answer, ...]:
    return answers(charge, found.searches, found.readings, 0.95)


def test_answers_of_searches_that_fail(tmp_path: Path) -> None:
    competes, decides, paths, keeps = asked(OBEYS, tables(tmp_path, dsnas=fails))
    assert (competes.word, keeps.word, paths.word) == ("yes", "no", "no")
    assert {line.word for line in competes.lines} == {"seen"}
    assert "charged for what it takes" in decides.design
    (line,) = keeps.lines
    assert line.where == "bi-level, digits"
    assert "0 (0 to 0) of 5 edges are kept" in line.sentence


def test_nothing_is_said_of_searches_that_did_not_leave_their_start(tmp_path: Path) -> None:
    found = asked(OBEYS, tables(tmp_path, noise=1e-4, dsnas=lambda edge, time: 0.125))
    assert [one.word for one in found] == ["yes", NOTHING, "no", NOTHING]
    assert all(
        line.word == NOTHING and "3 of 3 searches are unfinished: seed 0: P(none)" in line.sentence
        for line in found[3].lines
    )


def test_nothing_is_said_of_searches_that_end_too_early(tmp_path: Path) -> None:
    _, decides, _, keeps = asked(OBEYS, tables(tmp_path, displacement=20.0, dsnas=fails))
    assert keeps.word == "no"
    assert [line.where for line in decides.lines if line.word != NOTHING] == ["bi-level, digits"]
    (short,) = (line.sentence for line in decides.lines if line.word == NOTHING)
    assert "alpha's displacement is 20 of 23.4" in short


def test_reasons_why_the_law_does_not_apply(tmp_path: Path) -> None:
    found = tables(tmp_path, dsnas=stays)
    cases = {
        "costs of ops that were not taken": {"untaken": 0.5},
        "also pushed where nothing costs": {"pushed": True},
        "does not gain on an edge": {"none_gains": 0.0},
    }
    for says, change in cases.items():
        other = Charge(**{**OBEYS.__dict__, **change})
        assert says in asked(other, found)[1].design
    deciding = asked(Charge(**{**OBEYS.__dict__, "decides": True}), found)
    assert "until the method decides an edge, which then stays" in deciding[1].design
    assert "until the method decides an edge, which then stays" in deciding[3].design
    ruled = Charge(**{**OBEYS.__dict__, "keeps_none": False})
    assert asked(ruled, found)[0].word == "in the search"
    assert asked(OBEYS, found)[3].word == "yes"


def test_with_partial_channels_an_edge_without_an_op_is_not_dropped(
    tmp_path: Path, study: tuple[ScaleConfig, Path]
) -> None:
    found = tables(tmp_path, dsnas=stays)
    beside = answers(OBEYS, found.searches, found.readings, 0.95, partial=True)
    assert "never charged itself" not in beside[0].design
    assert "does not apply: some channels pass an edge by" in beside[1].design
    assert "the channels that pass it by (space.partial) hand credit on" in beside[2].design
    assert "does not say where it rests: some channels" in beside[3].design
    # The page asks the searches of the study, method by method.
    scale, root = study
    raw = scale.model_dump(mode="json", exclude_unset=True)
    raw["methods"]["dsnas"]["space"] = {"partial": 2}
    write_audit(ScaleConfig.model_validate(raw), root, tmp_path / "audit.html")
    page = (tmp_path / "audit.html").read_text()
    assert "does not apply: some channels pass an edge by" in page
    assert page.count("applies: alpha is charged for what it takes") == 1  # darts
    assert "(space.partial:\ndsnas), facts 2 and 3 count" in page


def test_differences_are_paired_by_seed(tmp_path: Path) -> None:
    dynamics = tables(tmp_path, dsnas=fails, darts=grows)
    searches = dynamics.searches
    found = differences(AGAINST, 0.95, searches, dynamics.readings)
    keyed = {(one.level, one.statistic): one for one in found}
    one = keyed["bi", "edges_selected"]
    by_seed = searches[searches["level"] == "bi"].pivot(
        index="seed", columns="method", values="edges_selected"
    )
    assert one.effect == (by_seed["dsnas"] - by_seed["darts"]).mean() == -4
    assert one.seeds == (0, 1, 2)
    gap = keyed["single", "width_gap"]
    values = searches[searches["level"] == "single"].pivot(
        index="seed", columns="method", values="width_gap"
    )
    values = values["dsnas"] - values["darts"]
    assert gap.effect == pytest.approx(values.mean())
    assert gap.effect_size == pytest.approx(values.mean() / values.std())
    assert gap.differs


def test_no_difference_of_two_of_which_one_barely_moved(tmp_path: Path) -> None:
    dynamics = tables(tmp_path, noise=1e-4, dsnas=fails, darts=lambda edge, time: 0.125)
    found = differences(AGAINST, 0.95, dynamics.searches, dynamics.readings)
    assert {one.statistic for one in found} == {"test_accuracy"}


# The page.


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[ScaleConfig, Path]:
    """A finished audit of `dsnas` (which fails) against `darts` (which never moves)."""
    root = tmp_path_factory.mktemp("audit")
    chosen = budget.Plan({"single": 20, "bi": 20}, 3, 0.0)
    scale = ScaleConfig.model_validate(design("x", ["dsnas"], ["darts"], data_of(None), 48, chosen))
    courses = {"dsnas": fails, "darts": lambda edge, time: 0.125, "uniform": stays}
    for search in scale.searches().values():
        home = root / "experiments" / search.experiment / "trajectories"
        write_search(home, search, courses[search.method], noise=1e-4, inner=0.1, tail=5)
    for name in scale.experiments:
        home = root / "experiments" / name
        build(sorted((home / "trajectories").iterdir()), home / "tables")
        write_claims(ClaimsConfig(), Dynamics.read(home / "tables"), home / "claims.json")
    homes = [root / "experiments" / name / "tables" for name in scale.experiments]
    draw_overview(Dynamics.read(*homes), root / "courses.svg")
    charges.write({name: charge(name) for name in ("dsnas", "darts")}, root / "charges.json")
    return scale, root


def test_the_page_says_what_and_why(study: tuple[ScaleConfig, Path]) -> None:
    scale, root = study
    write_audit(scale, root, root / "audit.html")
    page = (root / "audit.html").read_text()
    text = " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)).split())
    for words in (
        "What the wiring of dsnas does, and why",
        "Does a bi-level search keep an edge? no",
        "0 (0 to 0) of 5 edges are kept",
        "dsnas less darts",
        "applies: alpha is charged for what it takes, and for nothing else",
        "unfinished",  # darts
        "P2-cause",
        "Does none compete at cost 0?",
        "Does the sign of the cost decide growth?",
        "Does a path share its credit with its inner edges?",
    ):
        assert words in text, words
    parts = re.findall(r'<section id="([^"]+)"', page)
    assert parts == [
        *("answers-dsnas", "patterns", "charge", "laws", "causes", "differences", "searches")
    ]
    laws, compared = (
        page.partition(f'id="{part}"')[2].partition("</section>")[0]
        for part in ("laws", "differences")
    )
    claims = re.findall(r'<td class="count">([^<]+)', laws)
    assert set(claims) == {"F1", "F2", "F3-inner", "F3-total"}
    # `darts` never moved: its and dsnas's differ in nothing but what is not alpha's.
    (row,) = (each for each in compared.split("<tr>") if "test_accuracy" in each and "bi" in each)
    assert "dsnas less darts" in row
    assert re.findall(r"<th[^>]*>([^<]+)", compared)[3:6] == ["Mean", "Interval", "Effect size"]
    assert len(page) < 2_000_000
    assert 'src="courses.svg"' in page
    write_audit(scale, root, root / "alone.html", standalone=True)
    assert 'src="data:image/svg+xml,' in (root / "alone.html").read_text()
    for link in re.findall(r'href="([^"#]+)', page):
        assert link == "index.html" or link.startswith("experiments/")
    watched = re.findall(r'class="watch" href="([^"]+)"', page)
    assert watched == [f"experiments/{name}/explorer.html" for name in scale.experiments]
    assert audit_lines(scale, root)[3] == "dsnas: Does a bi-level search keep an edge? no"


def of_both(scale: ScaleConfig) -> ScaleConfig:
    """The same searches, as an audit of both methods."""
    return scale.model_copy(update={"audit": AuditConfig(methods=("dsnas", "darts"))})


def test_several_methods_answers_stand_side_by_side(study: tuple[ScaleConfig, Path]) -> None:
    scale, root = study
    write_audit(of_both(scale), root, root / "both.html")
    page = (root / "both.html").read_text()
    glance = unescape(page.partition('<section id="glance">')[2].partition("</section>")[0])
    assert glance.count('scope="col"') == 5
    said = {}
    for row in glance.split("<tr>")[2:]:
        (method,) = re.findall(r'<a href="#answers-(\w+)">', row)
        said[method] = re.findall(r"<td>([^<]*)<small>([^<]*)</small></td>", row)
    assert list(said) == ["dsnas", "darts"]
    lines = audit_lines(of_both(scale), root)
    for place, (word, _) in enumerate(said["dsnas"] + said["darts"]):
        assert lines[place].endswith(f"? {word}")
    assert said["dsnas"][3] == ("no", "1 no")
    never_moved = [told for _, told in said["darts"]]
    assert never_moved[1:] == [f"2 {NOTHING}", "2 no", f"1 {NOTHING}"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_cuts_nothing(
    study: tuple[ScaleConfig, Path], looked_at: Look, width: int
) -> None:
    scale, root = study
    write_audit(of_both(scale), root, root / "seen.html")
    texts, wrong = looked_at(root / "seen.html", width)
    assert texts > 100
    assert wrong == []


def test_the_figure_has_a_line_a_method(study: tuple[ScaleConfig, Path]) -> None:
    svg = (study[1] / "courses.svg").read_text()
    for words in ("dsnas", "darts", "input edges", "intermediate edges"):
        assert words in svg
    assert "uniform" not in svg


def test_a_page_without_an_audit_is_refused(
    study: tuple[ScaleConfig, Path], tmp_path: Path
) -> None:
    scale, root = study
    with pytest.raises(InputError, match="no section audit"):
        write_audit(scale.model_copy(update={"audit": None}), root, tmp_path / "a.html")
    other = scale.model_copy(update={"audit": AuditConfig(methods=("gdas",))})
    with pytest.raises(InputError, match="lacks gdas"):
        write_audit(other, root, tmp_path / "a.html")


def test_the_table_of_the_field(study: tuple[ScaleConfig, Path]) -> None:
    verdicts = read_claims(study[1] / "experiments/A1/claims.json").verdicts
    table = field(verdicts, ["dsnas", "darts", "gdas"])
    assert [column.claim for column in table.columns] == [
        *("P1", "P2", "P2-shape", "P3", "M-charge", "M-charge")
    ]
    assert table.rows["gdas"] == (None,) * 6
    failed = table.rows["dsnas"][3]
    assert failed is not None
    assert (failed.verdict, failed.effect) == ("reproduced", 1)
    lines = tools_field.markdown(table).splitlines()
    assert len(lines) == 5
    assert all(line.count("|") == 8 for line in lines)
    assert "● 1 (1 to 1)" in lines[2]
    assert "●" not in lines[3]
    assert lines[3].count("…") == sum(map(bool, table.rows["darts"]))


# A whole one.


@pytest.mark.long
def test_an_audit_of_a_tiny_method_on_tiny_data(tmp_path: Path) -> None:
    data = '{"source": "digits", "test_fraction": 0.2, "train_samples": 48}'
    code = (
        "import wiring.audit.budget as b; b.FEWEST, b.MOST = 2, 3\n"
        "import wiring.audit.design as d; d.CELLS, d.CHANNELS = 1, 2\n"
        "from wiring.cli import app; app()"
    )
    words = ["audit", "gdas", "--against", "dsnas", "--data", data, "--seeds", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words, "--minutes", "30", "--cores", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "gdas: Does a bi-level search keep an edge? nothing can be said" in done.stdout
    page = (tmp_path / "results/gdas/audit.html").read_text()
    assert "What the wiring of gdas does, and why" in page
    scale = yaml.safe_load((tmp_path / "audits/gdas.yaml").read_text())
    assert scale["audit"] == {"methods": ["gdas"], "against": ["dsnas"]}


# Of 200 samples; batches of 40 and of 48, for the smaller split is of 40.
@pytest.mark.parametrize(("fraction", "steps"), [(0.2, 4), (0.5, 2), (0.8, 1)])
def test_bi_level_searches_are_planned_by_the_split_that_the_weights_learn_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fraction: float, steps: int
) -> None:
    monkeypatch.chdir(tmp_path)
    pairs = [("gdas", "single"), ("gdas", "bi")]
    timings = dict.fromkeys(pairs, Timing(1e-3, 0.0, 0.0))
    monkeypatch.setattr(audit, "_timed", lambda *_: timings)
    raw = {"train_samples": 200, "test_fraction": 0.2, "validation_fraction": fraction}
    data = data_of(json.dumps({"source": "digits", **raw}))
    plenty = audit.Budget(60, 1, 1)
    file = audit.planned("gdas", ["gdas"], [], data, plenty, tmp_path, "")
    bi = next(one for one in load_scale(file).searches().values() if one.level == "bi")
    assert bi.train.epochs == -(-budget.MOST // steps)
    (said,) = re.findall("Planned: (.*)", file.read_text())
    assert re.fullmatch(r"\d+ epochs single-.*, 1 seed: about \d+ of 60 minutes on 1 core\.", said)


def test_a_file_that_is_there_is_not_planned_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audits").mkdir()
    file = tmp_path / "audits/gdas.yaml"
    chosen = budget.Plan({"single": 1, "bi": 1}, 1, 0)
    raw = design("gdas", ["gdas"], [], data_of(None), 48, chosen)
    file.write_text(written(raw, ["Asked for by `wiring audit gdas --against darts --minutes 4`."]))
    before = file.read_bytes()
    for other in (["--minutes", "3"], ["--minutes", "4"], ["--against", "dsnas", "--minutes", "4"]):
        refused = CliRunner().invoke(app, ["audit", "gdas", *other])
        assert refused.exit_code == BAD_INPUT
        assert "audits/gdas.yaml: is there" in refused.output
    for again in ([], ["--minutes", "4.0", "--against", "darts"]):
        kept = CliRunner().invoke(app, ["audit", "gdas", *again, "--plan"])
        assert kept.exit_code == 0, kept.output
        assert "audits/gdas.yaml" in kept.output
    assert file.read_bytes() == before
    # Edited so that no page could follow, which is said before anything runs.
    del raw["audit"]
    file.write_text(written(raw, []))
    edited = CliRunner().invoke(app, ["audit", "gdas"])
    assert edited.exit_code == BAD_INPUT
    assert "audits/gdas.yaml: has no section audit, expected audit.methods: gdas" in edited.output
    assert not (tmp_path / "results").exists()


def _plan_gdas(place: Path) -> None:
    """An audit's file that is there, as its command leaves it."""
    (place / "audits").mkdir()
    chosen = budget.Plan({"single": 1, "bi": 1}, 1, 0)
    planned = written(design("gdas", ["gdas"], [], data_of(None), 48, chosen), [])
    (place / "audits/gdas.yaml").write_text(planned)


def test_what_a_file_that_is_there_names_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not what the command would have written, which is held against `dsnas` and `darts`."""
    _plan_gdas(tmp_path)
    monkeypatch.chdir(tmp_path)
    asked: list[list[str]] = []
    monkeypatch.setattr("wiring.cli.check", asked.append)
    monkeypatch.setattr("wiring.audit.run.command", lambda *_: ("false",))
    ended = CliRunner().invoke(app, ["audit", "gdas"])
    assert ended.exit_code == FAILED, ended.output
    assert asked == [["gdas", "uniform"]]


@pytest.mark.slow
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_an_audit_runs_behind_the_view(tmp_path: Path, term: str) -> None:
    _plan_gdas(tmp_path)
    # In the workflow's place: what is seen of it is what counts here.
    code = (
        "import sys, wiring.audit.run as run\n"
        "say = 'print(\\'spoken behind\\'); import sys; sys.exit(3)'\n"
        "run.command = lambda path, cores: (sys.executable, '-c', say)\n"
        "from wiring.cli import app; app()"
    )
    terminal = Terminal(tmp_path, sys.executable, "-c", code, "audit", "gdas", term=term)
    assert terminal.end() == FAILED
    said = terminal.said.decode()
    assert "spoken behind" in said
    assert "not finished; the same command goes on from there" in " ".join(said.split())
    assert "Traceback" not in said
    log = tmp_path / "logs/gdas/audit.log"
    if term == "dumb":
        assert "searches" not in said.partition("spoken behind")[0]
        assert not log.exists()
    else:
        assert re.search(r"gdas: 0 of \d+ searches", said.partition("spoken behind")[0])
        assert log.read_text() == "spoken behind\n"


@pytest.mark.skipif(sys.platform != "linux", reason="xdg-open is Linux's")
@pytest.mark.parametrize("display", ["", ":0"])
def test_an_audit_opens_its_page_where_there_is_a_desktop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, display: str
) -> None:
    _plan_gdas(tmp_path)
    browser = tmp_path / "bin/xdg-open"
    browser.parent.mkdir()
    opened, whole = tmp_path / "opened", tmp_path / "whole"
    browser.write_text(f'#!/bin/sh\necho "$@" > {opened}\nmv {opened} {whole}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(browser.parent), prepend=os.pathsep)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    # A study that has run, and said nothing.
    code = (
        "import wiring.audit.run as run, wiring.report as report\n"
        "run.command = lambda path, cores: ('true',)\n"
        "report.audit_lines = lambda scale, root: ()\n"
        "from wiring.cli import app; app()"
    )
    terminal = Terminal(tmp_path, sys.executable, "-c", code, "audit", "gdas", term="dumb")
    assert terminal.end() == 0
    assert "results/gdas/audit.html" in terminal.said.decode()
    until = time.monotonic() + 30 * bool(display)
    while not whole.exists() and time.monotonic() < until:
        time.sleep(0.05)  # nobody waits for a browser
    assert whole.exists() == bool(display)
    if display:
        assert whole.read_text().strip() == str(tmp_path / "results/gdas/audit.html")


def test_readme_takes_the_table_of_the_field(
    study: tuple[ScaleConfig, Path], tmp_path: Path
) -> None:
    """`darts` never moved: its cells say so; the rest of the page stays."""
    page = tmp_path / "README.md"
    page.write_text("above\n<!-- field -->\nold\n<!-- /field -->\nbelow\n")
    tools_field.main(study[1], page)
    lines = page.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("above", "below")
    assert "old" not in lines
    assert lines[2].startswith("| method | P1 single digits-noisy | P2 single digits-noisy | P3")
    assert lines[4].count("…") == 3  # darts stands before dsnas
    assert lines[5].endswith("| ● 1 (1 to 1) |")
    assert "\n<!-- field -->\n" in (ROOT / "README.md").read_text()


def test_the_published_field_runs_every_built_in_method_alike() -> None:
    """On two hardnesses and two levels, the same steps at a level, with seeds of no trial."""
    scale = load_scale(ROOT / "config/methods.yaml")
    searches = scale.searches().values()
    assert scale.audit is not None
    built_in = {*plugins.built_in(plugins.METHODS)} - {"uniform"}
    assert set(scale.audit.methods) == built_in
    crossed = {(one.method, one.level, one.dataset) for one in searches if one.method != "uniform"}
    assert len(crossed) == len(built_in) * 4
    learning = [one for one in searches if one.method != "uniform"]
    for level, samples in (("single", 1438), ("bi", 719)):
        own = [one for one in learning if one.level == level]
        steps = {one.train.epochs * (samples // one.train.batch_size) for one in own}
        assert len(steps) == 1
        adam = {one.alpha.lr for one in own if one.method not in {"gaea", "pc-darts"}}
        # PC-DARTS's alpha rests for 0.3 of the steps.
        adam |= {0.7 * one.alpha.lr for one in own if one.method == "pc-darts"}
        published = scale.readings.displacement(level)
        assert all(rate * min(steps) >= published for rate in adam)
    assert {one.seed for one in searches} == set(range(10, 15))


def test_the_method_of_the_walk_through_is_gdas() -> None:
    page = (ROOT / "docs/methods.md").read_text()
    assert len(page.splitlines()) <= 60
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.S)[0], found)
    assert faults_of("my-gdas", found["MyGDAS"]) == ()
    still = {"temperature": {"start": 1.0, "end": 1.0}}
    ours, mine = GDAS(GDASSettings.model_validate(still)), found["MyGDAS"]()
    candidates = Candidates.of(SpaceConfig(), torch.device("cpu"))
    alpha = torch.randn(5, 8, generator=torch.Generator().manual_seed(1)).double()
    cost = torch.randn(5, 8, generator=torch.Generator().manual_seed(2)).double()
    answers_ = []
    for method in (ours, mine):
        draw = method.draw(alpha, candidates, torch.Generator().manual_seed(3), Context())
        answers_ += [draw.gates, method.gradient(alpha, candidates, draw, cost, Context())]
    torch.testing.assert_close(answers_[:2], answers_[2:])
