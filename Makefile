.DEFAULT_GOAL := help
.PHONY: help install demo up test test-debian check bench bench-knowledge schema-backup clean

bin := .venv/bin

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Dure and its tools into .venv/; does nothing when they are there
	@scripts/install.sh

demo: install ## undo before one's eyes: a plan, guards, a conflict and the way back, in under half a minute
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

bench: install ## throughput and latency of the queue beside its peers; then rows a second of runs beside plain SQL
	$(bin)/python -m bench
	$(bin)/python -m bench.runs

bench-knowledge: install ## how well and how fast duplicates are found, on labelled data where that is at hand
	$(bin)/python -m bench.knowledge
	$(bin)/python -m bench.knowledge.whole

schema-backup: install ## the schema and its rows into backups/schema/, and a link to the newest
	$(bin)/dure db backup

clean: ## remove caches and builds; the data in .dure/ and .venv/ stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find src tests bench examples scripts -name __pycache__ -prune -exec rm -rf {} +
