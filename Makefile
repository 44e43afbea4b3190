# make demo: the main job.  make test: all tests.  Each installs what it needs into .venv.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONUTF8 := 1

.PHONY: help demo test browser lint bench docs fuzz clean
help:
	@sed -n '1p' Makefile; echo 'Also: make lint, make crash, make chaos, make chaos-scale, make bench, make docs, make fuzz, make clean.'

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'lengow-connector needs Python 3.11 or newer; set PYTHON=/path/to/python3'; exit 1; }
	@$(PYTHON) -m venv .venv || { echo 'venv is missing: apt-get install python3-venv'; exit 1; }
	@touch $@

.venv/demo: setup.cfg pyproject.toml | .venv/made
	@echo '== installing lengow-connector with all platforms into .venv (once)'
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[magento,prestashop,woocommerce]'
	@touch $@

.venv/installed: setup.cfg pyproject.toml | .venv/made
	@echo '== installing lengow-connector and its test tools into .venv (once)'
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ .venv/demo

demo: .venv/demo
	@echo '== the main job against a local sandbox'
	@$(BIN)/lengow-connector demo

lint: .venv/installed
	@echo '== ruff'
	@$(BIN)/ruff check .
	@echo '== mypy --strict'
	@$(BIN)/mypy -p lengow

browser:
	@command -v chromium >/dev/null || { echo '== installing chromium, for the tests of the console (once)'; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; } \
	  || echo '*** chromium is missing and apt cannot install it: THE CONSOLE IS NOT TESTED IN A BROWSER ***'; }

test: lint browser
	@echo '== tests'
	@$(BIN)/python -m pytest -n 2 --dist loadfile

crash: .venv/installed
	@echo '== kill -9 at every boundary of every effect, on each platform, store and runner, and at 1,000 random moments (36 minutes beside other work; limit 45)'
	@$(BIN)/python tests/crash/matrix.py 2>/dev/null

chaos: .venv/installed
	@echo '== a month of five shops in which a fifth of all calls fails (up to 10 minutes)'
	@$(BIN)/python tests/chaos/chaos.py 2>/dev/null

chaos-scale: .venv/installed
	@echo '== workers, receivers and PostgreSQL killed at random; root has separate hosts and cut networks too'
	@$(BIN)/python -m pytest -s -p no:xdist tests/scale/chaos_cluster.py

bench: .venv/installed
	@command -v wrk >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk >/dev/null; }
	@echo '== benchmarks (figures beside their bars)'
	@$(BIN)/python benchmarks/run.py --json

docs: .venv/installed
	@echo '== the documentation, in site/index.html'
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo 'Read it in a browser, with its search: python3 -m http.server --directory site'

fuzz: .venv/installed
	@echo '== more than 100,000 hostile inputs (about ten minutes, longer beside other work)'
	@LENGOW_FUZZ=8000 $(BIN)/python -m pytest -p no:xdist --timeout 3600 tests/fuzz

clean:
	rm -rf .venv build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache
