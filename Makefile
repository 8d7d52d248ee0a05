# `make` or `make help` lists the targets.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# The locked packages, and the project itself; each target is skipped when its stamp is newer than what it is made from.
PACKAGES := $(VENV)/.packages
INSTALLED := $(VENV)/.installed
USABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
FOUND_PYTHON = $(or $(PYTHON),$(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c '$(USABLE)' >/dev/null 2>&1 && echo $$p && break; done))

# Most of the time tests wait for processes and servers, so four files at once suit two cores. Those that take longest
# come first (tests/conftest.py), so their order is kept.
SIDE_BY_SIDE = -n 4 --dist loadfile --no-loadscope-reorder

# Demo and tests start Python some hundred times: each time without bytecode costs a second of a processor.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help install demo test faults soak bench bench-quick bench-peers check lint types imports lock clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /|/' | awk -F'|' '{ printf "  make %-11s %s\n", $$1, $$2 }'

install: $(INSTALLED) ## Make .venv with every locked package and this project

demo: $(INSTALLED) ## Start servers, real movies, a workload, the flow and the dashboard; Ctrl-C ends it
	@$(BIN)/dbwatch demo

test: $(INSTALLED) ## Run every test, on real servers and in a real browser
	@$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(ARGS)

faults: $(INSTALLED) ## Run the job through every fault, then through random ones; SEED=… MINUTES=10
	$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

soak: $(INSTALLED) ## Run the longer variants of tests, which the suite leaves out
	$(BIN)/python -m pytest -m soak $(SIDE_BY_SIDE) $(ARGS)

bench: $(INSTALLED) ## Measure it all and write docs/performance.md; 30 minutes at most
	$(BIN)/python -m benchmarks --out docs $(ARGS)

bench-quick: $(INSTALLED) ## The same with less data in a few minutes; writes build/bench/performance.md
	$(BIN)/python -m benchmarks --quick $(ARGS)

bench-peers: $(INSTALLED) ## Get and build what the benchmark compares with: Debezium, 200 MB; needs a JDK, 17 or newer
	$(BIN)/python -m benchmarks.peers $(ARGS)

check: lint types imports test ## Run lint, types, import contracts and tests, as CI does

lint: $(INSTALLED) ## Check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED) ## Check types
	$(BIN)/pyright

imports: $(INSTALLED) ## Check that imports point one way
	$(BIN)/lint-imports --no-cache

lock: $(PACKAGES) ## Write requirements.txt anew from pyproject.toml, for every platform; UPGRADE=1 takes newer versions
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(if $(UPGRADE),--upgrade) \
		--quiet --output-file requirements.txt

clean: ## Remove .venv and what tools leave behind; data below .dbwatch stays
	rm -rf $(VENV) build dist test-results .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.dbwatch/*' -prune -exec rm -rf {} +

$(PACKAGES): requirements.txt
	@test -n "$(FOUND_PYTHON)" || { echo "make: Python 3.11 or 3.12 with venv is needed and was not found on PATH;" \
		"install one (on Debian and Ubuntu: apt-get install python3 python3-venv), or name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(BIN)/python -c '$(USABLE)' >/dev/null 2>&1 || { rm -rf $(VENV) && $(FOUND_PYTHON) -m venv $(VENV); }
	@echo "Installing the locked packages into $(VENV); the first time this takes a minute or so."
	@$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes \
		--requirement requirements.txt
	@touch $@

$(INSTALLED): $(PACKAGES) pyproject.toml dbwatch/dbwatch_defaults.pth
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $@
