"""openstacksdk's own ways, of today and of Debian 12, which Ansible takes too."""

from __future__ import annotations

from pathlib import Path

from tests.contract.clients import Client


def test_a_program_makes_a_server_and_takes_it_away(openstack: Client, name: str, picture: Path) -> None:
    met = openstack.python_run(Path(__file__).with_name("sdk_visit.py"), name, str(picture))
    address = met.pop("private")
    assert address.startswith("10.2.0.")
    assert met == {
        "image": "active",
        "private key": True,
        "server": "ACTIVE",
        "addresses": [address],
        "ports": 1,
        "limits": True,
        "console": True,
        "stopped": "SHUTOFF",
        "deleted": True,
        "gone": True,
        "ports after": 0,
        "network deleted": True,
        "image deleted": True,
    }


def test_a_program_asks_everything_that_the_sdk_knows_of_identity(openstack: Client, name: str) -> None:
    met = openstack.python_run(Path(__file__).with_name("identity_sdk_visit.py"), name)
    assert met["wrong"] == []
    waits = {"wait_for_status", "wait_for_delete"}  # they ask nothing of their own
    assert set(met["there"]) - set(met["called"]) - waits == set()
