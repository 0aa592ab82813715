"""Settings of every test process."""

import os

# Before torch is imported: tests run side by side, and each has one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")
