# hedgeopt: `make demo` solves the packaged example, `make test` runs the suite, `make check` the static checks.
# An existing .venv is used as it is; otherwise one is made with the newest python3 (>= 3.11) found, or with PYTHON=...
# What is installed is requirements/run.txt or dev.txt: exact versions with hashes, which `make lock` renews.

VENV    := .venv
BIN     := $(VENV)/bin
PYTHON  ?= $(shell for p in python3.13 python3.12 python3.11 python3 python3.14; do \
             "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
WORKERS ?= 2
SOURCES := pyproject.toml $(shell find hedgeopt models constraints -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.html' -o -name '*.css' | sort)
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check docs lock doctor campaign clean

help:
	@echo "make demo    solve the packaged example: prints the result, writes out/proposal.json and out/proposal.html"
	@echo "make test    run the test suite"
	@echo "make check   ruff, mypy, layers and names of the house, workflows, and whether the docs still tell the truth"
	@echo "make docs    write the pages that follow from the code, and the site in docs/_build/html"
	@echo "make doctor  versions, platform, and combinations that are known to be bad"
	@echo "make lock    renew requirements/*.txt, and the day as of which they are the latest"
	@echo "make campaign  random checks in full numbers (hours); writes benchmarks/campaign/results"
	@echo "make clean   remove what the others made"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "hedgeopt needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# pip itself comes with Python; everything else is locked, what builds our own wheel included
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# pip leaves what numba compiled beside the package, and an empty package there hides an editable one: clear it first
OURSELVES := rm -rf $(VENV)/lib/python*/site-packages/hedgeopt && $(INSTALL) --no-deps --no-build-isolation

$(VENV)/.installed: requirements/run.txt $(SOURCES) | $(BIN)/python
	$(INSTALL) --require-hashes --requirement requirements/run.txt
	$(OURSELVES) .
	@touch $@

# editable, so that tests and checks see the sources as they are; the wheel is tested by tests/test_packaging.py
$(VENV)/.developing: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes --requirement requirements/dev.txt
	$(OURSELVES) --editable .
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/hedgeopt demo --out out

test: $(VENV)/.developing
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST)

check: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet -p no:cacheprovider tests/test_layers.py tests/test_one_name.py tests/test_docs_paths.py
	$(BIN)/python docs/build.py --check
	$(BIN)/python .ci/licences.py > /dev/null
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --no-progress --quiet .github/workflows

docs: $(VENV)/.developing
	$(BIN)/python docs/build.py
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --fresh-env -b html docs docs/_build/html

doctor: $(VENV)/.installed
	$(BIN)/hedgeopt doctor

# one resolution for every Python and platform; no address of an index and no path goes in
AS_OF ?= $(shell date -u +%F)
COMPILE = $(BIN)/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
          --exclude-newer $(AS_OF)T00:00:00Z --upgrade pyproject.toml requirements/build.in

lock: | $(BIN)/python
	test -x $(BIN)/uv || $(INSTALL) uv
	$(COMPILE) --extra parquet --extra report --output-file requirements/run.txt
	$(COMPILE) --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
	echo $(AS_OF) > requirements/as-of

campaign: $(VENV)/.developing
	$(BIN)/python -m benchmarks.campaign $(CAMPAIGN)

clean:
	rm -rf $(VENV) build dist *.egg-info out docs/_build docs/notebooks docs/api.md .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
