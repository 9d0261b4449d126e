"""Two projects on one cloud: neither sees nor touches what is the other's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import httpx
import pytest
from msgspec import Struct

from tests.contract.clients import Client
from tests.contract.clouds import RunningCloud, found, user_environment


class Tenant(Struct, frozen=True):
    """A member of a project of their own."""

    name: str
    project: str  # its id
    http: httpx.Client
    environment: dict[str, str]


def tenant(cloud: RunningCloud, admin: httpx.Client) -> Tenant:
    """A new user in a new project."""
    name = f"tenant{token_hex(4)}"
    project = found(admin.post("/identity/v3/projects", json={"project": {"name": name}}), 201)["project"]["id"]
    user = found(admin.post("/identity/v3/users", json={"user": {"name": name, "password": name}}), 201)["user"]["id"]
    role = found(admin.get("/identity/v3/roles?name=member"))["roles"][0]["id"]
    found(admin.put(f"/identity/v3/projects/{project}/users/{user}/roles/{role}"), 204)
    return Tenant(name, project, cloud.user(name, name, name), dict(user_environment(cloud, name, name, name)))


@pytest.fixture(scope="module")
def tenants(cloud: RunningCloud, admin: httpx.Client) -> Iterator[tuple[Tenant, Tenant]]:
    """Two of them."""
    pair = tenant(cloud, admin), tenant(cloud, admin)
    yield pair
    for one in pair:
        one.http.close()


@pytest.fixture(scope="module")
def belongings(tenants: tuple[Tenant, Tenant], admin: httpx.Client) -> dict[str, str]:
    """One thing of each kind that the first tenant has: by URL of its collection, its id."""
    mine = tenants[0].http
    image = found(
        mine.post("/image/v2/images", json={"name": "mine", "disk_format": "raw", "container_format": "bare"}), 201
    )["id"]
    found(
        mine.put(f"/image/v2/images/{image}/file", content=b"x", headers={"Content-Type": "application/octet-stream"}),
        204,
    )
    network = found(mine.post("/network/v2.0/networks", json={"network": {"name": "mine"}}), 201)["network"]["id"]
    subnet = {"network_id": network, "cidr": "10.3.0.0/24", "ip_version": 4}
    subnet_id = found(mine.post("/network/v2.0/subnets", json={"subnet": subnet}), 201)["subnet"]["id"]
    port = found(mine.post("/network/v2.0/ports", json={"port": {"network_id": network}}), 201)["port"]["id"]
    group = found(mine.post("/network/v2.0/security-groups", json={"security_group": {"name": "mine"}}), 201)
    flavor = {"name": f"f{token_hex(4)}", "ram": 64, "disk": 1, "vcpus": 1}
    flavor_id = found(admin.post("/compute/v2.1/flavors", json={"flavor": flavor}))["flavor"]["id"]
    server = {"name": "mine", "imageRef": image, "flavorRef": flavor_id, "networks": [{"uuid": network}]}
    made = found(
        mine.post("/compute/v2.1/servers", json={"server": server}, headers={"OpenStack-API-Version": "compute 2.100"}),
        202,
    )
    found(mine.post("/compute/v2.1/os-keypairs", json={"keypair": {"name": "mine"}}))
    return {
        "/image/v2/images": image,
        "/network/v2.0/networks": network,
        "/network/v2.0/subnets": subnet_id,
        "/network/v2.0/ports": port,
        "/network/v2.0/security-groups": group["security_group"]["id"],
        "/network/v2.0/security-group-rules": group["security_group"]["security_group_rules"][0]["id"],
        "/compute/v2.1/servers": made["server"]["id"],
        "/compute/v2.1/os-keypairs": "mine",
    }


COLLECTIONS = (
    "/image/v2/images",
    "/network/v2.0/networks",
    "/network/v2.0/subnets",
    "/network/v2.0/ports",
    "/network/v2.0/security-groups",
    "/network/v2.0/security-group-rules",
    "/compute/v2.1/servers",
    "/compute/v2.1/os-keypairs",
)


@pytest.mark.parametrize("path", COLLECTIONS)
def test_what_is_anothers_is_not_there(tenants: tuple[Tenant, Tenant], belongings: dict[str, str], path: str) -> None:
    id, other = belongings[path], tenants[1].http
    assert tenants[0].http.get(f"{path}/{id}").status_code == 200
    assert other.get(f"{path}/{id}").status_code == 404
    assert other.delete(f"{path}/{id}").status_code == 404
    assert id in tenants[0].http.get(path).text
    assert id not in other.get(path).text
    assert tenants[0].http.get(f"{path}/{id}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/image/v2/images/{image}", [{"op": "replace", "path": "/name", "value": "stolen"}]),
        ("PUT", "/image/v2/images/{image}/file", None),
        ("GET", "/image/v2/images/{image}/file", None),
        ("PUT", "/network/v2.0/networks/{network}", {"network": {"name": "stolen"}}),
        ("PUT", "/network/v2.0/subnets/{subnet}", {"subnet": {"name": "stolen"}}),
        ("PUT", "/network/v2.0/ports/{port}", {"port": {"name": "stolen"}}),
        ("PUT", "/network/v2.0/security-groups/{group}", {"security_group": {"name": "stolen"}}),
        ("POST", "/network/v2.0/ports", {"port": {"network_id": "{network}"}}),
        ("PUT", "/compute/v2.1/servers/{server}", {"server": {"name": "stolen"}}),
        ("POST", "/compute/v2.1/servers/{server}/action", {"os-stop": None}),
        ("POST", "/compute/v2.1/servers/{server}/action", {"os-getConsoleOutput": {}}),
        ("GET", "/compute/v2.1/servers/{server}/metadata", None),
        ("GET", "/compute/v2.1/servers/{server}/ips", None),
        ("GET", "/compute/v2.1/servers/{server}/os-instance-actions", None),
    ],
)
def test_what_is_anothers_is_not_touched(
    tenants: tuple[Tenant, Tenant], belongings: dict[str, str], method: str, path: str, body: object
) -> None:
    names = {
        "{image}": belongings["/image/v2/images"],
        "{network}": belongings["/network/v2.0/networks"],
        "{subnet}": belongings["/network/v2.0/subnets"],
        "{port}": belongings["/network/v2.0/ports"],
        "{group}": belongings["/network/v2.0/security-groups"],
        "{server}": belongings["/compute/v2.1/servers"],
    }
    media_type = "application/json"
    if method == "PATCH":
        media_type = "application/openstack-images-v2.1-json-patch"
    elif path.endswith("/file"):
        media_type = "application/octet-stream"
    if isinstance(body, dict) and "port" in body and "network_id" in body["port"]:
        body = {"port": {"network_id": names["{network}"]}}
    for name, id in names.items():
        path = path.replace(name, id)
    answer = tenants[1].http.request(method, path, json=body, headers={"Content-Type": media_type})
    assert answer.status_code == 404, answer.text


def test_a_tenant_may_not_what_an_admin_may(tenants: tuple[Tenant, Tenant]) -> None:
    http = tenants[0].http
    for method, path, body in (
        ("POST", "/identity/v3/users", {"user": {"name": "x"}}),
        ("GET", "/identity/v3/users", None),
        ("POST", "/compute/v2.1/flavors", {"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}}),
        ("GET", "/compute/v2.1/os-hypervisors", None),
        ("GET", "/compute/v2.1/os-services", None),
        ("PUT", f"/compute/v2.1/os-quota-sets/{tenants[0].project}", {"quota_set": {"cores": 99}}),
        ("PUT", f"/network/v2.0/quotas/{tenants[0].project}", {"quota": {"port": 99}}),
        ("POST", "/network/v2.0/networks", {"network": {"name": "x", "shared": True}}),
    ):
        assert http.request(method, path, json=body).status_code == 403, path


def test_the_command_says_that_it_is_not_there(
    openstack: Client, tenants: tuple[Tenant, Tenant], belongings: dict[str, str]
) -> None:
    them = tenants[1].environment
    for kind, path in (
        ("image", "/image/v2/images"),
        ("network", "/network/v2.0/networks"),
        ("port", "/network/v2.0/ports"),
        ("security group", "/network/v2.0/security-groups"),
        ("server", "/compute/v2.1/servers"),
    ):
        assert "No" in openstack.refused(f"{kind} show {belongings[path]}", as_=them)
    assert openstack.json("server list", as_=them) == []
    assert openstack.json("network list", as_=them) == []
    assert openstack.json("keypair list", as_=them) == []
    assert [row["Name"] for row in openstack.json("security group list", as_=them)] == ["default"]


def test_a_shared_network_is_seen_by_all(
    tenants: tuple[Tenant, Tenant], admin: httpx.Client, name: str, picture: Path
) -> None:
    body = {"network": {"name": name, "shared": True}}
    network = found(admin.post("/network/v2.0/networks", json=body), 201)["network"]["id"]
    assert found(tenants[1].http.get(f"/network/v2.0/networks/{network}"))["network"]["shared"] is True
    refused = tenants[1].http.put(f"/network/v2.0/networks/{network}", json={"network": {"name": "x"}})
    assert refused.status_code == 403
    found(admin.delete(f"/network/v2.0/networks/{network}"), 204)


def test_a_public_image_is_seen_by_all(tenants: tuple[Tenant, Tenant], admin: httpx.Client, name: str) -> None:
    image = found(admin.post("/image/v2/images", json={"name": name, "visibility": "public"}), 201)["id"]
    assert found(tenants[1].http.get(f"/image/v2/images/{image}"))["name"] == name
    assert tenants[1].http.delete(f"/image/v2/images/{image}").status_code == 403
    found(admin.delete(f"/image/v2/images/{image}"), 204)
