# Needs Python 3.11 or newer and make; everything else comes from the lock, by hash.
PYTHON ?= python3
VENV ?= .venv
VENV4 ?= .venv-connector4
SCANNERS ?= .scanners
MUTATION ?= .mutation
TIMES ?= 20
PROCESSES ?= 2
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --quiet
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

PEERS := $(basename $(wildcard benchmarks/peers/requirements-*.in))

.DEFAULT_GOAL := help
.PHONY: help setup demo cloud-local test prove mutants check check-terraform check-workflows advisories bench bench-full package test-connector4 format lock clean

help: ## what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

setup: $(VENV)/.installed ## the environment in .venv, from the lock

demo: setup ## PostgreSQL and the warehouse embedded, real data, full then incremental, verified
	$(BIN)/borealis demo

cloud-local: setup ## the cloud on a laptop: state machine, functions, Vault, standby; what ran where
	$(BIN)/python -m engine.local.cloud

test: setup ## every test but those of Terraform and of the workflows
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --ignore=tests/terraform --ignore=tests/delivery/test_workflows.py

prove: setup ## kills, random faults and damages, fuzzed inputs, more than the tests try: make prove [TIMES=20]
	BOREALIS_PROVE=$(TIMES) $(BIN)/python -m pytest -n $(PROCESSES) --dist load --timeout 14400 tests/faults tests/proofs tests/security tests/integration/test_types_round_trip.py

mutants: $(MUTATION)/.installed ## changes of the deciding modules that their tests do not notice; 10 minutes: make mutants [MUTATE=engine/plan.py]
	$(MUTATION)/bin/python -m tests.mutants $(MUTATE)

check: setup ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy engine handlers package delivery
	$(BIN)/python -m pytest -q tests/unit/test_house.py

check-terraform: setup $(SCANNERS)/.installed ## the infrastructure: formats, plans, rights, faults, scanners
	SCANNERS=$(SCANNERS) $(BIN)/python -m pytest tests/terraform

check-workflows: setup $(SCANNERS)/.installed ## what GitHub runs: actionlint, shellcheck, zizmor
	SCANNERS=$(SCANNERS) $(BIN)/python -m pytest tests/delivery/test_workflows.py

advisories: $(SCANNERS)/.installed ## what is known against the packages of the locks; asks the network
	for lock in requirements requirements-dev requirements-scanners requirements-mutation; do \
	  $(SCANNERS)/bin/pip-audit --require-hashes --disable-pip -r $$lock.txt || exit; done

bench: setup ## speed beside other tools, in 9 minutes: make bench [BENCH="--only extract"]
	$(BIN)/python -m benchmarks run $(BENCH)

bench-full: setup ## the same with every table, at scale 1, in 40 minutes
	$(BIN)/python -m benchmarks run --full $(BENCH)

package: setup ## zips for AWS Lambda in dist/: make package [PACKAGE="--config borealis.toml"]
	$(BIN)/python -m package $(PACKAGE)

test-connector4: $(VENV4)/.installed ## the contract suite and runs under the oldest connector supported
	$(VENV4)/bin/python -m pytest tests/contract tests/integration/test_full.py tests/integration/test_incremental.py

format: setup ## rewrite the sources as the formatter wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup ## resolve the requirements again: make lock [UPGRADE=--upgrade]
	$(BIN)/$(LOCK) $(UPGRADE) pyproject.toml --extra local --group dev -o requirements-dev.txt
	$(BIN)/$(LOCK) $(UPGRADE) pyproject.toml -c requirements-dev.txt -o requirements.txt
	grep -v '^snowflake-connector-python==' requirements-dev.txt | grep -E '^[a-z0-9_.-]+==' | sed 's/ \\$$//' > .constraints.txt
	$(BIN)/$(LOCK) $(UPGRADE) requirements-connector4.in -c .constraints.txt -o requirements-connector4.txt
	rm .constraints.txt
	$(BIN)/$(LOCK) $(UPGRADE) requirements-scanners.in -o requirements-scanners.txt
	$(BIN)/$(LOCK) $(UPGRADE) requirements-mutation.in -c requirements-dev.txt -o requirements-mutation.txt
	for peer in $(PEERS); do $(BIN)/$(LOCK) $(UPGRADE) $$peer.in -o $$peer.txt; done

clean: ## remove the environments, the peers and the zips
	rm -rf $(VENV) $(VENV4) $(SCANNERS) $(MUTATION) .peers dist

# The stamp is newer than the lock exactly when the environment was made from it.
$(VENV)/.installed: requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 setup")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) install --require-hashes -r requirements-dev.txt
	$(BIN)/python $(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(VENV4)/.installed: requirements-dev.txt requirements-connector4.txt pyproject.toml
	$(PYTHON) -m venv $(VENV4)
	$(VENV4)/bin/python $(PIP) install --require-hashes -r requirements-dev.txt
	$(VENV4)/bin/python $(PIP) install --require-hashes -r requirements-connector4.txt
	$(VENV4)/bin/python $(PIP) install --no-deps --no-build-isolation -e .
	touch $@

$(SCANNERS)/.installed: requirements-scanners.txt
	$(PYTHON) -m venv $(SCANNERS)
	$(SCANNERS)/bin/python $(PIP) install --only-binary=:all: --require-hashes -r $<
	touch $@

$(MUTATION)/.installed: requirements-mutation.txt
	$(PYTHON) -m venv $(MUTATION)
	$(MUTATION)/bin/python $(PIP) install --only-binary=:all: --require-hashes -r $<
	touch $@
