# Needs make and Python 3.11 or newer; `make install PYTHON=python3.12` picks another interpreter.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
SDV := .venv-sdv
SDV_READY := $(SDV)/.ready
FRESH_ENOUGH := import sys; sys.version_info >= (3, 11) or sys.exit("popgen needs Python 3.11 or newer and $(PYTHON) is %d.%d; name a newer one: make install PYTHON=python3.12" % sys.version_info[:2])

.PHONY: help install format lint types contracts test test-sdv peers verify demo bench bench-speed nation data wheel check clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sort | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

install: $(READY)  ## make .venv and install popgen with its tools into it (again only when pyproject.toml changes)

$(READY): pyproject.toml
	@$(PYTHON) -c '$(FRESH_ENOUGH)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

$(SDV_READY): pyproject.toml
	@$(PYTHON) -c '$(FRESH_ENOUGH)'
	$(PYTHON) -m venv $(SDV)
	$(SDV)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(SDV)/bin/python -m pip install --quiet --editable '.[copulas,sdv]' --group sdv
	@touch $@

format: $(READY)  ## rewrite the code in the house's format
	$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

lint: $(READY)  ## style and likely mistakes
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY)  ## mypy --strict on popgen/
	$(BIN)/mypy

contracts: $(READY)  ## which module may import which
	$(BIN)/lint-imports --no-logo

check: lint types contracts  ## lint, types and contracts

test: $(READY)  ## every test and doctest
	$(BIN)/pytest

test-sdv: $(SDV_READY)  ## the adapters of copulas and sdv (BUSL-1.1), in a venv of their own
	$(SDV)/bin/pytest tests/test_methods.py tests/test_sdv.py -k 'copulas or sdv'

peers: $(READY)  ## only the comparisons with other packages
	$(BIN)/pytest -m peer

verify: $(READY)  ## statistical laws, slow: for a release
	set -e; for script in verification/[a-z]*.py; do $(BIN)/python $$script; done

demo: $(READY)  ## people for a state and the country, scored against a known joint, with a report
	$(BIN)/python benchmarks/demo.py

bench: $(READY)  ## PopBench: run what is not stored yet with the data at hand, and write the leaderboard
	$(BIN)/popgen bench run
	$(BIN)/popgen bench rank

bench-speed: $(READY)  ## time popgen against its peers
	set -e; for script in benchmarks/speed/[a-z]*.py; do $(BIN)/python $$script; done

nation: $(READY)  ## one in a hundred of a made-up nation: 850 zones of households and persons
	$(BIN)/python benchmarks/speed/nation.py --share 0.01

data: $(READY)  ## rebuild the shipped figures from the raw tables
	set -e; for script in $$(grep -l __main__ data/build/*.py); do $(BIN)/python $$script; done

wheel: $(READY)  ## build the distribution files into dist/
	$(BIN)/python -m build --no-isolation

clean:  ## remove everything that make made, environments included
	rm -rf .venv $(SDV) dist build .hypothesis
	find . -type d \( -name __pycache__ -o -name '.*_cache' \) -prune -exec rm -rf {} +
