# What can be done with a clone. Needs make and Python 3.11 or newer; everything else comes from the package
# index into .venv. `make demo` first, then `make test`.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CANDIDATES := python3.13 python3.12 python3.11 python3
# Tests that run at once: "auto" follows the cores and their speed (tests/helpers/timeouts.py).
WORKERS := auto
PYTEST := $(BIN)/python -m pytest
AT_ONCE = -n $(WORKERS) --dist worksteal
# What takes disks, terminals or machines for itself: the tests of a file one after another.
FILES_AT_ONCE := -n 2 --dist loadfile
# The tests of the pure packages.
CORE := $(addprefix tests/unit/,jobs midjourney prompts test_layers.py \
  $(patsubst %,discord/test_%.py,allowed_hosts http_errors payloads session) \
  $(patsubst %,inbox/test_%.py,filenames settling settling_properties) \
  filesystem/test_safe_names.py gallery/test_entry.py)
KILLS := 200
PROMPTS := 100
MINUTES := 30
DEMO := demo-$(shell date +%Y%m%d-%H%M%S)

# Tests talk to loopback only; a proxy in the environment would be asked for it.
export NO_PROXY := 127.0.0.1,localhost
export no_proxy := 127.0.0.1,localhost
# Without it every process that a test starts compiles all its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-core test-real test-long kills soak faults bench bench-quick docs diagram cli-page pictures format clean

help:
	@echo "make demo       a simulator, some prompt files, and the folders that they become"
	@echo "make test       format, lint, types, and all tests but those of test-real and test-long"
	@echo "make test-core  the tests of the pure packages, with fewer examples; 20 seconds"
	@echo "make test-real  tests that need a real program beside Python, or root's rights"
	@echo "make test-long  the longest tests: pairs of faults, random kills, floods, a gallery of thousands"
	@echo "make kills      kill -9 at random moments of a run (KILLS=200 PROMPTS=100); some 12 minutes"
	@echo "make soak       a long run under random faults, to see what grows (MINUTES=30); Linux"
	@echo "make faults     two faults at once, COUNT=$(COUNT) times, drawn by SEED=$(SEED)"
	@echo "make bench      measure, all or some (WHAT=\"split start\"), into bench/RESULTS.md; 40 minutes"
	@echo "make bench-quick  whether all that measures works; 2 minutes"
	@echo "make diagram    write the state diagram and the table of packages in docs/explanation/architecture.md"
	@echo "make cli-page   write the pages on commands and configuration, and the manual page, from the code"
	@echo "make docs       build docs/ as a web site into site/, every link checked"
	@echo "make pictures   take the pictures in docs/pictures again; needs chromium and tmux; 2 minutes"
	@echo "make format     format the code"
	@echo "make clean      remove what these targets have made"

demo: $(VENV)/.demo
	$(BIN)/mjwatch demo $(DEMO)

test: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) -m "not real and not long" $(AT_ONCE) --hypothesis-profile=full

test-core: WORKERS = logical
test-core: $(VENV)/.dev
	$(PYTEST) $(CORE) -m "not real and not long" $(AT_ONCE)

test-real: $(VENV)/.dev
	$(PYTEST) -m "real and not long" $(FILES_AT_ONCE)

test-long: $(VENV)/.dev
	$(PYTEST) -m long $(FILES_AT_ONCE)

kills: $(VENV)/.dev
	$(BIN)/python -m tests.scenarios.random_kills --kills $(KILLS) --prompts $(PROMPTS)

soak: $(VENV)/.dev
	$(BIN)/python -m tests.scenarios.soak --minutes $(MINUTES)

SEED ?= 1
COUNT ?= 100
faults: $(VENV)/.dev
	$(BIN)/python -m tests.scenarios.fault_pairs --seed $(SEED) --count $(COUNT)

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(WHAT) --json bench/results.json --page bench/RESULTS.md \
	  --rows docs/explanation/performance.md

bench-quick: $(VENV)/.dev
	$(BIN)/python -m bench --quick

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
	rm -rf $(VENV) demo-* build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The package is installed in place, so that a change in the code needs no second installation.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[docs]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/.demo $(VENV)/.docs

$(BIN)/python:
	@for candidate in $(CANDIDATES); do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "making $(VENV) with $$($$candidate --version)"; \
	    exec $$candidate -m venv $(VENV); \
	  fi; \
	done; \
	echo "mjwatch needs Python 3.11 or newer; none of $(CANDIDATES) is. Install one and try again." >&2; \
	exit 1
