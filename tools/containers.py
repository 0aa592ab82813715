"""The container definitions: one environment, from the locks, for Docker and for Apptainer.

`make lock` writes `Dockerfile` and `wiring.def`; both carry the digest of the locks that they
install, the one in environment.yml.
"""

from __future__ import annotations

BASE = "python:3.11-slim-bookworm"  # the CPU build of torch is locked for this Python
HOME = "/opt/wiring"
LABEL = "wiring.locks"
ENVIRONMENT = {"DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "MPLBACKEND": "Agg"}

PACKAGES = "git"
LOCKS = tuple(f"requirements{part}.txt" for part in ("-build", "", "-cpu", "-cuda"))
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "Snakefile")
FOLDERS = ("workflow", "config", "src")
PIP = "pip install --no-cache-dir --no-deps"
AND = " \\\n    && "
PROJECT = (f"{PIP} --no-build-isolation --editable .", "ln -s workflow/profiles profiles")


def locked(torch: str) -> tuple[str, ...]:
    """The commands that install the locks, for the shell's word `torch`: cpu or cuda."""
    hashed = f"{PIP} --require-hashes"
    index = "--extra-index-url https://download.pytorch.org/whl/cpu"
    return (
        f"if [ {torch} = cpu ]; then {hashed} {index} -r requirements-cpu.txt; fi",
        f"{hashed} -r requirements-build.txt",
        f"{hashed} --no-build-isolation -r requirements.txt",
        f"if [ {torch} = cuda ]; then {hashed} -r requirements-cuda.txt; fi",
    )


SYSTEM = (
    "apt-get update",
    f"apt-get install --yes --no-install-recommends {PACKAGES}",
    "rm -rf /var/lib/apt/lists/*",
)
DOCKER = """\
# Written by `make lock`; docs/cluster.md says how to use it.
#   docker build --tag wiring .                          (--build-arg torch=cuda for GPUs)
FROM {base}
LABEL {label}="{digest}"
ENV {environment}
RUN {system}
WORKDIR {home}
ARG torch=cpu
COPY {locks} ./
RUN {locked}
COPY {sources} ./
{folders}
RUN {project}
CMD ["snakemake", "--cores", "all"]
"""
APPTAINER = """\
# Written by `make lock`; docs/cluster.md says how to use it.
#   apptainer build wiring.sif wiring.def                (--build-arg torch=cuda for GPUs)
Bootstrap: docker
From: {base}

%arguments
    torch=cpu

%labels
    {label} {digest}

%files
    {files}

%post
    set -e
    {system}
    cd {home}
    {locked}
    {project}

%environment
    {environment}

%runscript
    exec "$@"
"""


def dockerfile(digest: str) -> str:
    """The Dockerfile that installs the locks of this digest."""
    return DOCKER.format(
        base=BASE,
        label=LABEL,
        digest=digest,
        home=HOME,
        environment=" ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()),
        system=AND.join(SYSTEM),
        locks=" ".join(LOCKS),
        locked=AND.join(locked('"$torch"')),
        sources=" ".join(SOURCES),
        folders="\n".join(f"COPY {folder} {folder}" for folder in FOLDERS),
        project=AND.join(PROJECT),
    )


def apptainer(digest: str) -> str:
    """The Apptainer definition that installs the locks of this digest."""
    line = "\n    "
    return APPTAINER.format(
        base=BASE,
        label=LABEL,
        digest=digest,
        home=HOME,
        environment=line.join(f"export {name}={value}" for name, value in ENVIRONMENT.items()),
        system=line.join(SYSTEM),
        files=line.join(f"{name} {HOME}/{name}" for name in (*LOCKS, *SOURCES, *FOLDERS)),
        locked=line.join(locked("{{ torch }}")),
        project=line.join(PROJECT),
    )
