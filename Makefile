# What a person types. Everything lives in .venv; only `install` needs root, and only for Debian packages.
# `make … PYTHON=python3.13`: another Python than that of tools/python.

BIN := .venv/bin

.PHONY: install up test lint types clients tests soak bench scale guest clean

install: .venv/installed

.venv/installed: pyproject.toml requirements.lock tools/install tools/python
	tools/install
	@touch $@

up: install
	$(BIN)/cumulog up $(ARGS)

test: install lint types clients tests

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types:
	$(BIN)/mypy

clients:
	tools/install-clients

# Two workers share the files, as tests/conftest.py says. Quickly, a few: `make tests ARGS="tests/events -n 0 -x"`.
tests:
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

# Any number of histories, in memory and of real processes: `make soak SEEDS=1000 PROCESSES=200 FIRST=0`. A failure names
# its seed. Those of processes go on where they stopped: `.soak-faults` knows which were run.
# Those in memory go on where they were stopped, as long as the code is the same. In the background: `make soak NICE=19 &`.
soak: install
	$(BIN)/python -m tests.simulation.soak --seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0) --nice $(or $(NICE),10)
	$(BIN)/python -m tests.faults $(or $(PROCESSES),20) --first $(or $(FIRST),0)
	$(BIN)/pytest tests/watching/test_overload.py --crowd $(or $(CROWD),2000) $(ARGS)
	$(BIN)/pytest tests/gateway/test_openapi.py --seeds $(or $(REQUESTS),50)

bench: install
	$(BIN)/python -m benchmarks $(ARGS)
	$(BIN)/python -m benchmarks.identity $(ARGS)
	$(MAKE) scale ARGS="$(SCALE)"

# How it does as it grows: README's curves, which `make bench` draws too.
# `make scale ARGS="--sizes 1000,10000 --dead 10000"` is done sooner.
scale: install
	$(BIN)/python -m benchmarks.lives
	$(BIN)/python -m benchmarks.scale $(ARGS)
	$(BIN)/python -m benchmarks.scale --cluster $(ARGS)
	$(BIN)/python -m benchmarks.curves docs/scale.json docs

guest: install
	tools/build-guest-image $${XDG_CACHE_HOME:-$$HOME/.cache}/cumulog/guest.qcow2

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
