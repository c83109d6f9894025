.DEFAULT_GOAL := help
.PHONY: help install demo up test test-debian check bench clean

bin := .venv/bin

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Dure and its tools into .venv/; does nothing when they are there
	@scripts/install.sh

demo: install ## the life of jobs before one's eyes, from enqueue to history, in under half a minute
	$(bin)/dure demo run

up: install ## database, worker and HTTP on 127.0.0.1:8000 until Ctrl-C; an embedded PostgreSQL when no other is set
	$(bin)/dure up

test: install ## the tests, on a PostgreSQL of their own
	$(bin)/python -m pytest -n 2 --dist loadgroup

test-debian: install ## the same on Debian's PostgreSQL 15, but for what starts servers of its own
	$(bin)/python -m pytest -n 2 --dist loadgroup --postgres=debian -m 'not own_server'

check: install ## what CI checks: format, lint, types, layers
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/lint-imports

bench: install ## throughput and latency here
	$(bin)/python -m bench

clean: ## remove caches and builds; the data in .dure/ and .venv/ stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find src tests bench examples scripts -name __pycache__ -prune -exec rm -rf {} +
