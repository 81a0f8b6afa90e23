# PYTHON is the system's interpreter (3.11, 3.12 or 3.13); UNDERSTUDY_VENV puts the environment somewhere else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup rehearse test check lint types contracts lock benchmark clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## make .venv from the hashed locks, once per change of a lock
	@$(PYTHON) tools/setup.py

rehearse: setup ## play the whole life of two models on this machine
	$(BIN)/python -m release rehearse

# Three workers on two cores: the rehearsal and much else waits for a cloud's durations half of the time.
test: setup ## run all tests, the rehearsal included
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: lint types contracts test ## everything that must hold before a push

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy .

contracts: setup
	$(BIN)/lint-imports

lock: ## compile requirements/*.in anew (needs uv on PATH)
	cd requirements && sh lock.sh

benchmark: setup ## side-by-side measurements; prints and writes benchmarks/results/
	$(BIN)/python -m benchmarks

clean: ## remove what set-up, tests and rehearsals made
	rm -rf .venv .understudy rehearsal .pytest_cache .mypy_cache .ruff_cache .hypothesis
