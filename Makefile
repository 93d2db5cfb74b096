# Spillway. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
# Where this is set, each of the hundreds of processes that tests start would compile all of our files anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run cluster llm ocr speech test slow lint lint-js lock nginx browser postgres prometheus screenshot bench bench-peers bench-smoke faults documents compare choosing

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

# LLM=1 brings a small language model, and starts it; OCR=1 and SPEECH=1 bring models that read text in pictures, and
# write down speech. No network is needed afterwards.
EXTRAS := $(if $(filter 1,$(LLM)),llm) $(if $(filter 1,$(OCR)),ocr) $(if $(filter 1,$(SPEECH)),speech)

run: $(VENV)/installed $(EXTRAS:%=$(VENV)/installed-%) assets ## set up and start everything on embedded defaults
	@exec $(BIN)/python -m app.run

cluster: $(VENV)/installed assets ## what runs on several machines in earnest, as plain processes on this one
	@exec $(BIN)/python -m app.cluster

llm: $(VENV)/installed-llm ## install the small language model alone, for its tests
	@$(BIN)/python deploy/assets.py llm

ocr: $(VENV)/installed-ocr ## install what reads text in pictures alone, for its tests

speech: $(VENV)/installed-speech ## install what writes down speech alone, for its tests
	@$(BIN)/python deploy/assets.py speech

# Three on two cores, as tests wait a good part of their time. Each starts systems of its own.
SIDE_BY_SIDE := --numprocesses 3 --dist worksteal

test: $(VENV)/installed-dev assets ## set up and run every test
	@exec $(BIN)/python -m pytest $(SIDE_BY_SIDE)

# Comparisons, crashes under load and the larger models need the machine for themselves.
ALONE := tests/compare tests/faults tests/ml_clients tests/streams/test_small_model.py

slow: $(VENV)/installed-dev assets ## the tests that make test leaves out for their time
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --timeout 900 -m slow $(ALONE:%=--ignore %)
	@exec $(BIN)/python -m pytest --timeout 900 -m slow $(ALONE)

lint: $(VENV)/installed-dev lint-js ## ruff, bandit and mypy; eslint and typescript where node is there
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	@$(BIN)/bandit --quiet --recursive --configfile pyproject.toml app ml_clients deploy wsgi.py

lint-js: ## eslint and typescript alone
	@deploy/js/lint.sh $(VENV)/js

# What is locked stays as it is unless UPGRADE says otherwise: 1 for everything, or names of packages.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links \
	$(if $(filter 1,$(UPGRADE)),--upgrade,$(foreach name,$(UPGRADE),--upgrade-package $(name)))

lock: $(VENV)/installed-dev ## requirements*.txt anew from requirements*.in (UPGRADE=1, or UPGRADE="flask click")
	@$(LOCK) requirements.in --output-file requirements.txt
	@$(LOCK) requirements-dev.in --output-file requirements-dev.txt
	@$(foreach extra,llm ocr speech,$(LOCK) requirements-$(extra).in --output-file requirements-$(extra).txt &&) true

browser: $(VENV)/installed-dev ## install Debian's chromium where that is allowed
	@deploy/browser.sh

postgres: ## install Debian's PostgreSQL server where that is allowed
	@deploy/postgres.sh

prometheus: ## install Debian's Prometheus where that is allowed
	@deploy/prometheus.sh

nginx: ## install Debian's nginx where that is allowed
	@deploy/nginx.sh

screenshot: $(VENV)/installed-dev assets ## take docs/screenshot*.png anew
	@SCREENSHOT=1 exec $(BIN)/python -m pytest tests/browser/test_screenshot.py

bench: $(VENV)/installed-dev assets ## speed and memory beside its peers (ROWS="echo,fan" REPEAT=3)
	@exec $(BIN)/python -m tests.bench $(if $(ROWS),--rows "$(ROWS)") $(if $(REPEAT),--repeat $(REPEAT))

bench-peers: $(VENV)/installed-dev ## install what make bench compares with, where it can be had
	@exec $(BIN)/python -m tests.bench.peers.install

bench-smoke: $(VENV)/installed-dev assets ## whether the bench works: tiny numbers
	@exec $(BIN)/python -m tests.bench --smoke --json var/bench-smoke.json $(if $(ROWS),--rows "$(ROWS)")

faults: $(VENV)/installed-dev assets ## the crash suite: kill, cut, fill, and audit (SEED=N repeats a run)
	@exec $(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(TIMES),--times $(TIMES))

documents: $(VENV)/installed-dev ## renew tests/documents/*.json, where a change of the contract is meant so
	@exec $(BIN)/python -m tests.documents.served

compare: $(VENV)/installed assets ## which path should I use? (ARGS="--preset curai-day --full")
	@exec $(BIN)/python -m app compare $(ARGS)

choosing: $(VENV)/installed-dev assets ## every preset of it, into docs/choosing.md (PRESETS="burst chatty")
	@exec $(BIN)/python -m tests.choosing $(PRESETS)

.PHONY: assets
assets: $(VENV)/installed
	@$(BIN)/python deploy/assets.py $(EXTRAS)

$(VENV)/installed: requirements.txt
	@echo "installing Spillway into $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Spillway needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/installed-llm $(VENV)/installed-ocr $(VENV)/installed-speech: $(VENV)/installed-%: requirements-%.txt $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@
