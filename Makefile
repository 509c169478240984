# Everything a person does with this project. `make` alone lists it.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
# The CPU build of PyTorch: the default one brings gigabytes of CUDA.
TORCH := torch==2.13.0
TORCH_INDEX := https://download.pytorch.org/whl/cpu

# Trying out means debug on, unless the environment or .env says otherwise.
ifeq ($(shell grep -s '^DJANGO_DEBUG=.' .env),)
run: export DJANGO_DEBUG ?= 1
endif

.PHONY: help setup run test bench lint lock audit messages screenshots clean

help:
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 14

setup: $(VENV)/.installed ## make the virtual environment

$(VENV)/.installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what requirements.lock names (1.9 GB, two minutes) …"
	@$(BIN)/python -c 'import torch' 2>/dev/null || \
	  $(BIN)/pip install -q --retries 0 --no-deps --extra-index-url $(TORCH_INDEX) $(TORCH)
	@$(BIN)/pip install -q -r requirements.lock
	@touch $@

run: setup ## set up, load the demo, index it, serve on http://127.0.0.1:8000 (PORT)
	@$(BIN)/python manage.py migrate -v 0
	@$(BIN)/python manage.py load_demo || echo '(the demo was not loaded)'
	@$(BIN)/python manage.py reindex
	@PORT=$(PORT) exec $(BIN)/python manage.py serve

test: setup ## lint, import contracts, migrations, tests, browser tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/lint-imports --no-cache
	@DATA_DIR=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run -v 0
	@$(BIN)/python -m pytest tests/tracing --ds=tests.tracing.settings  # with nothing else installed
	@$(BIN)/python -m pytest --ignore tests/tracing

bench: setup ## measure, and write bench/RESULTS.md: 30 minutes (QUICK=1: 10)
	@$(BIN)/python -m bench $(if $(QUICK),--quick)

lint: setup ## put the code into its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## write requirements.lock anew (needs uv); no index host may stand in it
	uv pip compile --universal --no-header --no-annotate --python-version 3.11 \
	  --group dev --upgrade pyproject.toml -o requirements.lock
	@! grep -nE '^--|https?://|file:' requirements.lock

audit: ## look up the known vulnerabilities of what requirements.lock names (asks PyPI)
	@# A tool with its own libraries: beside the product, not among what the product is tested with.
	@test -x $(VENV)/audit/bin/pip-audit || \
	  { $(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/pip install -q pip-audit; }
	@# Strict: a package that could not be looked up is a failure, not a pass.
	@$(VENV)/audit/bin/pip-audit --strict --no-deps --disable-pip -r requirements.lock

messages: setup ## bring the translation catalogs up to date (needs gettext)
	@for app in config learning rag tracing; do (cd $$app && \
	  ../$(BIN)/python ../manage.py makemessages -l zh_Hans --no-wrap --no-obsolete --add-location file && \
	  sed -i.old '/^"POT-Creation-Date:/d; /^"Report-Msgid-Bugs-To:/d' locale/*/LC_MESSAGES/django.po && \
	  rm locale/*/LC_MESSAGES/django.po.old && \
	  ../$(BIN)/python ../manage.py compilemessages) || exit 1; done

screenshots: setup ## take the pictures of the README anew, from a site of its own (needs Chromium)
	@PYTHONPATH=. $(BIN)/python docs/screenshots.py

clean: ## remove what the project made, your courses included
	rm -rf $(VENV) var staticfiles
