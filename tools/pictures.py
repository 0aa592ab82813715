"""Take the documentation's pictures of what people look at, from a scale's results.

python -m tools.pictures results/embedded docs [http://127.0.0.1:5000]

Without the address of `make ui`, which serves these results, MLflow's picture stays.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tools.browser import Page, opened
from wiring import explorer
from wiring.tracking import store, view
from wiring.trajectory import Trajectory

SHOWN = "E1_dsnas_single_digits_slow_s12", "E1_dsnas_single_digits_fast_s12"
"""The searches in the explorer: one whose edges are dropped and come back, one that keeps most."""
MOMENT = 0.3
"""Share of the search at which the slider stands."""
LIMIT = 100_000
"""The most bytes of a picture."""


def save(page: Page, out: Path) -> None:
    """Save what a page shows, in as many colours as fit."""
    image = Image.open(io.BytesIO(page.picture())).convert("RGB")
    for colours in (256, 128, 64, 32):
        image.quantize(colours, dither=Image.Dither.NONE).save(out, optimize=True)
        if out.stat().st_size <= LIMIT:
            return
    raise SystemExit(f"{out}: more than {LIMIT} bytes even in {colours} colours")


def home(results: Path) -> Path:
    """The folder of the trajectories that are shown."""
    return results / "experiments/E1/trajectories"


def explorers(results: Path, out: Path) -> None:
    """The explorer, wide with two searches and narrow with one."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "explorer.html").resolve()
        explorer.write([home(results) / name for name in SHOWN], made)
        for name, size, count in (
            ("explorer", (1400, 1000), 2),
            ("explorer-narrow", (390, 1000), 1),
        ):
            with opened(*size) as page:
                page.go(f"{made.as_uri()}#{','.join(SHOWN[:count])}")
                page.until("document.body.dataset.ready === 'yes'")
                page.ask(
                    "{ const slider = document.querySelector('input[type=range]');"
                    f" slider.value = Math.round({MOMENT} * slider.max);"
                    " slider.dispatchEvent(new Event('input', { bubbles: true })); }"
                )
                page.ask("new Promise((done) => setTimeout(done, 500))")
                save(page, out / f"{name}.png")


def mlflow(results: Path, out: Path, address: str) -> None:
    """An experiment as it opens, and how the ops of each edge compete in one of its searches."""
    with opened(1400, 900) as page:
        page.go(address)
        page.until("document.querySelector('#root')?.innerText")
        page.ask("location.hash = '#/experiments'")
        wanted = f"{results.resolve().name}/E1"
        link = f"[...document.querySelectorAll('a')].find((a) => a.innerText === '{wanted}')"
        page.until(f"{link} !== undefined")
        page.ask(f"{link}.click()")
        lines = "document.querySelectorAll('.js-plotly-plot path.js-line').length"
        page.until(f"{lines} >= 60")
        page.ask("new Promise((done) => setTimeout(done, 5000))")
        save(page, out / "mlflow.png")
        wanted = view.run_name(Trajectory.read(home(results) / SHOWN[0]).config)
        link = f"[...document.querySelectorAll('a')].find((a) => a.innerText === '{wanted}')"
        page.until(f"{link} !== undefined")
        place = page.ask(f"{link}.href").partition("?")[0]
        page.go(f"{place}/model-metrics?{store.TRAINING}")
        heads = (
            "document.querySelectorAll('[data-testid=experiment-view-compare-runs-section-header]')"
        )
        page.until(f"{heads}.length > 1")
        page.ask(f"{heads}[1].scrollIntoView()")
        page.until(f"{lines} >= 16")
        page.ask("new Promise((done) => setTimeout(done, 5000))")
        save(page, out / "mlflow-charts.png")


def main(results: Path, out: Path, address: str | None = None) -> None:
    """Take all pictures."""
    explorers(results, out)
    if address is not None:
        mlflow(results, out, address)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
