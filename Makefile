# `make help` lists what there is. Everything runs in .venv; tests that need servers build them into a cache first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest
JOBS ?= 2

.PHONY: help demo test test-fast search lint bench mutation tools native recordings clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | sort | expand -t 14

demo: $(VENV)/.installed native ## the main job, end to end: recorded requests against the real server
	@$(BIN)/govgate demo

test: lint tools native ## everything: static checks, then all tests (builds the test servers the first time)
	$(PYTEST) -n $(JOBS) --dist loadgroup

test-fast: $(VENV)/.installed-test ## what needs neither Go nor servers
	GOVGATE_NATIVE=skip $(PYTEST) -m "not servers and not native"

search: $(VENV)/.installed-test ## look for examples that break a property (random, long; `make test` repeats the same ones)
	$(PYTEST) -m "not servers and not native" --hypothesis-profile=search tests/unit

lint: $(VENV)/.installed-test ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

BENCH ?=
bench: $(VENV)/.installed-test native ## measure, and write bench-results/ (BENCH="decision server": these alone)
	PYTHONPATH=tests $(BIN)/python -m bench $(BENCH)

mutation: $(VENV)/.installed-test ## switch off one condition of the drift guard, of signatures, at a time: a test must notice (long)
	$(BIN)/python tools/mutate drift --jobs 2
	$(BIN)/python tools/mutate signatures --jobs 2
	$(BIN)/python tools/mutate trust --jobs 2
	$(BIN)/python tools/mutate sources --jobs 2
	$(BIN)/python tools/mutate oci --jobs 2

tools: $(VENV)/.installed ## build the pinned servers and clients that the tests run
	$(BIN)/python tools/build.py

native: $(VENV)/.installed ## build the native library, unless it is in the cache
	@$(BIN)/python tools/build_native.py

recordings: $(VENV)/.installed-test tools native ## record the admission reviews of demo and tests anew
	PYTHONPATH=tests $(BIN)/python -m recordings.generate

clean: ## remove the environment and all caches in the tree
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Each stamp holds as long as what was installed from does not change.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("govgate needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; choose another: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python has no venv module (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made requirements/pip.txt requirements/runtime.txt requirements/build.txt requirements/runtime.in pyproject.toml tools/hatch_dependencies.py tools/hatch_native.py
	$(PIP) install --require-hashes -r requirements/pip.txt
	$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	GOVGATE_NATIVE=skip $(PIP) install --no-deps --no-build-isolation -e . # the library is a target of its own
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements/test.txt
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@
