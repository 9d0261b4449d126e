"""How many histories are tried: few in `make test`, any number by `make soak`, from any first seed on."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seeds", type=int, default=0, help="how many seeds a test of histories tries")
    parser.addoption("--crowd", type=int, default=120, help="how many ask at once in the test of overload")
    parser.addoption("--first", type=int, default=0, help="the first of them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `seed` runs once for each, in a module whose `SEEDS` says how many by default."""
    if "seed" in metafunc.fixturenames and hasattr(metafunc.module, "SEEDS"):
        first = metafunc.config.getoption("first")
        number = metafunc.config.getoption("seeds") or metafunc.module.SEEDS
        metafunc.parametrize("seed", range(first, first + number))
