# make help lists what can be done; everything else says what it does as it goes.
PYTHON := .venv/bin/python
# Telephones wait more than they work: four sessions, each with an Asterisk of its own.
SIDE_BY_SIDE := --numprocesses=4 --dist=loadfile
# The faults' tests differ much in length: who has none left takes some from another.
FAULTS := tests/faults --numprocesses=4 --dist=worksteal
.DEFAULT_GOAL := help
.PHONY: help setup demo run test check bench bench-audit bench-ledger bench-routing ledger-proofs faults soak lint types imports pytest format pins clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up all that is needed (what is done is skipped)
	@deploy/setup.sh

demo: setup ## Place real calls and show them, their CDRs and the money
	@$(PYTHON) -m tests.demo

run: setup ## Run callctl with its own Asterisk and PostgreSQL until Ctrl-C
	@.venv/bin/callctl run

test: setup lint types imports pytest ## Run all tests: lint, types, import order, pytest

check: test ## The same; exactly what .ci/run runs

bench: setup ## Measure callctl against plain Dial() on this machine
	@$(PYTHON) -m tests.bench

bench-audit: $(PYTHON) ## Time callctl audit over ten million transfers (6 GB of disk)
	@$(PYTHON) -m tests.bench.audit

bench-ledger: $(PYTHON) ## Measure the ledger: durable operations a second
	@$(PYTHON) -m tests.bench.ledger $(ARGS)

bench-routing: $(PYTHON) ## Time decisions of a number with 1,000 routes and 20 lines
	@$(PYTHON) -m tests.bench.routing

ledger-proofs: $(PYTHON) ## Run the ledger's proofs in their long form (CI runs the short one)
	@CALLCTL_LEDGER_PROOFS=long $(PYTHON) -m pytest -v --durations=4 --show-capture=no \
		tests/db/test_ledger_machine.py tests/db/test_ledger_crowd.py tests/db/test_ledger_stops.py

faults: setup ## Break everything in turn, long form; report in var/faults (ARGS="-k name" runs some)
	@CALLCTL_FAULTS=long CALLCTL_FAULTS_REPORT=var/faults/report.md \
		$(PYTHON) -m pytest -v --show-capture=no $(FAULTS) $(ARGS)

soak: setup ## Hold calls for HOURS=n while something breaks every 30 s (ARGS="--calls 200 --rate 2 --seed 1")
	@$(PYTHON) -m tests.faults.soak --hours $(or $(HOURS),1) $(ARGS)

lint: $(PYTHON) ## Check style and formatting (ruff)
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check

types: $(PYTHON) ## Check types (mypy, strict)
	@$(PYTHON) -m mypy

imports: $(PYTHON) ## Check that packages import only lower ones (import-linter)
	@.venv/bin/lint-imports --no-logo

pytest: $(PYTHON) ## Run the tests alone; make pytest ARGS="tests/db -x" runs some
ifdef ARGS
	@$(PYTHON) -m pytest $(ARGS)
else
	@$(PYTHON) -m pytest tests/unit tests/tidy tests/db
	@$(PYTHON) -m pytest tests/ari tests/sip $(SIDE_BY_SIDE)
	@$(PYTHON) -m pytest $(FAULTS)
endif

format: $(PYTHON) ## Format the code and mend what ruff can mend
	@$(PYTHON) -m ruff check --fix
	@$(PYTHON) -m ruff format

pins: $(PYTHON) ## Write the versions of .venv to deploy/constraints.txt
	@$(PYTHON) -m pip --disable-pip-version-check freeze --exclude-editable > deploy/constraints.txt

clean: ## Remove what running left behind (data and logs too); keeps .venv and the image
	@deploy/clean.sh

distclean: clean ## Remove .venv and the Asterisk image as well
	@deploy/clean.sh all

$(PYTHON):
	@echo "there is no .venv yet: run make setup" >&2; exit 2
