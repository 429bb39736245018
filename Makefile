# Targets for a clone. They need make and Python 3.11 or newer; everything else is installed from the package
# index into .venv. Start with `make demo`, then `make test`.

VENV := .venv
BIN := $(VENV)/bin
# Python compiles what it imports; pip would compile all modules, of which most are never imported.
INSTALL := install --quiet --disable-pip-version-check --no-compile
PIP := $(BIN)/python -m pip $(INSTALL)
CANDIDATES := python3.13 python3.12 python3.11 python3
# Tests that run at the same time: "auto" depends on the cores and their speed (tests/helpers/timeouts.py).
WORKERS := auto
PYTEST := $(BIN)/python -m pytest
PARALLEL = -n $(WORKERS) --dist worksteal
# For tests that use disks, terminals or machines: the tests of a file run one after another.
PARALLEL_FILES = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Only these files are collected: each worker would need seconds for all.
marked = $(shell grep -rlE --include='test_*.py' 'pytest\.mark\.$(1)\b' tests)
# The tests of the pure packages.
CORE := $(addprefix tests/unit/,jobs midjourney prompts test_layers.py \
  $(patsubst %,discord/test_%.py,allowed_hosts http_errors payloads session stream_position) \
  $(patsubst %,inbox/test_%.py,filenames settling settling_properties) \
  filesystem/test_safe_names.py gallery/test_entry.py)
# The tests of what depends on the versions of Python and of the libraries; not those that count our own steps.
VERSIONED := $(addprefix tests/unit/,discord settings workers host prompts pictures) \
  --ignore tests/unit/prompts/test_work.py
VERSIONED_TOOLS := hypothesis jsonschema pytest trustme
PYENV := $(or $(PYENV_ROOT),$(HOME)/.pyenv)
KILLS := 200
PROMPTS := 100
MINUTES := 30
HISTORIES := 5000
DEMO := demo-$(shell date +%Y%m%d-%H%M%S)

# Tests use only loopback; a proxy from the environment would receive these requests.
export NO_PROXY := 127.0.0.1,localhost
export no_proxy := 127.0.0.1,localhost
# Otherwise every process that a test starts compiles all its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test types bytecode test-core test-real test-long test-lowest test-newest kills soak model faults mutants \
  bench bench-quick adopt docs diagram cli-page pictures format clean

help:
	@echo "make demo       run a simulator and some prompt files, and show the resulting folders"
	@echo "make test       check format, lint and types; run all tests except those of test-real and test-long"
	@echo "make test-core  run the tests of the pure packages with fewer examples; 20 seconds"
	@echo "make test-real  run the tests that need a real program besides Python, or root"
	@echo "make test-long  run the longest tests: pairs of faults, random kills, many files; all examples of properties"
	@echo "make test-lowest  run what depends on versions with the oldest libraries, on Python 3.12 if it is here"
	@echo "make test-newest  run it with Python 3.13, if it is here"
	@echo "make kills      kill -9 at random moments of a run (KILLS=200 PROMPTS=100); about 12 minutes"
	@echo "make soak       make model, then a long run with random faults, to find leaks (MINUTES=30); Linux"
	@echo "make model      random histories of prompts by hand and by file (HISTORIES=$(HISTORIES) SEED=$(SEED))"
	@echo "make faults     run random pairs of faults (COUNT=$(COUNT) SEED=$(SEED))"
	@echo "make mutants    change the code of the core in many places, and list the changes that no test notices; long"
	@echo "make bench      run all measurements, or some (WHAT=\"split start\"), and update bench/RESULTS.md; 20 minutes"
	@echo "make bench-quick  check that all measurements work; a minute or two"
	@echo "make adopt      show which messages of a bundle are new test data, with their reading (BUNDLE=FILE YES=1)"
	@echo "make diagram    generate the state diagram and the table of packages in docs/explanation/architecture.md"
	@echo "make cli-page   generate the pages on commands and configuration, and the manual page, from the code"
	@echo "make docs       build docs/ as a web site into site/, and check every link"
	@echo "make pictures   create the pictures in docs/pictures again; needs chromium and tmux; 3 minutes"
	@echo "make format     format the code"
	@echo "make clean      remove everything that these targets have created"

demo: $(VENV)/.demo
	$(BIN)/mjwatch demo $(DEMO)

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@$(MAKE) --no-print-directory --jobs=2 types bytecode
	$(PYTEST) -m "not real and not long" $(PARALLEL) --hypothesis-profile=some

types: $(VENV)/.dev
	$(BIN)/mypy

# Otherwise each worker of a fresh clone compiles all tests.
bytecode: $(VENV)/.dev
	@$(PYTEST) --collect-only -qq >/dev/null

test-core: WORKERS = logical
test-core: $(VENV)/.dev
	$(PYTEST) $(CORE) -m "not real and not long" $(PARALLEL)

test-real: $(VENV)/.dev
	$(PYTEST) $(call marked,real) -m "real and not long" $(PARALLEL_FILES)

test-long: WORKERS = logical
test-long: $(VENV)/.dev
	$(PYTEST) tests/unit tests/simulator -m "hypothesis and not real and not long" $(PARALLEL) --hypothesis-profile=full
	$(PYTEST) $(call marked,long) -m long -n 2 --dist loadfile --hypothesis-profile=full

# The oldest libraries, another version of Python: two passes are enough for both, beside the tests of all.
test-lowest: PYTHON = $(or $(call installed_python,3.12),$(BIN)/python)
test-lowest: $(BIN)/python
	$(PYTHON) -m venv --clear --without-pip $(VENV)-lowest
	$(BIN)/python -m tests.helpers.lowest_versions > $(VENV)-lowest/versions.txt
	$(call versioned,$(VENV)-lowest,--constraint $(VENV)-lowest/versions.txt)

test-newest: PYTHON = $(call installed_python,3.13)
test-newest: $(BIN)/python
	@[ -n "$(PYTHON)" ] || echo "no Python 3.13 on this machine: nothing is tested with it"
	$(if $(PYTHON),$(PYTHON) -m venv --clear --without-pip $(VENV)-newest)
	$(if $(PYTHON),$(call versioned,$(VENV)-newest,))

# A version manager may have a Python that is not on PATH.
installed_python = $(firstword $(shell for python in python$(1) $(PYENV)/versions/$(1).*/bin/python; do \
  $$python -c 'import venv; print("'$$python'")' 2>/dev/null; done))

# A demo comes on top: it uses all libraries. One process: each worker would collect all tests.
define versioned
$(BIN)/python -m pip --python $(1)/bin/python $(INSTALL) $(2) --editable '.[demo,metrics,notify]' $(VERSIONED_TOOLS)
$(1)/bin/python -m pytest $(VERSIONED) -m "not real and not long" --hypothesis-profile=fewest
$(1)/bin/mjwatch demo $(1)/demo >$(1)/demo.txt || { cat $(1)/demo.txt; exit 1; }
endef

kills: $(VENV)/.dev
	$(BIN)/python -m tests.scenarios.random_kills --kills $(KILLS) --prompts $(PROMPTS)

SEED ?= 1
COUNT ?= 100
soak: $(VENV)/.dev
	$(BIN)/python -m tests.model.run --seed $(SEED) --count $(HISTORIES)
	$(BIN)/python -m tests.scenarios.soak --minutes $(MINUTES)

model: $(VENV)/.dev
	$(BIN)/python -m tests.model.run --seed $(SEED) --count $(HISTORIES)

faults: $(VENV)/.dev
	$(BIN)/python -m tests.scenarios.fault_pairs --seed $(SEED) --count $(COUNT)

MUTANTS ?= *
CHILDREN ?= 2
mutants: $(VENV)/.mutants
	$(BIN)/mutmut run "$(MUTANTS)" --max-children $(CHILDREN)
	$(BIN)/mutmut results

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(WHAT) --end-with-parent --json bench/results.json \
	  --page bench/RESULTS.md --page docs/explanation/performance.md

bench-quick: $(VENV)/.dev
	$(BIN)/python -m bench --quick --end-with-parent

adopt: $(VENV)/.dev
	@$(BIN)/python -m tests.helpers.adopt "$(BUNDLE)" $(if $(YES),--yes)

cli-page: $(VENV)/.demo
	$(BIN)/python -m docs.make_cli
	$(BIN)/python -m docs.make_config
	$(BIN)/python -m docs.make_man

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env docs site
	@echo "built: site/index.html"

pictures: $(VENV)/.dev
	$(BIN)/python -m docs.make_pictures

diagram: $(VENV)/.demo
	$(BIN)/python -m docs.make_packages
	$(BIN)/python -m docs.make_diagram

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(VENV)-* demo-* build dist site mutants
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The package is installed as editable, so that a change in the code needs no new installation.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.mutants: $(VENV)/.dev
	$(PIP) --editable '.[dev,mutants]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo $(VENV)/.docs

# The pip that comes with older versions of Python takes more than twice the time to read the package index.
$(BIN)/python:
	@for candidate in $(CANDIDATES); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "creating $(VENV) with $$($$candidate --version)"; \
	    $$candidate -m venv $(VENV) && exec $(PIP) --upgrade pip; \
	    exit 1; \
	  fi; \
	done; \
	echo "mjwatch needs Python 3.11 or newer; none of $(CANDIDATES) is available. Install one of them and try again." >&2; \
	exit 1
