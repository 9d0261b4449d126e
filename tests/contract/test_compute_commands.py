"""`openstack flavor, keypair, hypervisor, compute service, availability zone, limits, quota`, with both clients."""

from __future__ import annotations

from pathlib import Path

from tests.contract.clients import Client


def test_a_flavor_is_made_listed_shown_and_deleted(openstack: Client, name: str) -> None:
    made = openstack.json(f"flavor create --ram 512 --disk 1 --vcpus 2 --ephemeral 3 --swap 64 {name}")
    assert (made["ram"], made["disk"], made["vcpus"], made["swap"]) == (512, 1, 2, 64)
    listed = {row["Name"]: row for row in openstack.json("flavor list --all")}
    assert (listed[name]["RAM"], listed[name]["Disk"], listed[name]["Ephemeral"]) == (512, 1, 3)
    openstack(f"flavor set --property hw:cpu_policy=shared {name}")
    assert openstack.json(f"flavor show {name}")["properties"] == {"hw:cpu_policy": "shared"}
    openstack(f"flavor unset --property hw:cpu_policy {name}")
    assert openstack.json(f"flavor show {name}")["properties"] == {}
    assert "409" in openstack.refused(f"flavor create --ram 512 --disk 1 --vcpus 1 {name}")
    openstack(f"flavor delete {name}")
    assert "No" in openstack.refused(f"flavor show {name}")


def test_a_private_flavor_is_opened_to_a_project(openstack: Client, name: str) -> None:
    openstack.json(f"flavor create --private --ram 64 --disk 1 --vcpus 1 --id {name}-id {name}")
    project = openstack.json(f"project create {name}")["id"]
    openstack(f"flavor set --project {name} {name}")
    assert openstack.json(f"flavor show {name}")["access_project_ids"] == [project]
    openstack(f"flavor unset --project {name} {name}")
    assert openstack.json(f"flavor show {name}")["access_project_ids"] in ([], None)
    openstack(f"flavor delete {name}")
    openstack(f"project delete {name}")


def test_a_keypair_is_made_listed_shown_and_deleted(openstack: Client, name: str, tmp_path: Path) -> None:
    private = tmp_path / "key"
    openstack.json(f"keypair create --private-key {private} {name}")
    assert "PRIVATE KEY" in private.read_text()
    shown = openstack.json(f"keypair show {name}")
    assert shown["name"] == name
    assert shown["fingerprint"]
    public = tmp_path / "key.pub"
    public.write_text(openstack(f"keypair show --public-key {name}") + "\n")
    assert public.read_text().startswith("ssh-")
    openstack.json(f"keypair create --public-key {public} {name}-2")
    listed = {row["Name"]: row["Fingerprint"] for row in openstack.json("keypair list")}
    assert listed[name] == listed[f"{name}-2"]
    assert "409" in openstack.refused(f"keypair create --public-key {public} {name}")
    openstack(f"keypair delete {name} {name}-2")
    openstack.refused(f"keypair show {name}")


def test_hosts_services_and_zones_are_listed(openstack: Client) -> None:
    hypervisors = openstack.json("hypervisor list")
    assert len(hypervisors) == 3
    assert {row["State"] for row in hypervisors} == {"up"}
    shown = openstack.json(f"hypervisor show {hypervisors[0]['Hypervisor Hostname']}")
    assert shown["hypervisor_hostname"] == hypervisors[0]["Hypervisor Hostname"]
    assert openstack.json("hypervisor stats show")["count"] == 3
    services = openstack.json("compute service list")
    assert {row["State"] for row in services} == {"up"}
    assert len([row for row in services if row["Binary"] == "nova-compute"]) == 3
    zones = {row["Zone Name"]: row["Zone Status"] for row in openstack.json("availability zone list --compute")}
    assert zones["nova"] == "available"


def test_a_compute_service_is_disabled_and_enabled(openstack: Client) -> None:
    host = openstack.json("compute service list --service nova-compute")[0]["Host"]
    openstack(f"compute service set --disable --disable-reason mending {host} nova-compute")
    (row,) = openstack.json(f"compute service list --long --host {host} --service nova-compute")
    assert (row["Status"], row["Disabled Reason"]) == ("disabled", "mending")
    openstack(f"compute service set --enable {host} nova-compute")
    (row,) = openstack.json(f"compute service list --host {host} --service nova-compute")
    assert row["Status"] == "enabled"


def test_limits_are_shown(openstack: Client) -> None:
    rows = openstack.json("limits show --absolute")
    limits = {row["Name"]: row["Value"] for row in rows}
    assert limits.get("maxTotalInstances", limits.get("instances")) == 10
    assert limits.get("totalInstancesUsed", limits.get("instances_used")) is not None


def test_quotas_are_shown_and_set(openstack: Client, name: str) -> None:
    openstack.json(f"project create {name}")
    openstack(f"quota set --instances 3 --cores 5 --ram 1000 {name}")
    openstack(f"quota set --networks 2 --subnets 3 --ports 4 --secgroups 6 {name}")

    def quota() -> dict[str, int]:
        shown = openstack.json(f"quota show {name}")
        if isinstance(shown, list):
            return {row["Resource"]: row["Limit"] for row in shown}
        return dict(shown)

    found = quota()
    assert (found["instances"], found["cores"], found["ram"]) == (3, 5, 1000)
    assert (found["networks"], found["subnets"], found["ports"]) == (2, 3, 4)
    assert found.get("secgroups", found.get("security-groups", found.get("security_groups"))) == 6
    assert openstack.json(f"quota show --default {name}")
    if openstack.name == "new":  # the old one has no such command
        openstack(f"quota delete --compute {name}")
        assert quota()["instances"] == 10
    openstack(f"project delete {name}")
