# GPT, Claim by Claim. `make` alone lists what there is.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
# The environment is remade when what it is made from changes, whatever the clock says.
READY  := $(VENV)/.ready-$(shell cat requirements.txt pyproject.toml | cksum | tr ' ' '-')
HTML   := _build/html
PORT   ?= 8000

export PYTHONUNBUFFERED := 1

.PHONY: help setup book notebooks test test-fast test-install test-mutants test-turns measure-sample serve lab bench lint clean distclean

help: ## this list
	@echo "GPT, Claim by Claim"; echo
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
	  awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

setup: $(READY) ## the Python environment in .venv

$(READY):
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 10) and f"Python 3.10 or \
	newer is needed and $(PYTHON) is {v[0]}.{v[1]}; name another: make PYTHON=python3.12")'
	@test -x $(PY) || { echo "Making the environment in $(VENV)"; $(PYTHON) -m venv $(VENV) || \
	  { echo "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"; \
	  exit 1; }; }
	@echo "Installing what requirements.txt pins (the first time takes a few minutes)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@PYTHONWARNINGS=ignore $(PY) -m pip install --quiet --disable-pip-version-check \
	  --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.ready-*
	@touch $@

book: $(READY) ## run the notebooks, build the web book, say where it is
	@$(PY) book/_tools/build.py

notebooks: $(READY) ## refresh the notebooks that git keeps: run, text outputs only
	@$(PY) book/_tools/refresh.py

test: $(READY) ## everything: units, notebooks, the book's structure, the book in a browser
	@$(PY) tests/everything.py

test-fast: $(READY) ## the unit tests, but for those that passed as they stand (ALL=1: all)
	@$(PY) tests/everything.py --fast $(if $(ALL),--all)

test-install: $(READY) ## a wheel, installed with the oldest and the newest packages it asks for
	@GPTCORE_TEST_INSTALL=1 $(PY) -m pytest tests/test_packaging.py -q

test-mutants: $(READY) ## plant each deliberate fault on a copy and show which test catches it
	@$(PY) tests/mutants/run.py

measure-sample: $(READY) ## measure a part of what is on record again, and compare
	@$(PY) data/measure.py --sample

test-turns: $(READY) ## take away the effect behind each verdict and show that it turns
	@$(PY) tests/turns/run.py

serve: $(READY) ## serve the built book (PORT=8000)
	@test -f $(HTML)/index.html || $(MAKE) --no-print-directory book
	@echo "The book is at http://127.0.0.1:$(PORT)/ (Ctrl-C stops)"
	@$(PY) -m http.server $(PORT) --bind 127.0.0.1 --directory $(HTML)

lab: $(READY) ## the notebooks, live, in JupyterLab
	@$(PY) -m jupyterlab book

bench: $(READY) ## every measurement in bench/, one after another
	@for file in bench/*.py; do echo "== $$file"; $(PY) $$file; done

lint: $(READY) ## ruff: rules and layout
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .

clean: ## remove what was built (the environment stays)
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## remove the environment too
	rm -rf $(VENV)
