"""A page that leads from a search's id to its run, whatever id the store at hand gave it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from wiring.files import atomic_file
from wiring.tracking import store

LOCAL = "http://127.0.0.1:5000"
"""Where `make ui` serves a store that is no server itself."""

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>MLflow runs: {scale}</title>
<style>
body {{ max-width: 50rem; margin: 0 auto; padding: 1rem; color: #1b1b1b; background: #fff;
  font: 1rem/1.5 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }}
a {{ color: #0b5394; }} :target {{ background: #fff3c4; }}
</style></head>
<body>
<h1>MLflow runs: {scale}</h1>
<p>{said} A search that is not in the list is logged by <code>wiring track replay</code> with the
folder of its trajectory; <code>make ui</code> then makes this page again.</p>
<p id="missing" hidden>This store holds no run of the search that the link asked for.</p>
<ul>
{rows}
</ul>
<script>
const asked = decodeURIComponent(location.hash.slice(1));
const row = asked && document.getElementById(asked);
if (row) location.replace(row.querySelector("a").href);
else if (asked) document.getElementById("missing").hidden = false;
</script>
</body>
</html>
"""


def write_links(results: Path, address: str | None = None) -> None:
    """Write `runs.html` into the results of a scale, from what the store holds of its searches.

    A store that cannot be used gives a page without runs, and a warning.

    Args:
        results: the folder of a scale, by whose name the store knows it.
        address: where MLflow's UI is served, :data:`LOCAL` if nobody says; a store that is a server
            serves it itself.
    """
    scale = results.resolve().name
    runs: dict[str, tuple[str, str]] = {}
    with store.optional("links lead nowhere until then; `wiring track links`"):
        runs = store.runs_of(scale)
    parts = urlsplit(store.uri())
    if parts.scheme in {"http", "https"}:
        address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    address = address or LOCAL
    base = f"{escape(address)}/#/experiments"
    rows = [
        f'<li id="{escape(search)}">'
        f'<a href="{base}/{experiment}/runs/{run}?{store.TRAINING}">{escape(search)}</a></li>'
        for search, (experiment, run) in sorted(runs.items())
    ]
    said = f"{len(rows)} searches, served at {escape(address)} while MLflow runs there."
    with atomic_file(results / "runs.html") as file:
        text = _PAGE.format(scale=escape(scale), said=said, rows="\n".join(rows))
        file.write_text(text, encoding="utf-8")
