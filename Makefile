# The two commands of the README are `make run` and `make test`; the others are for whoever develops Pasang.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 3
STAMP := $(VENV)/.installed

.PHONY: run test test-long test-windows-real lab lab-windows bench chaos check lock clean

run: $(STAMP)  ## install a real program on this very computer, without root, and show its form
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash tests/first_job.sh

test: $(STAMP)  ## everything that must hold; as root also on the lab's real computers
	@bash tests/prepare.sh
	$(MAKE) --no-print-directory check
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test-long: $(STAMP)  ## what the everyday suite leaves out: more faults on Windows computers
	@bash tests/prepare.sh
	$(BIN)/pytest -m long -n 2 --dist loadfile

test-windows-real: $(STAMP)  ## WinRM's contract against a real computer: PASANG_TEST_WINDOWS=inventory.yaml:NAME
	@test -n "$$PASANG_TEST_WINDOWS" || { echo "set PASANG_TEST_WINDOWS=inventory.yaml:NAME" >&2; exit 2; }
	$(BIN)/pytest tests/contract/test_winrm.py tests/contract/test_windows_boot.py

check: $(STAMP)  ## format, lint, types, import contracts, the agent's Python
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --no-tips --violations -t=3.8- agent

lab: $(STAMP)  ## boot N real computers: make lab N=5 BASE=bookworm
	$(BIN)/python -m tests.lab up --hosts $(or $(N),3) --base $(or $(BASE),bookworm)

lab-windows: $(STAMP)  ## boot N Windows computers, bare, with WinRM: make lab-windows N=5
	@bash tests/prepare.sh
	$(BIN)/python -m tests.lab up --hosts $(or $(N),3) --base windows

bench: $(STAMP)  ## raw SSH, pyinfra, Ansible and Pasang side by side; prints the table of docs/bench.md
	$(BIN)/python -m tests.bench $(ARGS)

chaos: $(STAMP)  ## the crash matrix: a fault at each record of both sides; prints its table, writes docs/chaos.md
	$(BIN)/python -m tests.chaos $(or $(ARGS),--report docs/chaos.md)

lock: $(STAMP)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url --no-header --no-annotate -q -o requirements.lock

$(STAMP): requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache
