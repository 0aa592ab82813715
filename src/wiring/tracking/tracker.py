"""Follow a search live, from a thread of its own that the search never waits for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from wiring.config import SearchConfig
from wiring.tracking import store, view
from wiring.tracking.store import log
from wiring.trajectory import Shape, Trajectory

if TYPE_CHECKING:
    from mlflow import MlflowClient

PATIENCE = 60.0
"""Seconds for which a failing request is tried again while the search runs."""
GRACE = 5.0
"""The same once the search has ended."""
DRAIN = 60.0
"""Seconds that a search's end waits for what is still to be sent to a store that works."""
OPENING = 10.0
"""Seconds that a search's end waits for the run to be there at all."""
LOAD = 10.0
"""Seconds between two looks at the machine's load."""
FLUSH = 5.0
"""Seconds that metrics are gathered: a metric costs half as much in a large batch."""
BACKLOG = 1000
"""Rows that may wait to be sent."""

P = ParamSpec("P")
R = TypeVar("R")
Last = Callable[["MlflowClient", str], None]


class Tracker:
    """MLflow's run of one search, while it runs.

    The search waits for the import of MLflow in :meth:`start`, and a bounded time in
    :meth:`finish` and :meth:`fail`; the other methods return at once. If the store cannot be
    used, one warning says so and the search goes on; the trajectory can be replayed later.

    Args:
        config: the search.
        dataset_manifest: the dataset's manifest.
        scale: name of the scale.

    Raises:
        ValueError: `scale` is not a name.
    """

    def __init__(
        self, config: SearchConfig, dataset_manifest: Mapping[str, Any], scale: str
    ) -> None:
        self._config = config
        self._dataset = dataset_manifest
        self._scale = scale
        store.title(scale, config.experiment)
        self._queue: queue.Queue[view.Sample | Last] = queue.Queue(BACKLOG)
        self._windows = self._epochs = 0
        self._run_id: str | None = None
        self._settled = threading.Event()
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._lock = threading.Lock()
        # A daemon: a store that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)

    def start(self) -> None:
        """Open the run; an incomplete one of the same search is replaced.

        MLflow is imported first: a second or two.
        """
        try:
            # Here, since two threads that import packages with cycles can trip over each other.
            import_module("mlflow.tracking")
        except Exception as error:  # a broken installation is no reason not to search
            self._give_up(store.reason(error))
        else:
            self._thread.start()

    @property
    def run_id(self) -> str | None:
        """Id of the run, for which this waits a bounded time; None if there is none."""
        self._settled.wait(OPENING)
        return self._run_id

    def log_window(self, row: Mapping[str, Any], shape: Shape) -> None:
        """Log a row of `windows`."""
        free = [self._config.space.free(edge) for edge in shape.edges]
        metrics = view.window_metrics(row, shape, self._config.level, free)
        self._windows += 1
        self._put(view.Sample(int(row["step"]), store.now(), metrics))

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Log a row of `epochs` that also says its `step`: weight steps done."""
        self._epochs += 1
        self._put(view.Sample(int(row["step"]), store.now(), view.epoch_metrics(row)))

    def row(self, table: str, values: Mapping[str, Any], step: int, shape: Shape) -> None:
        """Log a row of the trajectory.

        Args:
            table: the row's table; samples are not logged.
            values: its fields.
            step: weight steps done.
            shape: the axes of the arrays.
        """
        if table == "windows":
            self.log_window(values, shape)
        elif table == "epochs":
            self.log_epoch({**values, "step": step})

    def finish(self, trajectory: Path) -> None:
        """Complete the run from the trajectory that was written.

        Rows that this process did not log, since the search was resumed, are logged first.

        Args:
            trajectory: its folder.
        """

        def last(client: MlflowClient, run_id: str) -> None:
            read = Trajectory.read(trajectory)
            missing = view.samples(
                read, read.windows.num_rows - self._windows, read.epochs.num_rows - self._epochs
            )
            store.log_samples(client, run_id, missing)
            store.complete(client, run_id, read)

        self._close(last)

    def fail(self, reason: str) -> None:
        """Close the run as failed; a later search or replay replaces it."""

        def last(client: MlflowClient, run_id: str) -> None:
            client.set_tag(run_id, "failure", reason[:500])
            client.set_terminated(run_id, "FAILED")

        self._close(last)

    def _put(self, item: view.Sample | Last) -> None:
        if not self._given_up.is_set():
            try:
                self._queue.put_nowait(item)
            except queue.Full:
                self._give_up(f"{BACKLOG} rows wait to be sent")

    def _close(self, last: Last) -> None:
        self._closing.set()
        self._put(last)
        if not self._given_up.is_set():
            self._thread.join(DRAIN)
            if self._thread.is_alive():
                self._give_up(f"no end after {DRAIN:.0f} s")

    def _work(self) -> None:
        try:
            client = self._persistently(store.connect)
            run_id = self._persistently(
                store.begin, client, self._config, self._dataset, self._scale
            )
            self._run_id = run_id
            self._settled.set()
            last = self._follow(client, run_id)
            if last is not None:
                self._persistently(last, client, run_id)
        except Exception as error:  # whatever the store or its driver raises
            self._give_up(store.reason(error))

    def _follow(self, client: MlflowClient, run_id: str) -> Last | None:
        """Send samples in batches until the last item comes, or nobody waits for it."""
        batch: list[view.Sample] = []
        flushed = looked = monotonic()
        load = _Load()
        while not self._given_up.is_set():
            try:
                item = self._queue.get(timeout=FLUSH)
            except queue.Empty:
                item = None
            if isinstance(item, view.Sample):
                batch.append(item)
            if monotonic() - looked >= LOAD:
                batch += load.look()
                looked = monotonic()
            size = sum(len(sample.metrics) for sample in batch)
            late = monotonic() - flushed >= FLUSH
            if size >= store.BATCH or late or callable(item):
                self._persistently(store.log_samples, client, run_id, batch)
                batch, flushed = [], monotonic()
            if callable(item):
                return item
        return None

    def _persistently(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        def enough(state: RetryCallState) -> bool:
            patience = GRACE if self._closing.is_set() else PATIENCE
            return (state.seconds_since_start or 0.0) >= patience

        retry = Retrying(
            retry=retry_if_exception(store.worth_another_try),
            stop=enough,
            wait=wait_random_exponential(0.2, max=4),
            reraise=True,
        )
        return retry(function, *args, **kwargs)

    def _give_up(self, reason: str) -> None:
        with self._lock:
            if self._given_up.is_set():
                return
            self._given_up.set()
            self._settled.set()
        log.warning(
            "tracking: %s: gave up on %s (%s): the search goes on and its trajectory keeps "
            "everything; log it later with `wiring track replay TRAJECTORY_DIR`",
            self._config.id,
            store.shown_uri(),
            reason,
        )


class _Load:
    """The load of the machine, by MLflow's own monitors and under its names, where psutil is."""

    def __init__(self) -> None:
        self._looks = 0
        self._monitors: list[Any] = []
        try:
            cpu = import_module("mlflow.system_metrics.metrics.cpu_monitor")
            self._monitors.append(cpu.CPUMonitor())
            gpu = import_module("mlflow.system_metrics.metrics.gpu_monitor")
            self._monitors.append(gpu.GPUMonitor())
        except Exception:  # no psutil, no pynvml, no GPU: then what is there must do
            return

    def look(self) -> list[view.Sample]:
        """The load now; nothing if nobody can tell."""
        found: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            found |= {f"system/{name}": float(x) for name, x in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        self._looks += 1
        return [view.Sample(self._looks, store.now(), found)] if found else []
