# What a newcomer needs: `make run` and `make test`. Each sets up .venv by itself, once.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help run test check bench screenshots lab lock fonts clean
help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 20

$(READY): requirements.lock pyproject.toml
	@echo "Setting up .venv (once; a minute or two) ..."
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python 3.11 to 3.13 is needed, this is %d.%d; name one with: make PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.txt  # uv is among what is locked, and installs the rest in a third of the time
	@$(PIP) --no-deps --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r requirements.lock \
		|| $(PIP) --no-deps --require-hashes -r requirements.lock  # pip knows of mirrors that uv may not
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $(READY)

run: $(READY) ## run the whole lifecycle on the example and say where the report lies
	@$(BIN)/mlopskit run; code=$$?; [ $$code -eq 3 ] || [ $$code -eq 4 ] || exit $$code

test: $(READY) check ## lint, types, import contracts, then every test
	@$(BIN)/python -m compileall -q mlopskit  # else each of the many processes compiles it, where Python may not keep what it compiled
	@$(BIN)/python -m pytest -q -n 3 --dist loadgroup  # many wait for a kernel or a page, so two cores take three at a time

check: $(READY) ## lint, types and import contracts only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(READY) ## measure, side by side with the peers
	@$(BIN)/python tests/benchmarks

screenshots: $(READY) ## take the pictures of pages and notebooks anew: references and docs/
	@$(BIN)/python tests/screenshots

lab: $(READY) ## open JupyterLab on the overview
	@$(BIN)/mlopskit lab

lock: ## resolve requirements.lock anew (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --quiet \
		--extra dev pyproject.toml -o requirements.lock

fonts: ## make the faces of our pages anew (needs npm and uv)
	@uv run templates/fonts/make_faces.py

clean: ## remove what was made here: the environment, caches and all runs
	@rm -rf .venv runs .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
