# make repro   set up, then run the pipeline        make test    set up, then run the tests
# make plots   show its plots in a browser          make test-slow   the tests that take minutes
# make check   lint, types, imports, dependencies
# make bench   time training and explaining         make setup   set up only
# make export  the network for other programs       make explain IMAGE=photo.png   your own picture
# make compare REV=HEAD~1           compare the explanations with those of a revision or experiment
# make verify  results against dvc.lock, arrays against each other
# make experiments   what experiments changed and reached, in 100 columns
# make clean   remove what interrupted runs have left, which they could go on from
# make mutants ONLY='stages.sampling.*'   change the code bit by bit: does a test fail each time?
# make recipe NAME=digits_lenet   run a recipe as an experiment of that name; make recipes: all
VENV ?= .venv
PYTHON ?= python3

# DVC runs whatever `python` is first on PATH, so that must be the environment's.
export PATH := $(abspath $(VENV))/bin:$(PATH)
READY := $(VENV)/.ready

.PHONY: repro test test-slow check bench plots compare export explain experiments recipe recipes setup clean verify mutants

repro: $(READY)
	python -m stages.check
	dvc repro
	python -m tools.next_steps

test: export OMP_NUM_THREADS = 1
test: $(READY)
	pytest -m "not slow" --numprocesses logical --maxprocesses 4 --dist worksteal

test-slow: $(READY)
	pytest -m "slow or fuzz" --hypothesis-profile many

# Runs all fast tests once, to learn which functions each one calls, then a second or so a mutant.
mutants: export OMP_NUM_THREADS = 1
mutants: $(READY)
	mutmut run $(if $(ONLY),'$(ONLY)')
	mutmut results

# deptry twice: over everything, then over what users run, which must not need the dev packages.
check: $(READY)
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo
	oxlint --deny-warnings stages
	deptry .
	deptry . --extend-exclude 'tests|benchmarks' --optional-dependencies-dev-groups dev
	actionlint

bench: $(READY)
	python -m benchmarks.train
	python -m benchmarks.deepshap
	python -m benchmarks.deepshap_deep

plots: $(READY)
	dvc plots show --open

export: $(READY)
	python -m tools.export

explain: $(READY)
	python -m tools.explain $(if $(IMAGE),"$(IMAGE)")

compare: $(READY)
	python -m tools.compare $(REV) $(REV2)

verify: $(READY)
	python -m tools.verify

experiments: $(READY)
	python -m tools.experiments

recipe: $(READY)
	python -m tools.recipes $(NAME)

recipes: $(READY)
	python -m tools.recipes --all

clean:
	rm -rf data/unfinished
	find data plots metrics -name '*.partial' -prune -exec rm -rf {} +

setup: $(READY)

$(READY): pyproject.toml constraints.txt tools/plots_page.py
	test -x $(VENV)/bin/pip || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(VENV)/bin/python -m tools.plots_page
	touch $@
