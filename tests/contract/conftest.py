"""One real cloud for all contract tests, and OpenStack's own clients to use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

from tests.contract.clients import Client, Commands
from tests.contract.clouds import RunningCloud, cumulog, running


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """A running cloud with three simulated hosts. What all tests left in its log must be sound."""
    state = tmp_path_factory.mktemp("contract") / "cloud"
    methods = "identity.methods=external,password,token,oauth1,mapped,application_credential,ec2credential,totp"
    with running(state, hosts=3, arguments=("--set", methods)) as one:
        yield one
    checked = cumulog(state, "verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture(scope="session")
def admin(cloud: RunningCloud) -> Iterator[httpx.Client]:
    """The cloud's HTTP as the admin."""
    with cloud.user() as client:
        yield client


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Commands]]:
    """The `openstack` command of a release, loaded when it is first asked for."""
    loaded: dict[str, Commands] = {}

    def load(name: str) -> Commands:
        if name not in loaded:
            loaded[name] = Commands(name, tmp_path_factory.mktemp("client"))
        return loaded[name]

    yield load
    for one in loaded.values():
        one.close()


@pytest.fixture(scope="session", params=["new", "old"])
def openstack(request: pytest.FixtureRequest, cloud: RunningCloud, commands: Callable[[str], Commands]) -> Client:
    """The `openstack` command as the admin, of each release in turn."""
    return Client(commands(request.param), cloud.environment)


@pytest.fixture
def name() -> str:
    """A name that nothing bears yet."""
    return f"t{token_hex(4)}"


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file for an image."""
    file = tmp_path_factory.mktemp("image") / "picture.raw"
    file.write_bytes(b"cumulog " * 8192)
    return file
