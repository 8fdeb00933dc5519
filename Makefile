# `make plan` and `make test` need Python 3.11 or newer, bash and make, and nothing else.
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV ?= .venv
PYTHON ?=
ARGS ?=
BIN := $(VENV)/bin
MANY := --numprocesses auto --maxprocesses 4 --dist loadfile
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable

.PHONY: help plan paper plots docs test test-all test-nvflare lint types bench federated fuzz race testbed mutants test-lowest audit coverage clean clean-cache

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

plan: $(VENV)/installed ## plan the built-in fleet; your own: ARGS="devices.csv --limits limits.toml"
	@$(BIN)/python -m fimi_opt $(ARGS)

paper: $(VENV)/installed-plot ## the paper's table and figures beside the optimum, into docs/; goes on where it stopped
	@$(BIN)/python -m benchmarks.paper $(ARGS)

plots: $(VENV)/installed-plot ## the pictures of docs/plots.md
	@$(BIN)/python docs/plots.py

docs: $(VENV)/installed-dev $(VENV)/installed-docs ## the documentation as a site, into build/docs; warnings are errors, tutorials and examples run
	rm -rf build/docs
	$(BIN)/python -m sphinx -q -E -W --keep-going -n -b html -d build/docs-doctrees docs build/docs
	$(BIN)/python -m pytest -q src tests/test_docs.py tests/test_site.py

test: lint types ## lint, check types, run the tests
	$(BIN)/python -m pytest -m "not release" $(MANY)

test-all: lint types ## the same and the tests that compile everything anew or need the machine (root for some), before a release
	$(INSTALL) '.[release]'
	$(BIN)/python -m pytest
	$(MAKE) test-nvflare

lint: $(VENV)/installed-dev ## ruff and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(VENV)/installed-dev ## mypy, strict
	$(BIN)/mypy

bench: $(VENV)/installed-dev ## time every method at every size, after its answer matched, into docs/; ARGS="--ten-million"
	@$(BIN)/python -m benchmarks.speed $(ARGS)

federated: $(VENV)/installed-dev ## plan, synthesise, train and compare on real digits, into docs/; goes on where it stopped
	@$(BIN)/python -m benchmarks.federated $(ARGS)

N ?= 2000
SEED ?= 1
fuzz: $(VENV)/installed-dev ## judge random instances from every corner: N=100000 SEED=1; goes on where it stopped
	@$(BIN)/python -m benchmarks.fuzz --count $(N) --seed $(SEED) $(ARGS)

race: $(VENV)/installed-dev ## eight processes at once on an empty cache, fifty times
	$(BIN)/python benchmarks/cold_start.py race $(ARGS)

testbed: $(VENV)/installed-dev ## planned against measured times on real processes, as root; ARGS="--cycles --write"
	@$(BIN)/python -m benchmarks.testbed $(ARGS)

mutants: $(VENV)/installed-dev ## put small faults in, and see which the tests notice; ARGS="solvers.joint --count 50"
	nice -n 10 $(BIN)/python -m benchmarks.mutation $(ARGS)

test-nvflare: $(VENV)/installed ## NVFlare's simulator follows a plan; in a virtualenv of its own, some 27 s after its packages
	$(BIN)/python -m venv --clear .venv-nvflare
	.venv-nvflare/bin/python -m pip install --quiet --constraint constraints-nvflare.txt --editable '.[nvflare]' pytest hypothesis
	.venv-nvflare/bin/python -m pytest tests/test_nvflare.py tests/test_any_framework.py

test-lowest: ## make test's tests with the oldest releases that pyproject.toml allows; needs Python 3.11
	python3.11 -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable '.[bench,federated]'
	.venv-lowest/bin/python -m pytest -m "not release" $(MANY)

audit: $(VENV)/installed-dev ## known vulnerabilities of the pinned releases; needs pip-audit and the advisory databases
	$(BIN)/python -m pip_audit --strict --no-deps --disable-pip --requirement constraints.txt

coverage: $(VENV)/installed-dev ## which lines the tests reach, kernels included: without JIT and the slow tests
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -m "not slow and not release" $(MANY) --cov --cov-report=term-missing

clean: clean-cache ## remove all that the other targets made, the virtualenv too
	rm -rf $(VENV) .venv-nvflare .venv-lowest build dist .coverage .coverage.* htmlcov .hypothesis
	rm -rf .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

clean-cache: ## remove numba's compiled kernels
	find src tests benchmarks \( -name '*.nbi' -o -name '*.nbc' \) -delete

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.11 python3.12 python3.13); do \
	    if "$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "$(VENV): $$("$$python" --version)"; \
	        exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	done; \
	echo 'No Python 3.11 or newer, with venv and ensurepip: tried $(or $(PYTHON),python3 and python3.11 to 3.13).' >&2; \
	echo 'Install one, or name it: make PYTHON=/path/to/python3' >&2; \
	exit 1

$(VENV)/installed: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) .
	@touch $@

$(VENV)/installed-plot: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[plot,progress]'
	@touch $(VENV)/installed $@

$(VENV)/installed-docs: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[docs]'
	@touch $(VENV)/installed $(VENV)/installed-plot $@

$(VENV)/installed-dev: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) '.[dev]'
	@touch $(VENV)/installed $(VENV)/installed-plot $@
