"""`openstack network, subnet, port, security group`, with both clients."""

from __future__ import annotations

from tests.contract.clients import Client


def test_a_network_with_subnets_and_ports_lives_and_goes(openstack: Client, name: str) -> None:
    network = openstack.json(f"network create --description first {name}")
    assert (network["name"], network["status"]) == (name, "ACTIVE")
    subnet = openstack.json(
        f"subnet create --network {name} --subnet-range 10.7.0.0/29 --dns-nameserver 9.9.9.9 {name}"
    )
    assert subnet["gateway_ip"] == "10.7.0.1"
    assert openstack.json(f"network show {name}")["subnets"] == [subnet["id"]]
    assert name in {row["Name"] for row in openstack.json("network list")}
    assert [row["ID"] for row in openstack.json(f"subnet list --network {name}")] == [subnet["id"]]
    assert openstack.json(f"subnet show {name}")["cidr"] == "10.7.0.0/29"
    given = set()
    for number in range(5):  # .2 to .6: as many as the pool holds
        port = openstack.json(f"port create --network {name} {name}-{number}")
        given |= {ip["ip_address"] for ip in port["fixed_ips"]}
    assert given == {f"10.7.0.{last}" for last in range(2, 7)}
    assert "No more IP addresses available" in openstack.refused(f"port create --network {name} {name}-more")
    openstack(f"port delete {name}-0")
    again = openstack.json(f"port create --network {name} {name}-0")
    assert again["fixed_ips"][0]["ip_address"] in given
    assert len(openstack.json(f"port list --network {name}")) == 5
    assert openstack.json(f"port show {name}-1")["mac_address"].startswith("fa:16:3e:")
    assert "409" in openstack.refused(f"network delete {name}") or "in use" in openstack.refused(
        f"network delete {name}"
    )
    openstack("port delete", *(f"{name}-{number}" for number in range(5)))
    openstack(f"subnet delete {name}")
    openstack(f"network delete {name}")
    assert "No" in openstack.refused(f"network show {name}")


def test_a_network_and_a_subnet_are_changed(openstack: Client, name: str) -> None:
    openstack.json(f"network create {name}")
    openstack.json(f"subnet create --network {name} --subnet-range 10.8.0.0/24 {name}")
    openstack(f"network set --description changed --disable {name}")
    shown = openstack.json(f"network show {name}")
    assert shown["description"] == "changed"
    assert shown["admin_state_up"] is False
    openstack(f"subnet set --name {name}-renamed --dns-nameserver 1.1.1.1 --no-dhcp {name}")
    subnet = openstack.json(f"subnet show {name}-renamed")
    assert (subnet["dns_nameservers"], subnet["enable_dhcp"]) == (["1.1.1.1"], False)
    openstack(f"network set --tag blue {name}")
    assert [row["Name"] for row in openstack.json("network list --tags blue")] == [name]
    openstack(f"network delete {name}")  # its subnet goes with it
    assert openstack.json(f"subnet list --name {name}-renamed") == []


def test_a_port_is_changed(openstack: Client, name: str) -> None:
    openstack.json(f"network create {name}")
    openstack.json(f"subnet create --network {name} --subnet-range 10.9.0.0/24 {name}")
    made = openstack.json(
        f"port create --network {name} --fixed-ip subnet={name},ip-address=10.9.0.77 "
        f"--mac-address fa:16:3e:00:00:07 --no-security-group {name}"
    )
    assert made["fixed_ips"][0]["ip_address"] == "10.9.0.77"
    assert made["mac_address"] == "fa:16:3e:00:00:07"
    openstack(f"port set --name {name}-x --description there {name}")
    assert openstack.json(f"port show {name}-x")["description"] == "there"
    assert "409" in openstack.refused(f"port create --network {name} --fixed-ip ip-address=10.9.0.77 {name}-y")
    openstack(f"port delete {name}-x")
    openstack(f"network delete {name}")


def test_a_security_group_and_its_rules_live_and_go(openstack: Client, name: str) -> None:
    group = openstack.json(f"security group create --description mine {name}")
    assert len(openstack.json(f"security group show {name}")["rules"]) == 2  # all that goes out, v4 and v6
    rule = openstack.json(
        f"security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8 --ingress {name}"
    )
    assert (rule["protocol"], rule["port_range_min"], rule["port_range_max"]) == ("tcp", 22, 23)
    openstack.json(f"security group rule create --protocol icmp --remote-group {name} {name}")
    assert len(openstack.json(f"security group rule list {name}")) == 4
    assert openstack.json(f"security group rule show {rule['id']}")["security_group_id"] == group["id"]
    assert "409" in openstack.refused(
        f"security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8 --ingress {name}"
    )
    openstack(f"security group rule delete {rule['id']}")
    openstack(f"security group set --name {name}-x --description yours {name}")
    assert f"{name}-x" in {row["Name"] for row in openstack.json("security group list")}
    openstack(f"security group delete {name}-x")
    openstack.refused(f"security group show {name}-x")


def test_every_project_has_a_default_group(openstack: Client, name: str) -> None:
    project = openstack.json(f"project create {name}")["id"]
    assert [row["Name"] for row in openstack.json(f"security group list --project {name}")] in ([], ["default"])
    openstack.json(f"network create --project {name} {name}")
    openstack.json(f"security group create --project {name} {name}")
    groups = openstack.json(f"security group list --project {name}")
    assert {row["Name"] for row in groups} == {"default", name}
    assert {row["Project"] for row in groups} == {project}
    openstack(f"security group delete {name}")
    openstack(f"network delete {name}")


def test_quotas_of_network_are_kept(openstack: Client, name: str) -> None:
    openstack.json(f"project create {name}")
    openstack(f"quota set --networks 1 {name}")
    openstack.json(f"network create --project {name} {name}")
    said = openstack.refused(f"network create --project {name} {name}-2")
    assert "Quota exceeded for resources: ['network']" in said
    openstack(f"network delete {name}")
    openstack.json(f"network create --project {name} {name}-2")
    openstack(f"network delete {name}-2")


def test_extensions_agents_and_zones_are_answered(openstack: Client) -> None:
    assert "security-group" in {row["Alias"] for row in openstack.json("extension list --network")}
    openstack.json("network agent list")
    openstack.json("availability zone list")
