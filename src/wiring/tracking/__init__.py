"""MLflow as a view of the trajectory: live while a search runs, replayable at any time.

The trajectory is the truth. What MLflow is given can be derived from it wholly, so a tracking
server that is down, slow or broken costs a search nothing.
"""

from wiring.tracking.links import write_links
from wiring.tracking.replay import replay
from wiring.tracking.store import TrackingError, init, show
from wiring.tracking.tracker import Tracker

__all__ = ["Tracker", "TrackingError", "init", "replay", "show", "write_links"]
