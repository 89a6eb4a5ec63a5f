# Roadstead's targets. System tests, the demo and `roadstead up` make namespaces, mounts and cgroups: they need root, and use sudo where it is missing.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
ROOT := $(shell [ "$$(id -u)" = 0 ] || echo "sudo --preserve-env=HOME,PATH,XDG_CACHE_HOME")
UNPRIVILEGED := tests/unit tests/service tests/conformance

.PHONY: help setup check lint types test demo bench clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Install what is needed: packages (needs root), virtual environment, engines
	@tools/setup

lint: setup ## Style and import contracts
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/lint-imports

types: setup ## pyright, strict
	$(BIN)/pyright

check: lint ## The quick inner loop: style, contracts, unit and service tests on SQLite
	$(BIN)/pytest tests/unit tests/service -q -n 2 -m "not system and not postgres and not vectors"

test: lint types ## Everything, system tests included (needs root)
	$(ROOT) $(BIN)/pytest $(UNPRIVILEGED) -q -n 2
	$(ROOT) $(BIN)/pytest tests/system -q

demo: ## Push an image, run it as a Fargate task, reach it, read its logs; leaves nothing (needs root)
	@tools/setup --run-only
	$(ROOT) $(BIN)/python examples/demo.py

bench: setup ## Every benchmark, each beside its peer (needs root; takes a while)
	@for script in benchmarks/bench_*.py; do $(ROOT) $(BIN)/python $$script || exit 1; done

clean: ## Remove the virtual environment and caches of tools (engines stay in the user's cache)
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
