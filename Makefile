# make repro   set up, then run the pipeline        make test    set up, then run the tests
# make plots   show its plots in a browser          make check   lint and types
# make bench   time training and explaining         make setup   set up only
# make recipe NAME=digits_lenet   run a recipe as an experiment of that name; make recipes: all
VENV ?= .venv
PYTHON ?= python3

# DVC runs whatever `python` is first on PATH, so that must be the environment's.
export PATH := $(abspath $(VENV))/bin:$(PATH)
READY := $(VENV)/.ready

.PHONY: repro test check bench plots recipe recipes setup

repro: $(READY)
	python -m stages.check
	dvc repro

test: $(READY)
	pytest

check: $(READY)
	ruff check .
	ruff format --check .
	mypy

bench: $(READY)
	python -m benchmarks.train
	python -m benchmarks.deepshap
	python -m benchmarks.deepshap_deep

plots: $(READY)
	dvc plots show --open

recipe: $(READY)
	python -m recipes $(NAME)

recipes: $(READY)
	python -m recipes --all

setup: $(READY)

$(READY): pyproject.toml constraints.txt stages/figures/plots_page.py
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(VENV)/bin/python -m stages.figures.plots_page
	touch $@
