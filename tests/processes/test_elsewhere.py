"""Parts on machines of their own, each with a directory of its own, and NATS servers that are the operator's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.contract.clouds import cumulog, found, login
from tests.ports import free_port
from tests.processes.alone import Part
from tests.processes.clouds import prepare, rest
from tests.processes.test_parts import QUICK
from tests.waiting import wait_until


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the operator writes everybody's credentials."""
    home = tmp_path / "home"
    for who in (("gateway",), ("handlers",), ("agent", "far")):
        assert cumulog(home, "credentials", *who).returncode == 0
    return home


@pytest.fixture
def nats(home: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a server that the operator runs, whose configuration includes the accounts."""
    port = free_port()
    config = tmp_path / "nats.conf"
    store = msgspec.json.encode(str(tmp_path / "store")).decode()
    accounts = home / "credentials" / "accounts.conf"
    assert accounts.stat().st_mode & 0o777 == 0o600
    shutil.copy(accounts, tmp_path / "accounts.conf")
    config.write_text(
        f"port: {port}\nhost: 127.0.0.1\njetstream {{ store_dir: {store} }}\nmax_payload: 8MB\ninclude accounts.conf\n"
    )
    binary = shutil.which("nats-server", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert binary is not None
    process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)
    yield f"nats://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def test_a_cloud_of_three_machines_on_an_operators_own_nats(home: Path, nats: str, tmp_path: Path) -> None:
    def part(machine: str, role: str, *arguments: str, who: str = "") -> Part:
        file = home / "credentials" / f"{who or role}.json"
        return Part(tmp_path / machine, role, "--nats", nats, "--credentials", str(file), *arguments, *QUICK)

    keys = tmp_path / "one" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    with part("one", "gateway", "--listen", "127.0.0.1:0") as gateway:
        (tmp_path / "two" / "keys").mkdir(parents=True, mode=0o700)
        keyless = cumulog(
            tmp_path / "two", "handlers", "--nats", nats, "--credentials", str(home / "credentials" / "handlers.json")
        )
        assert (keyless.returncode, "its key is missing" in keyless.stderr) == (1, True)
        shutil.copy(keys / "master", tmp_path / "two" / "keys" / "master")  # the operator shares the vault's key
        with (
            part("two", "handlers"),
            part("two", "gateway", "--listen", "127.0.0.1:0") as second,
            part("three", "agent", "--host", "far", "--driver", "simulated", who="agent.far"),
        ):
            text = (tmp_path / "one" / "clouds.yaml").read_text()
            assert text.replace(gateway.said, second.said) == (tmp_path / "two" / "clouds.yaml").read_text()
            password = next(line for line in text.splitlines() if "password:" in line).partition(": ")[2].strip('"')
            with login(gateway.said, "admin", password, "admin") as admin:
                body = prepare(admin)
                wait_until(lambda: found(admin.get("/compute/v2.1/os-hypervisors"))["hypervisors"])
                found(admin.post("/compute/v2.1/servers", json={"server": body}), 202)
                assert [one["status"] for one in rest(admin)] == ["ACTIVE"]
            asked = cumulog(home, "query", "--set", f"journal.nats={nats}", "SELECT status FROM compute_server")
            assert asked.stdout.split() == ["status", "ACTIVE"]
    assert not (tmp_path / "three" / "keys").exists()
    assert (tmp_path / "three" / "cloud").read_text() == (home / "cloud").read_text()
    told = cumulog(home, "events", "--set", f"journal.nats={nats}", "--service", "compute")
    assert "ServerRequested" in told.stdout
