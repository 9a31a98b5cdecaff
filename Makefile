# Requires Python 3.11 or newer, make and a package registry. `make PYTHON=python3.12` uses another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH_VENV := .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed
URL := http://127.0.0.1:6543

# Parameters of make bench, for example: make bench PAYMENTS=100000 PATIENTS=10000 RUNS=1 ONLY=sync-postgresql,reads
PAYMENTS ?= 1000000
PATIENTS ?= 100000
RUNS ?= 5
ONLY ?=

# Parameters of make soak, for example: make soak ENGINE=sqlite MINUTES=1 RATE=100
ENGINE ?= postgresql
MINUTES ?= 10
RATE ?= 50

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install run quick test test-attacks test-browser test-citus test-container test-deployment test-faults test-fresh-root test-inputs test-systemd test-together lint docs check bench bench-smoke soak lock clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Install the locked dependencies and paymentagg itself into .venv

# The demonstration has a database of its own. Whatever else the environment or the ini file names has other people's data.
run: export PAYMENTAGG_DATABASE_URL := sqlite:///demo.sqlite
run: install ## Sync the sample into demo.sqlite and serve it on http://127.0.0.1:6543
	$(BIN)/paymentagg-sync --patients samples/patients.json --payments samples/payments.json -c development.ini
	@echo
	@echo 'Open  $(URL)/ui in a browser'
	@echo "Try   curl '$(URL)/patients?payment_min=10&payment_max=20'"
	@echo "      curl '$(URL)/payments?external_id=5'"
	@echo "      curl -H 'Content-Type: application/json' --data-binary @samples/payments_with_errors.json '$(URL)/payments?dry_run=true'"
	@echo 'Stop  with Ctrl-C'
	@echo
	$(BIN)/pserve development.ini

test: install ## Run every test that needs no browser and no nginx, on SQLite and on a PostgreSQL of its own; fail if branch coverage is too low
	$(BIN)/pytest --ignore=tests/browser --ignore=tests/citus --ignore=tests/deployment --ignore=tests/machines --ignore=tests/package -n 4 --dist worksteal --cov --cov-report=term-missing:skip-covered

test-browser: install ## Walk over all pages in Chromium, which has to be installed; write the screenshots
	$(BIN)/pytest tests/browser -n auto --maxprocesses 4

test-deployment: install ## Run four processes behind nginx, one killed under load, and a server through PgBouncer; both must be installed
	$(BIN)/pytest tests/deployment

# The mounts of these tests are their own, and vanish with them.
test-container: install ## Execute each step of deploy/Containerfile in a fresh Debian, and serve from it (four minutes); as root, with debootstrap
	unshare --mount $(BIN)/pytest tests/machines/test_containerfile.py -rP

test-package: install ## Build the package twice, install it into an empty environment, and run what paymentagg-init prints; needs man
	$(BIN)/pytest tests/package
test-fresh-root: install ## Go from the wheel to the first page in a fresh Debian, on SQLite and on PostgreSQL (four minutes); as root, with debootstrap
	unshare --mount $(BIN)/pytest tests/machines/test_newcomer.py -rP

test-systemd: install ## Run the units under a systemd of their own (three minutes); as root, with debootstrap and systemd-container
	unshare --mount $(BIN)/pytest tests/machines/test_systemd.py

test-inputs: install ## Send 100,000 damaged snapshots and all bombs at full size (half an hour); print the cost of each bomb
	$(BIN)/pytest tests/inputs --scale 170 -rP

test-faults: install ## Kill processes, stop servers, lose responses, fill disks (half an hour or more)
	$(BIN)/pytest -m faults --scale 100 -rP

test-attacks: install ## Attack a server with silent, large and finely chunked bodies (six minutes); print the figures
	$(BIN)/pytest tests/attacks --scale 5 -rP

test-together: install ## Read 20,000 times on each engine while syncs run (ten minutes); no response may mix states
	$(BIN)/pytest tests/together --scale 20 -rP

test-citus: install ## Test on the Citus cluster whose coordinator PAYMENTAGG_TEST_CITUS_URL names, see docs/citus.md (ten minutes)
	@test -n "$$PAYMENTAGG_TEST_CITUS_URL" || { echo 'Set PAYMENTAGG_TEST_CITUS_URL: docs/citus.md says how to start a cluster.'; exit 1; }
	$(BIN)/pytest tests/citus tests/contract tests/together/test_two_syncs.py tests/together/test_races.py \
	    tests/faults/test_calls.py tests/faults/test_commit.py -k 'not memory and not sqlite' -n auto --maxprocesses 2
	$(BIN)/pytest tests/together/test_reads_during_syncs.py tests/faults/test_signals.py -k 'not sqlite' --scale 10 -rP

lint: install ## Check format, style, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: lint ## Lint, and run the unit tests and the contract of the stores in memory and on SQLite: less than a minute, for each commit
	$(BIN)/pytest tests/unit tests/contract -k 'not postgresql and not many-practices' -n auto --maxprocesses 4 --dist worksteal -q

docs: install ## Build the documentation as a site into site/; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

dist: install ## Build sdist and wheel into dist/, the same bytes from the same commit, with man pages and completions
	$(BIN)/python release/build_dist.py
	$(BIN)/twine check --strict dist/*

release-notes: install ## Print the section of CHANGELOG.md that is about the version in setup.cfg
	@$(BIN)/python release/release_notes.py

check: lint test test-browser test-deployment test-package bench-smoke ## Lint, test, also in a browser, behind nginx and as a package, and run small benchmarks: the definition of done

bench: install $(BENCH_INSTALLED) ## Compare paymentagg with other tools (an hour or two), and write docs/benchmarks.md
	$(BIN)/python benchmarks/run.py --payments $(PAYMENTS) --patients $(PATIENTS) --rounds $(RUNS) --only '$(ONLY)'

bench-smoke: install ## Run the benchmarks at a small size; tools that do the same work must produce the same rows
	$(BIN)/python benchmarks/run.py --smoke --payments 2000 --patients 400 --rounds 1 --seconds 0.5

soak: install ## Load a server for ten minutes; no request may fail, and no memory or connection may leak
	$(BIN)/python benchmarks/soak.py --engine $(ENGINE) --minutes $(MINUTES) --rate $(RATE)

lock: install ## Update requirements-dev.lock, and from it requirements.lock; update benchmarks/requirements.lock
	$(BIN)/uv pip compile setup.cfg --extra dev --output-file requirements-dev.lock --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet
	$(BIN)/uv pip compile setup.cfg --output-file requirements.lock --constraint requirements-dev.lock --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet
	$(BIN)/uv pip compile benchmarks/requirements.in --output-file benchmarks/requirements.lock --upgrade --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' --quiet

clean: ## Remove .venv, .venv-bench and all files that the tools created, but no databases
	rm -rf $(VENV) $(BENCH_VENV) .coverage .coverage.* htmlcov .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -rf build screenshots site dist src/*.egg-info
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# requirements.lock, without the test tools, is what servers install. A lock file lists every package, so pip needn't resolve
# anything (--no-deps). If it did, pip 23 would look for the newest `coverage[toml]`, whatever version of `coverage` is locked,
# and fail for lack of a hash. setuptools is locked too, so the build needs no isolation.
$(INSTALLED): setup.cfg requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit("paymentagg needs Python 3.11 or newer; name one: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

# dlt and Datasette have a virtual environment of their own: their dependencies must not affect those of paymentagg.
$(BENCH_INSTALLED): benchmarks/requirements.lock
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q --no-deps --require-hashes -r benchmarks/requirements.lock
	@touch $@
