# make quickstart: environment, package, and the whole job on the embedded data, on raw and on learned views
# make test:       the same environment with the test extras, and the tests
# make docs:       the documentation site, in site/
PYTHON ?= python3
BIN := .venv/bin

.PHONY: quickstart test lint docs clean

quickstart: .venv/installed
	$(BIN)/python bin/sweep --gin_file=gin/quickstart_compare_views.gin --jobs=2

test: .venv/installed-test
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: .venv/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

.venv/installed: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@ .venv/installed

.venv/installed-docs: setup.py constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@ .venv/installed

clean:
	rm -rf .venv runs site build dist *.egg-info .pytest_cache .ruff_cache
