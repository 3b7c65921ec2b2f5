.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DISTRIBUTIONS := shared services/call-ingest services/customer services/pipeline services/recovery services/notifier \
	deploy/onebox
SERVICES := call-ingest customer pipeline recovery notifier
VERSION := 0.1.0
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	$(foreach name,shared call-ingest customer pipeline recovery notifier,--no-emit-package ringback-$(name)) \
	$(DISTRIBUTIONS:%=%/pyproject.toml) requirements/build.in

.PHONY: help setup run test test-slow test-fast screenshots lint format lock images compose-test manifests-test definitions clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.engine ## Make .venv with everything Ringback needs to run; again only what changed

run: setup ## Run all of Ringback on this machine
	@exec $(BIN)/ringback up

test: $(VENV)/.dev setup broker browser lint ## Everything: lint, then all tests, on a real MongoDB and RabbitMQ and in a real browser
	$(BIN)/pytest --numprocesses auto tests/unit tests/contract
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/integration tests/e2e tests/browser tests/deploy
	$(BIN)/pytest tests/faults

test-slow: $(VENV)/.dev setup broker ## What make test leaves out because it takes minutes
	$(BIN)/pytest -m slow

test-fast: $(VENV)/.dev ## Tests that need no server (a few seconds)
	$(BIN)/pytest --numprocesses auto tests/unit tests/contract

screenshots: $(VENV)/.dev setup browser ## Take docs/screenshots/ of each page after a simulated day
	$(BIN)/python -m tests.browser.screenshots docs/screenshots

lint: $(VENV)/.dev ## Style, types and the rules of who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Mend style where a machine can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: $(VENV)/.dev ## Pin the newest versions, with hashes, in requirements/
	$(COMPILE) --output-file requirements/runtime.txt
	$(COMPILE) requirements/dev.in --constraint requirements/runtime.txt --output-file requirements/dev.txt

images: ## Build the image of each service, and the one that prepares them (Docker)
	for service in $(SERVICES); do docker build --file deploy/Dockerfile --target service \
		--build-arg SERVICE=$$service --tag ringback-$$service:$(VERSION) . || exit 1; done
	docker build --file deploy/Dockerfile --target setup --tag ringback-setup:$(VERSION) .

compose-test: $(VENV)/.dev ## Bring Compose up for real, hurt it, and look whether anything is lost (Docker)
	$(BIN)/pytest -m engine tests/deploy

manifests-test: $(VENV)/.dev ## Check what kubectl makes of the Kubernetes manifests
	$(BIN)/pytest -m kubectl tests/deploy

definitions: $(VENV)/.runtime ## Write RabbitMQ's permissions as they follow from the catalogue
	PYTHONPATH=deploy/setup $(BIN)/python -m ringback_setup definitions >deploy/rabbitmq/definitions.json

clean: ## Remove what make made; data in var/ stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is newer than what it was made from.

$(BIN)/python:
	@scripts/make-venv "$(PYTHON)" $(VENV)

$(VENV)/.runtime: requirements/runtime.txt $(DISTRIBUTIONS:%=%/pyproject.toml) | $(BIN)/python
	$(PIP) install --require-hashes --requirement requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation $(DISTRIBUTIONS:%=--editable %)
	@touch $@

$(VENV)/.engine: $(VENV)/.runtime requirements/engine.txt
	@$(BIN)/python -m onebox.fetch_engine requirements/engine.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

.PHONY: broker browser
broker:
	@scripts/ensure-broker

browser:
	@scripts/ensure-browser
