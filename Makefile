# make repro         set up, then run the pipeline        make test        set up, then run the tests
# make plots         open its plots in a browser          make test-slow   run the tests that take minutes
# make explain IMAGE=photo.png   explain a picture of your own (AS_IS=1: only resize it)
# make compare REV=HEAD~1        compare the explanations with those of a revision or experiment
# make retrain N=10  train with ten other seeds: would the explanations hold again? (JOBS=2: two at once)
# make plan          estimate the time, memory and disk that a run would take, without running it
# make verify        check results against dvc.lock, and arrays against each other
# make verdict REV=HEAD~1        judge on one page whether the results hold, for a reviewer
# make league        compare all methods: known answers, measures, maps side by side (IMAGE=3: of image 3)
# make experiments   list the changes and results of experiments, in lines of 100 characters
# make recipe NAME=digits_lenet  run a recipe as an experiment of that name; make recipes: all
# make recipe NAME=photographs SET=data.source=data/pets   the same, with another value for a parameter
# make adopt FROM=microsoft/resnet-50   make a recipe of a pretrained network; or FROM=<folder>,
#                                timm:resnet18.a1_in1k, torchvision:resnet18
# make export        write the network for other programs
# make check         lint, types, imports, dependencies, spelling
# make docs          build the documentation into site/; make pictures: draw its pictures from the last run
# make bench         time training and explaining
# make setup         set up only
# make clean         remove the saved work of interrupted runs
# make mutants ONLY='stages.sampling.*'   make one small change to the code at a time: does a test fail?
VENV ?= .venv
PYTHON ?= python3

# DVC runs whatever `python` is first on PATH, so that must be the environment's.
export PATH := $(abspath $(VENV))/bin:$(PATH)
# Containers often set this; without saved bytecode every process of a run would compile PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

# Three sets of packages: those of the pipeline, those of some commands, those of development.
USE := $(VENV)/.ready
EXTRAS := $(VENV)/.ready-extras
DEVELOP := $(VENV)/.ready-to-develop
INSTALL = uv pip install --python $(VENV) --constraint constraints.txt --editable './engine[fast]'
SOURCES := pyproject.toml engine/pyproject.toml constraints.txt tools/plots_page.py
define REQUIRE_PYTHON
import sys
if sys.version_info < (3, 11):
    got = sys.version.split()[0]
    sys.exit(f"error: Python 3.11 or later is needed (got {got}); run make PYTHON=python3.11")
endef
export REQUIRE_PYTHON
export NO_REPOSITORY := error: this folder is no Git repository, which DVC needs; run git init, then make repro
WORKERS = --numprocesses logical --maxprocesses 4 --dist worksteal

.PHONY: repro test test-slow check bench plots compare retrain export explain experiments adopt recipe recipes setup plan clean verify verdict league mutants docs pictures

repro: repository $(USE)
	python -m stages.check
	dvc repro
	python -m tools.next_steps

test test-slow mutants: export OMP_NUM_THREADS = 1
test: $(DEVELOP)
	pytest -m "not slow" $(WORKERS)
	cd engine && pytest -m "not slow" $(WORKERS)

test-slow: $(DEVELOP)
	pytest -m "slow or fuzz" --hypothesis-profile many
	cd engine && pytest -m "slow or fuzz" --hypothesis-profile many

# Runs all fast tests once, to learn which functions each one calls, then a second or so a mutant.
mutants: $(DEVELOP)
	mutmut run $(if $(ONLY),'$(ONLY)')
	mutmut results

# deptry twice: over everything, then over what users run, which must not need the dev packages.
check: $(DEVELOP)
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-logo
	oxlint --deny-warnings stages
	deptry .
	deptry . --extend-exclude 'engine|tests|benchmarks|tools/p(ictures|hotographs|arams_reference)' --optional-dependencies-dev-groups dev
	codespell
	actionlint

docs: $(DEVELOP)
	python -m tools.params_reference
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

pictures: $(DEVELOP)
	python -m tools.pictures
	python -m tools.photographs

bench: $(DEVELOP)
	python -m benchmarks.train
	python -m benchmarks.deepshap
	python -m benchmarks.deepshap_deep

plots: repository $(USE)
	python -m tools.plots

export: $(EXTRAS)
	python -m tools.export

explain: $(USE)
	python -m tools.explain $(if $(IMAGE),"$(IMAGE)") $(if $(AS_IS),--as-is)

compare: $(USE)
	python -m tools.compare $(REV) $(REV2)

retrain: $(USE)
	python -m tools.retraining $(or $(N),10) $(if $(JOBS),--jobs $(JOBS))

plan: $(USE)
	python -m tools.plan

verify: $(USE)
	python -m tools.verify

# Make itself exits with 2 whatever the command's status, which it prints.
verdict: $(USE)
	python -m tools.verdict $(REV)

league: $(EXTRAS)
	python -m tools.league $(if $(IMAGE),--image "$(IMAGE)")

experiments: $(USE)
	python -m tools.experiments

adopt: $(EXTRAS)
	python -m tools.adopt "$(FROM)" $(if $(NAME),--name "$(NAME)")

recipe: $(EXTRAS)
	python -m tools.recipes $(NAME) $(if $(SET),--set '$(SET)')

recipes: $(EXTRAS)
	python -m tools.recipes --all

clean:
	rm -rf data/unfinished
	find data plots metrics -name '*.partial' -prune -exec rm -rf {} +

setup: $(USE)

# No command, but a check before minutes of set-up: a downloaded archive has no .git, which DVC needs.
.PHONY: repository
repository:
	@test -e .git || { echo "$$NO_REPOSITORY" >&2; exit 1; }

# An environment without pip, as an interrupted set-up leaves it, or of an older Python is made
# again. It is removed first, since its Python is the first on PATH.
$(USE): $(SOURCES)
	@{ $(VENV)/bin/python -c "$$REQUIRE_PYTHON" && $(VENV)/bin/python -m pip --version; } >/dev/null 2>&1 || \
	    { { test ! -f $(VENV)/pyvenv.cfg || rm -rf $(VENV); } && \
	    $(PYTHON) -c "$$REQUIRE_PYTHON" && $(PYTHON) -m venv --clear $(VENV); }
	test -x $(VENV)/bin/uv || \
	    $(VENV)/bin/python -m pip install --quiet --constraint constraints.txt uv
	$(INSTALL) --editable .
	python -m tools.plots_page
	touch $@

# What only export, methods of captum, and networks of the other libraries need.
$(EXTRAS): $(USE)
	$(INSTALL) --editable '.[captum,keras,onnx,timm,transformers]'
	touch $@

$(DEVELOP): $(USE)
	$(INSTALL) --editable '.[dev]'
	touch $@
