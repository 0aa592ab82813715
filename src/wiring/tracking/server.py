"""MLflow's own server, whose page opens a store of ours as it is meant to be seen.

What an experiment's tags say of its kind and its columns, MLflow's page heeds only where an address
asks for it: whoever clicks from page to page sees the layout for GenAI, and columns of nothing.
What it does heed is what the browser remembers. So its page begins with a few lines that answer
where the browser remembers nothing yet, and fill no storage: the switch on model training, the
assistant closed, and for each experiment of ours its columns and charts.

`mlflow server --app-name wiring` serves it; `make ui` does.
"""

from __future__ import annotations

import json
from pathlib import Path

from fastapi.responses import HTMLResponse
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app

from wiring.tracking import view
from wiring.tracking.store import VIEW

SCRIPT = """<script>
{
  const known = new Map([
    ["mlflow.workflowType_v1", '"machine_learning"'],
    ["mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true"],
  ]);
  const remembered = Storage.prototype.getItem;
  Storage.prototype.getItem = function (key) {
    return remembered.call(this, key) ?? known.get(String(key)) ?? null;
  };
  // Answered before MLflow's own script runs, which would look for what is remembered.
  const asked = new XMLHttpRequest();
  asked.open("POST", "ajax-api/2.0/mlflow/experiments/search", false);
  asked.setRequestHeader("Content-Type", "application/json");
  asked.send(JSON.stringify({ max_results: 1000 }));
  const found = asked.status === 200 ? JSON.parse(asked.responseText).experiments : [];
  const state = JSON.stringify(STATE);
  for (const { experiment_id, tags } of found ?? []) {
    const ours = (tags ?? []).some(({ key }) => key === "mlflow.sharedViewState.VIEW");
    const page = `MLflowLocalStorage-1.1-ExperimentPage-["${experiment_id}"]`;
    if (ours) known.set(`${page}-ReactComponentState`, state);
  }
}
</script>"""
"""The names are those of MLflow 3.17; where another version has others, it opens as it always did.
"""


def index() -> HTMLResponse:
    """MLflow's page, with :data:`SCRIPT` before its own scripts."""
    text = Path(str(flask_app.static_folder), "index.html").read_text(encoding="utf-8")
    script = SCRIPT.replace("VIEW", VIEW).replace("STATE", json.dumps(view.page_state()))
    return HTMLResponse(text.replace("<head>", f"<head>{script}", 1))


# Before MLflow's own, which takes every address that no other does.
app.get("/")(index)
app.router.routes.insert(0, app.router.routes.pop())
