"""How many histories are tried, and how workers share the tests.

`make test` runs two workers. Each takes a file at a time, so that what a file shares is made once, and the long files
first, so that both are done together.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parent.parent
GUESTS = (  # one worker takes them all: they use the machine's only libvirtd, and one of them kills it
    "tests/faults/test_libvirt.py",
    "tests/agents/compute/test_libvirt.py",
    "tests/agents/compute/test_hypervisor.py",
    "tests/agents/network/test_host.py",  # it and the next one only ask it what a cloud has left there
    "tests/contract/test_mending.py",
)
LONG = (  # more than five seconds, the longest first
    "tests/contract/test_server_commands.py",
    *GUESTS,
    "tests/simulation/test_servers.py",
    "tests/faults/test_apart.py",
    "tests/events/test_cluster.py",
    "tests/contract/test_log.py",
    "tests/faults/test_up.py",
    "tests/processes/test_restart.py",
    "tests/histories/test_gateways.py",
    "tests/simulation/test_planted.py",
    "tests/contract/test_upkeep.py",
    "tests/contract/test_network_commands.py",
    "tests/processes/test_parts.py",
    "tests/contract/test_compute_commands.py",
    "tests/contract/test_identity_commands.py",
    "tests/contract/test_authentication_commands.py",
    "tests/contract/test_federation_commands.py",
    "tests/watching/test_parts.py",
    "tests/projections/test_archive_cluster.py",
    "tests/golden/test_upgrade.py",
    "tests/contract/test_consumers.py",
    "tests/contract/test_compliance_commands.py",
    "tests/contract/test_identity_resource_commands.py",
    "tests/contract/test_image_commands.py",
    "tests/projections/test_archive.py",
    "tests/faults/test_planted.py",
    "tests/histories/test_handlers.py",
    "tests/gateway/identity/test_bodies.py",
    "tests/gateway/test_openapi.py",
    "tests/contract/test_sdk.py",
    "tests/processes/test_consumers.py",
    "tests/processes/test_elsewhere.py",
    "tests/gateway/test_past.py",
    "tests/gateway/image/test_listing.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test` tries few, `make soak` any number, from any first seed on."""
    parser.addoption("--seeds", type=int, default=0, help="how many seeds a test of histories tries")
    parser.addoption("--crowd", type=int, default=120, help="how many ask at once in the test of overload")
    parser.addoption("--first", type=int, default=0, help="the first of them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `seed` runs once for each, in a module whose `SEEDS` says how many by default."""
    if "seed" in metafunc.fixturenames and hasattr(metafunc.module, "SEEDS"):
        first = metafunc.config.getoption("first")
        number = metafunc.config.getoption("seeds") or metafunc.module.SEEDS
        metafunc.parametrize("seed", range(first, first + number))


@pytest.fixture(scope="module", autouse=True)
def _tidy() -> Iterator[None]:
    """What a file leaves open is told of at its own end, not in whichever test the collector happens to run later."""
    yield
    gc.collect()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files come first."""
    rank = {ROOT / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


class Sharing(LoadFileScheduling):
    """A worker takes the next file when it is done with one; the files of real guests count as one."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "guests" if file in GUESTS else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    config.option.loadscopereorder = False  # not by the number of tests
    return Sharing(config, log)
