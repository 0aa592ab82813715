# Written by `make lock`; docs/cluster.md says how to use it.
#   docker build --tag wiring .                          (--build-arg torch=cuda for GPUs)
FROM python:3.11-slim-bookworm
LABEL wiring.locks="sha256:c3f89245e995a0affa61e1eaf65d5fcd9efab6e9a1e863c825758970065e2765"
ENV DO_NOT_TRACK=true MLFLOW_DISABLE_TELEMETRY=true MPLBACKEND=Agg
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/wiring
ARG torch=cpu
COPY requirements-build.txt requirements.txt requirements-cpu.txt requirements-cuda.txt ./
RUN if [ "$torch" = cpu ]; then pip install --no-cache-dir --no-deps --require-hashes --extra-index-url https://download.pytorch.org/whl/cpu -r requirements-cpu.txt; fi \
    && pip install --no-cache-dir --no-deps --require-hashes -r requirements-build.txt \
    && pip install --no-cache-dir --no-deps --require-hashes --no-build-isolation -r requirements.txt \
    && if [ "$torch" = cuda ]; then pip install --no-cache-dir --no-deps --require-hashes -r requirements-cuda.txt; fi
COPY pyproject.toml README.md LICENSE Snakefile ./
COPY workflow workflow
COPY config config
COPY src src
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && ln -s workflow/profiles profiles
CMD ["snakemake", "--cores", "all"]
