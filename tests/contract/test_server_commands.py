"""`openstack server`: a server's whole life, with both clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pytest

from tests.contract.clients import Client
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def workshop(openstack: Client, picture: Path) -> Iterator[str]:
    """The name of an image, a flavor and a network that servers are made of."""
    name = f"w{token_hex(4)}"
    openstack.json(f"image create --disk-format raw --container-format bare --file {picture} {name}")
    openstack.json(f"flavor create --ram 64 --disk 1 --vcpus 1 {name}")
    openstack.json(f"network create {name}")
    openstack.json(f"subnet create --network {name} --subnet-range 10.1.0.0/24 {name}")
    yield name
    openstack(f"network delete {name}")
    openstack(f"flavor delete {name}")
    openstack(f"image delete {name}")


def create(openstack: Client, workshop: str, name: str, *arguments: str) -> dict[str, str]:
    command = f"server create --image {workshop} --flavor {workshop} --network {workshop} --wait {name}"
    server: dict[str, str] = openstack.json(command, *arguments)
    return server


def status(openstack: Client, name: str) -> str:
    return str(openstack.json(f"server show {name}")["status"])


def test_a_server_lives_its_life(openstack: Client, workshop: str, name: str) -> None:
    openstack(f"keypair create {name}")
    made = create(openstack, workshop, name, "--key-name", name, "--property", "role=web")
    assert made["status"] == "ACTIVE"
    shown = openstack.json(f"server show {name}")
    assert shown["id"] == made["id"]
    addresses = shown["addresses"]
    (address,) = addresses[workshop] if isinstance(addresses, dict) else [addresses.partition("=")[2]]
    assert address.startswith("10.1.0.")
    assert shown["key_name"] == name
    assert "role" in str(shown["properties"])
    (row,) = openstack.json(f"server list --name {name}")
    assert (row["Name"], row["Status"], row["Image"], row["Flavor"]) == (name, "ACTIVE", workshop, workshop)
    assert openstack.json(f"server list --long --all-projects --name {name}")[0]["Host"]
    (port,) = openstack.json(f"port list --server {name}")
    assert address in str(port["Fixed IP Addresses"])

    openstack(f"server stop {name}")
    wait_until(lambda: status(openstack, name) == "SHUTOFF")
    assert "409" in openstack.refused(f"server stop {name}")
    openstack(f"server start {name}")
    wait_until(lambda: status(openstack, name) == "ACTIVE")
    openstack(f"server reboot --wait {name}")
    openstack(f"server reboot --hard --wait {name}")
    assert status(openstack, name) == "ACTIVE"

    assert openstack(f"console log show {name}")
    openstack(f"console log show --lines 1 {name}")
    events = openstack.json(f"server event list {name}")
    assert [event["Action"] for event in events] == ["reboot", "reboot", "start", "stop", "create"]
    event = openstack.json(f"server event show {name} {events[-1]['Request ID']}")
    assert event["action"] == "create"

    openstack(f"server set --name {name}-x --property role=db {name}")
    assert openstack.json(f"server show {name}-x")["name"] == f"{name}-x"
    openstack(f"server lock {name}-x")
    openstack(f"server unlock {name}-x")
    openstack(f"server delete --wait {name}-x")
    assert "no server" in openstack.refused(f"server show {name}-x").lower()
    assert openstack.json(f"port list --network {workshop}") == []
    openstack(f"keypair delete {name}")


def test_a_server_too_large_for_any_host_fails_with_reasons(openstack: Client, workshop: str, name: str) -> None:
    openstack.json(f"flavor create --ram 100000000 --disk 1 --vcpus 1 {name}")
    openstack("quota set --ram -1 admin")
    command = f"server create --image {workshop} --flavor {name} --network {workshop} --wait {name}"
    openstack.refused(command)
    shown = openstack.json(f"server show {name}")
    assert shown["status"] == "ERROR"
    assert "No valid host was found" in str(shown["fault"])
    openstack(f"server delete --wait {name}")
    openstack(f"flavor delete {name}")
    openstack("quota set --ram 51200 admin")


def test_quotas_of_compute_are_kept(openstack: Client, workshop: str, name: str) -> None:
    before = len(openstack.json("server list"))
    openstack(f"quota set --instances {before + 1} admin")
    create(openstack, workshop, name)
    said = openstack.refused(f"server create --image {workshop} --flavor {workshop} --network {workshop} {name}-2")
    assert "Quota exceeded for instances" in said
    openstack(f"server delete --wait {name}")
    openstack("quota set --instances 10 admin")


def test_a_server_on_a_given_port(openstack: Client, workshop: str, name: str) -> None:
    port = openstack.json(f"port create --network {workshop} {name}")
    command = f"server create --image {workshop} --flavor {workshop} --port {name} --wait {name}"
    assert port["fixed_ips"][0]["ip_address"] in str(openstack.json(command)["addresses"])
    openstack(f"server delete --wait {name}")
    openstack(f"port delete {name}")  # it was not the server's to take away


def test_several_servers_at_once(openstack: Client, workshop: str, name: str) -> None:
    create(openstack, workshop, name, "--min", "2", "--max", "2")
    rows = openstack.json(f"server list --name {name}")
    assert {row["Name"] for row in rows} == {f"{name}-1", f"{name}-2"}
    openstack(f"server delete --wait {name}-1 {name}-2")


def test_a_server_that_is_not_there(openstack: Client) -> None:
    for command in ("server show", "server delete", "server stop", "console log show", "server event list"):
        openstack.refused(f"{command} nosuch")


def test_a_server_of_wrong_parts_is_refused(openstack: Client, workshop: str, name: str) -> None:
    openstack.refused(f"server create --image nosuch --flavor {workshop} {name}")
    openstack.refused(f"server create --image {workshop} --flavor nosuch {name}")
    openstack.refused(f"server create --image {workshop} --flavor {workshop} --network nosuch {name}")
    assert openstack.json(f"server list --name {name}") == []
