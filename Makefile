# One command a task; `make` alone lists them.

PYTHON ?= python3
CORES ?= all
PORT ?= 5000
WORKERS ?= 2
MLFLOW_TRACKING_URI ?= sqlite:///mlflow.db

export MLFLOW_DISABLE_TELEMETRY = true
export DO_NOT_TRACK = true
export MPLBACKEND = Agg

SHELL := /bin/bash
BIN := .venv/bin
# Snakemake's rules and the tests call `wiring` by name. Not exported for all, lest $(PYTHON)
# become the environment's own Python.
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
# --no-deps: the lock is the whole closure. Of pip's output only large downloads are worth a line.
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input \
	--progress-bar off --require-hashes --no-deps
# What pip does not say when it fails.
NEEDS := "The packages could not be installed; pip says above why. Behind a proxy pip wants HTTPS_PROXY (and" \
	"PIP_CERT if the proxy has a certificate of its own); an index of your own is PIP_INDEX_URL, and has to" \
	"offer the files of requirements.txt; where HOME cannot be written, set PIP_CACHE_DIR or" \
	"PIP_NO_CACHE_DIR=1. .venv takes 2 GB. The same command goes on from there."
PROGRESS := awk '/[0-9] MB\)/ { sub(/^ +/, ""); print "  " $$0; fflush() } \
	/^Installing/ { print "  Unpacking"; fflush() }'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env reproduce audit test test-all soak lint format docs graph bench gpu ui pull publish clean lock

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

env: .venv/.installed ## Create .venv from the locks (PYTHON=python3)

.venv/.installed: requirements.txt requirements-build.txt requirements-cpu.txt requirements-cuda.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(sys.version_info < (3, 11) \
		and "wiring needs Python 3.11 or newer, and this is " + v + ": try make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	@echo "Installing the locked packages into .venv; this takes some minutes"
	@# Without an NVIDIA driver, take torch's CPU build if pip is configured to find one
	@# (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL); else PyPI's build serves too.
	@command -v nvidia-smi >/dev/null || $(INSTALL) --quiet -r requirements-cpu.txt 2>/dev/null \
		|| echo "  No CPU build of torch on offer; taking the one on PyPI"
	@# Two packages come as source only: built by the locked setuptools, not by one that pip fetches.
	@set -o pipefail; { $(INSTALL) --quiet -r requirements-build.txt \
		&& $(INSTALL) --no-build-isolation -r requirements.txt; } | $(PROGRESS) || { echo $(NEEDS) >&2; exit 1; }
	@# torch's CPU and macOS builds need no more; only a CUDA build misses its libraries now.
	@if $(BIN)/python -m pip check | grep -q '^torch .* not installed'; then \
		echo "This torch is a CUDA build; installing its libraries"; \
		set -o pipefail; $(INSTALL) -r requirements-cuda.txt | $(PROGRESS); \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check
	@touch $@

reproduce: env ## Run every experiment, figure and the report (CORES=all)
	@# The scale that `snakemake` runs by default; where there is no terminal, plainly that.
	$(RUN) wiring watch config/embedded.yaml -- snakemake --cores $(CORES)

audit: env ## Explain a method's wiring (METHOD=gdas AGAINST=dsnas,darts DATA=digits SEEDS=5 MINUTES=15)
	$(RUN) wiring audit $(METHOD) $(if $(AGAINST),--against $(AGAINST)) $(if $(DATA),--data '$(DATA)') \
		$(if $(SEEDS),--seeds $(SEEDS)) $(if $(MINUTES),--minutes $(MINUTES))

test: lint ## Check the code, then run the tests (WORKERS=2)
	$(RUN) pytest -n $(WORKERS) --dist loadgroup -m "not long"

test-all: lint ## The same with the longer forms of some tests
	$(RUN) pytest -n $(WORKERS) --dist loadgroup

soak: env ## Random studies under random misfortune: kills, a full disk (MINUTES=120 JOBS=4)
	$(RUN) $(BIN)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(JOBS),--jobs $(JOBS))

lint: env ## Check style, types and the workflow
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy src
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint

format: env ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow

docs: .venv/.docs ## Build the documentation's site, in site/; a broken link ends it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.venv/.docs: requirements-docs.txt .venv/.installed
	$(INSTALL) --quiet -r requirements-docs.txt
	@touch $@

graph: env ## Draw the picture of the rules, with graphviz
	$(BIN)/python -m tools.graph

bench: env ## Time steps, small maps first, and what a study costs beside them, in ten minutes
	$(BIN)/python -m benchmarks

gpu: env ## Try a GPU: its numbers, tests and speed, in ten minutes, into benchmarks/
	$(BIN)/python -m benchmarks.gpu

ui: env ## Browse the runs in MLflow (MLFLOW_TRACKING_URI=sqlite:///mlflow.db PORT=5000)
	@# Unsaid: the address may hold a password.
	@$(RUN) wiring track links results/*/ --address "http://127.0.0.1:$(PORT)"
	@echo "MLflow: http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@# No jobs of MLflow's own: eight processes for traces, judges and prompts.
	@$(RUN) MLFLOW_BACKEND_STORE_URI="$(MLFLOW_TRACKING_URI)" MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
		mlflow server --app-name wiring --workers 1 --host 127.0.0.1 --port "$(PORT)"

pull: env ## Fetch the published results (SCALE=embedded for those of one)
	$(RUN) python -m tools.pull $(SCALE)

publish: env ## Record finished results in DVC and git, and push them (REMOTE=s3://...)
	$(RUN) python -m tools.publish $(REMOTE)

clean: ## Delete caches; results and .venv stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis site
	find . -name .venv -prune -o -name __pycache__ -prune -exec rm -rf {} +

lock: env ## Lock what pyproject.toml asks for (UPGRADE=1 for the newest versions)
	$(BIN)/python -m tools.lock $(if $(UPGRADE),--upgrade)
