"""All that `make bench` prints, in ten minutes on two quiet cores: small maps first.

python -m benchmarks
"""

from __future__ import annotations

import subprocess
import sys
import time

PARTS = {
    "Small maps": ["benchmarks.small", "--seconds", "120"],
    "Large maps": ["benchmarks.step", "--brief", "--readings", "4"],
    "Beside the steps": ["benchmarks.costs"],
}
"""Each in a process of its own: one thread, two threads, and none of torch's beside them."""


def main() -> None:
    """Run one part after the other; end with 1 if one failed."""
    failed = []
    for title, words in PARTS.items():
        print(f"\n## {title}\n", flush=True)
        start = time.monotonic()
        if subprocess.run([sys.executable, "-m", *words], check=False).returncode:
            failed.append(title)
        print(f"\nTook {time.monotonic() - start:.0f} s.", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
