"""What Snakemake knows of published results, as one file: `results/SCALE/provenance.json`.

Snakemake takes a result for current only if it has a record of the rule, the parameters and the
inputs that made it. It keeps a file a result in `.snakemake/`, which is this machine's; published
is one file a scale, that DVC tracks like any other result. Paths in it are relative; commands, logs
and environments are left out.

    python -m tools.provenance SCALE      write the file, from what Snakemake has recorded here
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.persistence import MetadataRecord
from snakemake.persistence.file import FilePersistence

from tools.published import RESULTS

NAME = "provenance.json"
PASSING = ("checkpoints", "runs.html", NAME)
"""What in a scale's folder is no result of a rule; `runs.html` is of the store at hand."""
KEPT = ("rule", "input", "params", "code", "record_format_version", "software_stack_hash")
TIMES = ("starttime", "endtime")
ALL = {*KEPT, *TIMES, "input_checksums"}


def results_of(scale: str) -> list[Path]:
    """All results of a scale, sorted."""
    home = RESULTS / scale
    files = (path for path in home.rglob("*") if path.is_file())
    return sorted(path for path in files if path.relative_to(home).parts[0] not in PASSING)


def collect(scale: str) -> list[dict[str, Any]]:
    """What Snakemake recorded of a scale's results: an entry a job.

    Raises:
        LookupError: it has no record of one of them, whose path is the message.
    """
    records = FilePersistence(path=Path(".snakemake"))
    jobs: dict[str, dict[str, Any]] = {}
    for path in results_of(scale):
        record = records._read_record(str(path))
        if record is None:
            raise LookupError(path)
        entry = {name: record[name] for name in (*KEPT, "input_checksums")}
        job = jobs.setdefault(json.dumps(entry, sort_keys=True), {"output": [], **entry})
        job["output"].append(str(path))
        for name in TIMES:
            job[name] = max(job.get(name, 0), int(record[name]))
    return list(jobs.values())


def write(scale: str) -> None:
    """Write a scale's file; the same records give the same bytes.

    Raises:
        LookupError: see :func:`collect`.
    """
    text = json.dumps(collect(scale), indent=1, sort_keys=True)
    (RESULTS / scale / NAME).write_text(text + "\n")


def restore(scale: str, present: Iterable[Path]) -> None:
    """Let Snakemake know of pulled results; what it knows of others stays.

    Args:
        scale: a scale that was pulled.
        present: the results that came whole.
    """
    records = FilePersistence(path=Path(".snakemake"))
    whole = set(map(str, present))
    for number, job in enumerate(json.loads((RESULTS / scale / NAME).read_text())):
        outputs = job.pop("output")
        if set(job) != ALL:
            raise ValueError(
                f"{RESULTS / scale / NAME}: expected {', '.join(sorted(ALL))} of a job"
            )
        # Snakemake's own report gathers a job's results by its hash.
        record = MetadataRecord(**job, job_hash=number, incomplete=False)
        for path in outputs:
            if path in whole:
                records._write_record(path, record)


if __name__ == "__main__":
    try:
        write(*sys.argv[1:])
    except LookupError as error:
        sys.exit(f"{error}: Snakemake has no record of it: delete it, then run snakemake")
