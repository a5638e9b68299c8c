# `make` lists what there is. Everything that it makes lies in this tree, but for the Debian packages of
# tests/system-packages.sh. Needs Python 3.11 or newer; `make PYTHON=/path/to/python3` chooses one.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-quick test-long fuzz check bench deb image bundle repo sbom pins docs messages test-systemd test-image \
  test-pi3 clean

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
DOCS := .venv-docs
FUZZ := .venv-fuzz
PINS := .venv-pins
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Of files whose hash is known, and nothing besides; what we wrote is installed from here, which has no hash.
PIP_HASHED := -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
PIP_OURS := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation
TOOLS := pytest pytest-cov pytest-xdist hypothesis ruff mypy import-linter types-pyserial types-lxml prometheus-client babel
DOCS_PACKAGES := mkdocs-material
PEER_PACKAGES := smllib pysml gurux-dlms pydlms-client dlms-cosem openapi-spec-validator
# dsmr-parser asks for an older dlms-cosem than the tests of DLMS do, and opens encrypted telegrams alone with it.
PEERS_ALONE := dsmr-parser Tailer pyMeterBus pymbusparser pyaml PyYAML pycryptodome simplejson
FUZZ_SECONDS ?= 60

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s  %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.made $(PEERS)/.made ## make .venv and .venv-peers, with the versions of constraints.txt

demo: setup ## run meters, gateway and head-end on this computer
	@$(BIN)/python tests/system/demo.py

test: setup ## run all tests but those of the image; every stage runs, the sum comes at the end (with CI=true: branch coverage)
	@tests/system-packages.sh
	@$(BIN)/python tests/run.py all

test-quick: $(VENV)/.made ## run the unit tests
	@$(BIN)/python tests/run.py quick

test-long: setup ## run the fault tests with long kill loops
	@tests/system-packages.sh
	@$(BIN)/python tests/run.py long

fuzz: $(FUZZ)/.made ## fuzz every decoder for FUZZ_SECONDS (default 60) each; findings go to build/fuzz
	$(FUZZ)/bin/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

check: $(VENV)/.made ## format, lint, types, and who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure, print each number beside its bar
	@$(if $(wildcard tests/bench/run.py),$(BIN)/python tests/bench/run.py,\
	  set -e; for bench in $(sort $(wildcard tests/bench/bench_*.py)); do $(BIN)/python $$bench; done)

docs: $(DOCS)/.made ## build the documentation into build/docs, offline, and check its links
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict

deb: ## build the Debian packages of gateway and head-end into build/, from Debian packages alone
	@firmware/deb.sh build

image: ## build the SD-card image for a Raspberry Pi into build/image, from Debian packages alone (needs root)
	@python3 hw/image/build.py build/image

bundle: ## make a signed bundle of the image that was built last, for `smgw update install`
	@python3 hw/image/bundle.py build/image

repo: ## make or renew a signed apt repository of our packages in build/repo
	@firmware/repo.sh build/repo

sbom: ## write the software bills of material (CycloneDX) into build/; `make deb` does it too
	@python3 firmware/sbom.py build

pins: $(PINS)/.made ## renew the pins with hashes (requirements/*.txt) after a change of constraints.txt
	$(PINS)/bin/python requirements/renew.py $(TOOLS)

messages: $(VENV)/.made ## collect the texts of the head-end's pages into its catalogues (simulator-host/emp/locale)
	mkdir -p build
	cd simulator-host && ../$(BIN)/pybabel -q extract -F babel.cfg -k N_ -k pgettext:1c,2 -k context:1c,2 --no-location \
	  --sort-output -o ../build/emp.pot . ../firmware/smgw/look
	cd simulator-host && ../$(BIN)/pybabel -q update -D emp -i ../build/emp.pot -d emp/locale --no-fuzzy-matching \
	  --width 120 --ignore-pot-creation-date

test-systemd: $(VENV)/.made ## boot Debian machines: package, services under systemd, unplugging (needs root)
	@tests/system-packages.sh
	$(BIN)/python -m pytest tests/systemd

test-image: setup ## boot the SD-card image in an emulated board: readings over TLS, unplugging, power cuts (needs root)
	@tests/system-packages.sh
	@$(BIN)/python tests/run.py image

test-pi3: setup ## boot the SD-card image in an emulated Raspberry Pi 3 (needs root)
	@tests/system-packages.sh
	@$(BIN)/python tests/run.py pi3

clean: ## remove all that make made
	rm -rf $(VENV) $(PEERS) $(DOCS) $(FUZZ) $(PINS) .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf demo-state bench-results build firmware/*.egg-info simulator-host/*.egg-info
	find firmware simulator-host tests -name __pycache__ -type d -prune -exec rm -rf {} +

CATALOGUES := $(wildcard simulator-host/emp/locale/*/LC_MESSAGES/emp.po)

$(VENV)/.made: requirements/run.txt requirements/tools.txt firmware/pyproject.toml simulator-host/pyproject.toml simulator-host/setup.py $(CATALOGUES)
	@$(call make_venv,$(VENV))
	$(BIN)/python $(PIP_HASHED) -r requirements/run.txt
	$(BIN)/python $(PIP_HASHED) -r requirements/tools.txt
	$(BIN)/python $(PIP_OURS) -e firmware -e simulator-host
	@touch $@

$(PEERS)/.made: constraints.txt
	@$(call make_venv,$(PEERS))
	$(PEERS)/bin/python $(PIP_INSTALL) $(PEER_PACKAGES)
	$(PEERS)/bin/python $(PIP_INSTALL) --no-deps $(PEERS_ALONE)
	@touch $@

$(DOCS)/.made: constraints.txt firmware/pyproject.toml simulator-host/pyproject.toml
	@$(call make_venv,$(DOCS))
	$(DOCS)/bin/python $(PIP_INSTALL) setuptools babel
	$(DOCS)/bin/python $(PIP_INSTALL) --no-build-isolation -e firmware -e simulator-host $(DOCS_PACKAGES)
	@touch $@

$(FUZZ)/.made: constraints.txt requirements/run.txt
	@$(call make_venv,$(FUZZ))
	$(FUZZ)/bin/python $(PIP_HASHED) -r requirements/run.txt
	$(FUZZ)/bin/python $(PIP_INSTALL) atheris
	@touch $@

$(PINS)/.made: constraints.txt
	@$(call make_venv,$(PINS))
	$(PINS)/bin/python $(PIP_INSTALL) pip-tools
	@touch $@

# A virtual environment by the first Python that is new enough; one that is there and works stays.
define make_venv
set -e; \
if ! $(1)/bin/python -m pip --version >/dev/null 2>&1; then \
  python=; \
  for name in $(PYTHON) python3.14 python3.13 python3.12 python3.11; do \
    if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
  done; \
  if [ -z "$$python" ]; then \
    echo "make: no Python 3.11 or newer found; install one, or name it: make setup PYTHON=/path/to/python3" >&2; exit 1; \
  fi; \
  if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
    if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then \
      echo "make: installing the Debian package python3-venv"; \
      DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND; \
      apt-get install -y -qq python3-venv >/dev/null 2>&1 \
        || { apt-get update -qq >/dev/null 2>&1; apt-get install -y -qq python3-venv >/dev/null 2>&1; } || true; \
    fi; \
    if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then \
      echo "make: $$python cannot make virtual environments; on Debian: sudo apt-get install python3-venv" >&2; exit 1; \
    fi; \
  fi; \
  rm -rf $(1); echo "$$python -m venv $(1)"; $$python -m venv $(1); \
fi
endef
