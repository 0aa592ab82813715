"""MLflow's page shows a store of ours as it is meant to be seen, in a browser of no memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import synthetic
from tests.mlflow_server import mlflow_server
from tests.ports import silent_port
from tools.browser import CHROMIUM, Page, opened
from wiring.config import OPS
from wiring.tracking import replay, store, view

pytestmark = [
    pytest.mark.xdist_group("mlflow"),  # one worker has the server and the browser
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"),
]
COLUMNS = ("method", "level", "dataset", "variant", "seed")
COLUMNS += ("edges_selected", "width_gap", "regrown", "test_accuracy")
ROWS = """[...document.querySelectorAll('a')]
  .filter((each) => /^(darts|dsnas) slow s\\d, single-level digits$/.test(each.innerText))"""
HEADS = "document.querySelectorAll('[data-testid=experiment-view-compare-runs-section-header]')"
LINES = """[...document.querySelectorAll(".js-plotly-plot path.js-line")]
  .filter((each) => each.getTotalLength() > 50).length"""


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path
) -> Iterator[tuple[str, str]]:
    """Address of a server as `make ui` starts it, with three searches; path of the last one."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    address = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch, silent_port() as port:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        patch.chdir(folder)
        for method, seed in (("darts", 0), ("dsnas", 0), ("dsnas", 1)):
            one = synthetic.config(method=method, seed=seed, variant="slow")
            run = replay(synthetic.write_search(folder, one, synthetic.grows, noise=0.01))
        experiment = store.connect().get_run(run).info.experiment_id
    with mlflow_server(folder / "mlflow.db", port, "--app-name=wiring") as place:
        yield place, f"experiments/{experiment}/runs/{run}"


@pytest.fixture(scope="module", params=[1400, 390])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    with opened(request.param, 1000) as page:
        yield page


def test_an_experiment_opens_with_its_charts_and_its_searches_as_rows(
    page: Page, served: tuple[str, str]
) -> None:
    """By clicks from the address that `make ui` prints, in a browser that remembers nothing."""
    place, _ = served
    page.go(place)
    page.until("document.querySelector('#root')?.innerText")
    page.ask("location.hash = '#/experiments'")
    link = "[...document.querySelectorAll('a')].find((each) => each.innerText === 'test/E1')"
    page.until(link + " !== undefined")
    page.ask(link + ".click()")
    page.until(f"{LINES} >= 3")
    wide = page.ask("innerWidth") > 1000
    if wide:  # else there is room for the charts, or for the rows
        page.until(f"{ROWS}.length === 3")
    _not_blank(page)
    page.ask("document.querySelector('input[type=radio][value=TABLE]').click()")
    page.until(f"{ROWS}.length === 3")
    assert page.ask(LINES) == 0
    assert "workflowType=machine_learning" in page.ask("location.href")
    # A grid holds only the columns that are seen: those of a wide one are all there.
    heads = "[...document.querySelectorAll('[data-testid^=sort-header-]')]"
    names = page.ask(heads + ".map((each) => each.dataset.testid.replace('sort-header-', ''))")
    if wide:
        assert set(COLUMNS) <= set(names)
    assert not page.ask("/Traces that|Judges|get started/.test(document.body.innerText)")
    _not_blank(page)


@pytest.mark.parametrize(("asked", "rows"), [("", 3), ("tags.method = 'dsnas'", 2)])
def test_charts_are_drawn_of_all_and_of_those_that_a_tag_names(
    page: Page, served: tuple[str, str], asked: str, rows: int
) -> None:
    place, path = served
    search = f"searchFilter={quote(asked)}&compareRunsMode=CHART"
    page.go(f"{place}/#/{path.rpartition('/')[0]}?{search}")
    if page.ask("innerWidth") > 1000:  # else there is room for the charts, or for the rows
        page.until(f"new RegExp('{rows} matching runs').test(document.body.innerText)")
    # MLflow draws what is in sight only: on a narrow screen its charts lie beside the window.
    area = "document.querySelector('[data-testid=experiment-view-compare-runs-chart-area]')"
    page.until(f"{area} !== null")
    page.ask(f"{area}.scrollIntoView({{ inline: 'end' }})")
    page.until(f"{LINES} >= {rows}")
    _not_blank(page)


def _edges_chart(page: Page, lines: int) -> str:
    """The chart of an edge's P, once it has so many lines, on a scale from 0 to 1."""
    page.ask(f"{HEADS}[1].scrollIntoView()")
    cards = "document.querySelectorAll('[data-testid=experiment-view-compare-runs-card]')"
    card = f"[...{cards}].find((each) => each.innerText.startsWith('P/0-2\\n'))"
    page.until(f"{card}?.querySelectorAll('path.js-line').length >= {lines}")
    ticks = page.ask(f"[...{card}.querySelectorAll('.ytick text')].map((e) => e.textContent)")
    assert (ticks[0], ticks[-1]) == ("0", "1")
    return card


def test_charts_begin_with_the_courses_and_all_ops_of_each_edge(
    page: Page, served: tuple[str, str]
) -> None:
    place, path = served
    page.go(f"{place}/#/{path.rpartition('/')[0]}?compareRunsMode=CHART")
    area = "document.querySelector('[data-testid=experiment-view-compare-runs-chart-area]')"
    page.until(f"/Model metrics/.test({area}?.innerText)")
    said = page.ask(f"[...{HEADS}].map((each) => each.innerText.split('\\n').slice(0, 2))")
    counts = {name: int(count.strip("()")) for name, count in said}
    assert list(counts) == list(view.SECTIONS.values())  # none that MLflow made of its own
    assert list(counts.values())[:3] == [6, 5, 5]  # an edge has one chart
    assert all(counts.values())
    # All ops of an edge, of all three searches, on one scale. MLflow makes what is in sight only.
    page.ask(f"{area}.scrollIntoView({{ inline: 'end' }})")
    card = _edges_chart(page, 3 * len(OPS))
    assert f"(P/0-2/{OPS[-1]})" in page.ask(f"{card}.innerText")


def test_the_metrics_of_one_search_have_all_ops_of_an_edge_in_one_chart(
    page: Page, served: tuple[str, str]
) -> None:
    place, path = served
    page.go(f"{place}/#/{path}/model-metrics")
    page.until(f"{HEADS}.length >= 2")
    _edges_chart(page, len(OPS))


def test_a_foreign_experiment_opens_as_it_always_did(page: Page, served: tuple[str, str]) -> None:
    place, _ = served
    page.go(f"{place}/#/experiments/0/runs?workflowType=machine_learning")
    page.until("document.querySelector('input[type=radio][value=TABLE]')?.checked")


def test_a_search_opens_its_explorer(page: Page, served: tuple[str, str]) -> None:
    place, path = served
    page.go(f"{place}/#/{path}/artifacts/explorer.html")
    # MLflow shows it in a sandbox, of an origin of its own: only its size can be asked.
    frame = "document.querySelector('iframe')?.getBoundingClientRect()"
    page.until(f"{frame}?.width > 100 && {frame}?.height > 100")
    _not_blank(page)


def _not_blank(page: Page) -> None:
    """A picture of one colour takes next to nothing, whatever its size."""
    assert len(page.picture()) > 10_000
