"""MLflow's own server, whose page opens a store of ours as it is meant to be seen.

What an experiment's tags say of its kind and its columns, MLflow's page heeds only where an address
asks for it: whoever clicks from page to page sees the layout for GenAI, and columns of nothing.
What it does heed is what the browser remembers. So its page begins with a few lines that answer
where the browser remembers nothing yet, and fill no storage: the switch on model training, the
assistant closed, and for each experiment of ours its columns and charts, and those of each run.
Of charts and list, only an address can say which is open: where it does not, the charts are.

`mlflow server --app-name wiring` serves it; `make ui` does.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from fastapi.responses import HTMLResponse
from mlflow.server import app as flask_app
from mlflow.server.fastapi_app import app

from wiring.tracking import view
from wiring.tracking.store import VIEW

NARROW = 700
"""CSS pixels of a window."""
SCRIPT = r"""<script>
{
  const ours = new Set();
  /** Whether an experiment of ours is open, at an address that goes on like this. */
  const open = (rest) => ours.has(RegExp(`^#/experiments/(\\d+)${rest}`).exec(location.hash)?.[1]);
  const known = new Map([
    ["mlflow.workflowType_v1", '"machine_learning"'],
    ["mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true"],
  ]);
  const state = PAGE_STATE;
  // How the metrics of one search open.
  const run = JSON.stringify({
    compareRunCharts: state.compareRunCharts,
    compareRunSections: state.compareRunSections,
    isAccordionReordered: true,
    autoRefreshEnabled: true,
    globalLineChartConfig: { xAxisKey: "step", lineSmoothness: 0, selectedXAxisMetricKey: "" },
  });
  const charts = /^MLflowLocalStorage-1\.1-RunPage-\w+-model-chartUIState$/;
  const remembered = Storage.prototype.getItem;
  Storage.prototype.getItem = function (key) {
    const value = remembered.call(this, key) ?? known.get(String(key)) ?? null;
    return value === null && charts.test(key) && open("/runs/") ? run : value;
  };
  // Answered before MLflow's own script runs, which would look for what is remembered.
  const asked = new XMLHttpRequest();
  asked.open("POST", "ajax-api/2.0/mlflow/experiments/search", false);
  asked.setRequestHeader("Content-Type", "application/json");
  asked.send(JSON.stringify({ max_results: 1000 }));
  const found = asked.status === 200 ? JSON.parse(asked.responseText).experiments : [];
  // A narrow window has room for the charts or for the rows beside them.
  const compared = JSON.stringify({ ...state, runListHidden: innerWidth < NARROW });
  for (const { experiment_id, tags } of found ?? []) {
    if (!(tags ?? []).some(({ key }) => key === "mlflow.sharedViewState.VIEW")) continue;
    const page = `MLflowLocalStorage-1.1-ExperimentPage-["${experiment_id}"]`;
    known.set(`${page}-ReactComponentState`, compared);
    ours.add(experiment_id);
  }
  // Where the address does not say whether the list is to be seen or the charts.
  const said = URLSearchParams.prototype.get;
  URLSearchParams.prototype.get = function (name) {
    const value = said.call(this, name);
    const unsaid = value === null && name === "compareRunsMode";
    return unsaid && open("(/runs)?(\\?|$)") ? "CHART" : value;
  };
}
</script>"""
"""The names are those of MLflow 3.17; where another version has others, it opens as it always did.
"""


def index() -> HTMLResponse:
    """MLflow's page, with :data:`SCRIPT` before its own scripts."""
    text = Path(str(flask_app.static_folder), "index.html").read_text(encoding="utf-8")
    values = {
        "PAGE_STATE": json.dumps(view.page_state()),
        "NARROW": str(NARROW),
        "VIEW": VIEW,
    }
    script = re.sub("|".join(values), lambda found: values[found[0]], SCRIPT)
    return HTMLResponse(text.replace("<head>", f"<head>{script}", 1))


# Before MLflow's own, which takes every address that no other does.
app.get("/")(index)
app.router.routes.insert(0, app.router.routes.pop())
