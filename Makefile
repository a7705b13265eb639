# `make demo` and `make test` need Python 3.11 or newer, and nothing else: what they need, they install.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CNAMM := $(BIN)/cnamm-scan

.PHONY: demo test test-all check lint docs bench clean help

help:
	@echo "make demo   scan an embedded AWS account, Azure subscription, Google Cloud organization and Kubernetes cluster: a score, a roadmap, a bundle"
	@echo "make test   run the tests that take a moment each"
	@echo "make test-all  those, the fuzzes and the large matrices, and every law with all its examples"
	@echo "make check  lint, format, types, content lint, generated docs, all tests"
	@echo "make docs   write docs/reference from content"
	@echo "make bench  run the benchmarks"

$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cnamm-scan needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/python -m tests.kubectl
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	$(CNAMM) demo

# tests wait now and then for a server or a signal: half as many workers again as there are cores keep these busy
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)) * 3 // 2)' 2>/dev/null || echo auto)
# tests that share a fixture stay together, in an order drawn anew each time; each worker starts the servers that its tests need
PYTEST = $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

test: $(VENV)/.dev
	$(PYTEST)

test-all: $(VENV)/.dev
	$(PYTEST) -m ''

check: $(VENV)/.dev
	$(BIN)/ruff check cnamm_scan tests
	$(BIN)/ruff format --check cnamm_scan tests
	$(BIN)/mypy
	$(CNAMM) content lint
	$(CNAMM) content docs docs/reference --check
	@$(MAKE) --no-print-directory test-all

docs: $(VENV)/.dev
	$(CNAMM) content docs docs/reference

bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
