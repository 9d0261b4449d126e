"""What every service says to a request that it cannot or will not do: the status and the words of the real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import httpx
import pytest
from msgspec import Struct

from tests.contract.clouds import found

NOBODY = "00000000-0000-0000-0000-000000000000"
PATCH = "application/openstack-images-v2.1-json-patch"


class Case(Struct, frozen=True):
    """A request and its refusal. `{name}` in path and body is something that exists."""

    method: str
    path: str
    body: Any = None
    status: int = 400
    words: str = ""
    version: str = "2.1"
    media_type: str = "application/json"


def server(**changes: Any) -> dict[str, Any]:
    """The wish for a server."""
    return {"server": {"name": "s", "imageRef": "{image}", "flavorRef": "{flavor}", "networks": "none"} | changes}


def act(action: dict[str, Any], status: int, words: str = "", version: str = "2.100") -> Case:
    return Case("POST", f"/servers/{NOBODY}/action", action, status, words, version)


IDENTITY = (
    Case("GET", "/v3/projects/nosuch", None, 404, "Could not find project: nosuch."),
    Case("GET", "/v3/users/nosuch", None, 404, "Could not find user: nosuch."),
    Case("GET", "/v3/roles/nosuch", None, 404, "Could not find role: nosuch."),
    Case("GET", "/v3/domains/nosuch", None, 404, "Could not find domain: nosuch."),
    Case("GET", "/v3/groups/nosuch", None, 404, "Could not find group: nosuch."),
    Case("GET", "/v3/services/nosuch", None, 404, "Could not find service: nosuch."),
    Case("GET", "/v3/endpoints/nosuch", None, 404, "Could not find endpoint: nosuch."),
    Case("GET", "/v3/regions/nosuch", None, 404, "Could not find region: nosuch."),
    Case("GET", "/v3/nosuch", None, 404),
    Case("PUT", "/v3/projects", {}, 405),
    Case("POST", "/v3/projects", {"project": {"name": "admin"}}, 409, "it is not permitted to have two projects"),
    Case("POST", "/v3/projects", {"project": {"name": ""}}, 400, "name"),
    Case("POST", "/v3/projects", {"project": {"name": "x" * 65}}, 400, "name"),
    Case("POST", "/v3/projects", {"project": {"name": None}}, 400, "name"),
    Case("POST", "/v3/projects", {"project": {"name": "x", "enabled": "perhaps"}}, 400, "enabled"),
    Case("POST", "/v3/projects", {"project": {"name": "x", "domain_id": "nosuch"}}, 400, "Could not find domain"),
    Case("POST", "/v3/projects", {"project": {"name": "x", "tags": ["a,b"]}}, 400),
    Case("POST", "/v3/users", {"user": {"name": "admin"}}, 409, "Duplicate entry found with name admin"),
    Case("POST", "/v3/users", {"user": {"name": "x" * 256}}, 400, "name"),
    Case("POST", "/v3/users", {"user": {}}, 400, "'name' is a required property"),
    Case("POST", "/v3/roles", {"role": {"name": "member"}}, 409, "Duplicate entry found with name member"),
    Case("POST", "/v3/auth/tokens", {"auth": {"identity": {"methods": ["magic"]}}}, 400, "Expecting to find magic in"),
    Case("POST", "/v3/auth/tokens", {"auth": {"identity": {"methods": ["magic"], "magic": {}}}}, 401),
    Case("POST", "/v3/auth/tokens", {"auth": {}}, 400, "'identity' is a required property"),
    Case("GET", "/v3/auth/tokens", None, 404),
    Case("DELETE", "/v3/projects/nosuch", None, 404),
    Case("DELETE", "/v3/domains/default", None, 403),
    Case("PUT", "/v3/projects/{project}/users/nosuch/roles/nosuch", None, 404),
    Case("GET", "/v3/users?marker=nosuch", None, 404, "Marker nosuch could not be found"),
)

IMAGE = (
    Case("GET", "/v2/images/nosuch", None, 404, "No image found with ID nosuch"),
    Case("DELETE", f"/v2/images/{NOBODY}", None, 404),
    Case("GET", f"/v2/images/{NOBODY}/file", None, 404),
    Case("POST", "/v2/images", {"name": 7}, 400, "is not of type"),
    Case("POST", "/v2/images", {"name": "x" * 256}, 400, "is too long"),
    Case("POST", "/v2/images", {"visibility": "secret"}, 400, "is not one of"),
    Case("POST", "/v2/images", {"disk_format": "floppy"}, 400, "is not one of"),
    Case("POST", "/v2/images", {"id": "seven"}, 400),
    Case("POST", "/v2/images", {"min_ram": -1}, 400),
    Case("POST", "/v2/images", {"status": "active"}, 403, "Attribute 'status' is read-only."),
    Case("POST", "/v2/images", {"locations": "x"}, 400),
    Case("GET", "/v2/images?limit=lots", None, 400, "limit"),
    Case("GET", "/v2/images?limit=-1", None, 400, "limit"),
    Case("GET", "/v2/images?marker=nosuch", None, 400, "No image found with ID nosuch"),
    Case("GET", "/v2/images?sort=bogus:asc", None, 400),
    Case("GET", "/v2/images?sort_dir=sideways", None, 400, "Invalid sort direction: sideways"),
    Case("GET", "/v2/images?visibility=bogus", None, 400, "Invalid visibility value: bogus"),
    Case("PATCH", "/v2/images/{image}", [{"op": "replace", "path": "/status", "value": "x"}], 403, "", "", PATCH),
    Case("PATCH", "/v2/images/{image}", [{"op": "fly", "path": "/name"}], 400, "", "", PATCH),
    Case("PATCH", "/v2/images/{image}", [{"op": "remove", "path": "/nosuch"}], 409, "", "", PATCH),
    Case("PATCH", "/v2/images/{image}", {"name": "x"}, 400, "", "", PATCH),
    Case("PATCH", "/v2/images/{image}", [], 415),
    Case("PUT", "/v2/images/{image}/file", None, 409, "", "", "application/octet-stream"),
    Case("PUT", "/v2/images/{image}/file", None, 415, "", "", "text/plain"),
    Case("POST", "/v2/images/{image}/members", {"member": ""}, 400),
    Case("GET", "/v2/images/{image}/members/nosuch", None, 404),
    Case("DELETE", "/v2/images/{image}/tags/nosuch", None, 404),
)

NETWORK = (
    Case("GET", "/v2.0/networks/nosuch", None, 404, "Network nosuch could not be found."),
    Case("GET", "/v2.0/subnets/nosuch", None, 404, "Subnet nosuch could not be found."),
    Case("GET", "/v2.0/ports/nosuch", None, 404, "Port nosuch could not be found."),
    Case("GET", "/v2.0/security-groups/nosuch", None, 404, "Security group nosuch does not exist"),
    Case("GET", "/v2.0/security-group-rules/nosuch", None, 404, "Security group rule nosuch does not exist"),
    Case("GET", "/v2.0/nosuch", None, 404),
    Case("POST", "/v2.0/networks", {"network": {"bogus": 1}}, 400, "Unrecognized attribute(s) 'bogus'"),
    Case("POST", "/v2.0/networks", {"network": {"name": 7}}, 400),
    Case("POST", "/v2.0/networks", {"network": {"name": "x" * 256}}, 400, "exceeds maximum length of 255"),
    Case("POST", "/v2.0/networks", {"network": {"admin_state_up": "perhaps"}}, 400, "cannot be converted to boolean"),
    Case("POST", "/v2.0/networks", {"network": {"status": "ACTIVE"}}, 400, "not allowed in POST"),
    Case("POST", "/v2.0/networks", {"net": {}}, 400, "Unable to find 'network' in request body"),
    Case("POST", "/v2.0/networks", [], 400),
    Case("PUT", "/v2.0/networks/{network}", {"network": {"id": NOBODY}}, 400, "Cannot update read-only attribute id"),
    Case("POST", "/v2.0/subnets", {"subnet": {"network_id": "{network}", "ip_version": 4}}, 400),
    Case(
        "POST",
        "/v2.0/subnets",
        {"subnet": {"network_id": "{network}", "ip_version": 6, "cidr": "10.0.0.0/24"}},
        400,
        "ip_version",
    ),
    Case("POST", "/v2.0/subnets", {"subnet": {"network_id": "{network}", "ip_version": 4, "cidr": "10.0.0.0/99"}}, 400),
    Case(
        "POST",
        "/v2.0/subnets",
        {"subnet": {"network_id": "{network}", "ip_version": 4, "cidr": "10.4.0.0/25"}},
        400,
        "overlaps with another subnet",
    ),
    Case(
        "POST",
        "/v2.0/subnets",
        {
            "subnet": {
                "network_id": "{network}",
                "ip_version": 4,
                "cidr": "10.5.0.0/24",
                "allocation_pools": [{"start": "10.6.0.1", "end": "10.6.0.9"}],
            }
        },
        400,
        "spans beyond the subnet cidr",
    ),
    Case("POST", "/v2.0/subnets", {"subnet": {"network_id": NOBODY, "ip_version": 4, "cidr": "10.5.0.0/24"}}, 404),
    Case("POST", "/v2.0/ports", {"port": {}}, 400, "network_id"),
    Case("POST", "/v2.0/ports", {"port": {"network_id": NOBODY}}, 404, f"Network {NOBODY} could not be found."),
    Case("POST", "/v2.0/ports", {"port": {"network_id": "{network}", "mac_address": "x"}}, 400, "valid MAC address"),
    Case(
        "POST",
        "/v2.0/ports",
        {"port": {"network_id": "{network}", "fixed_ips": [{"ip_address": "10.77.0.1"}]}},
        400,
        "is not a valid IP for any of the subnets",
    ),
    Case("POST", "/v2.0/ports", {"port": {"network_id": "{network}", "security_groups": [NOBODY]}}, 404),
    Case("POST", "/v2.0/security-groups", {"security_group": {"name": "default"}}, 409),
    Case("POST", "/v2.0/security-group-rules", {"security_group_rule": {"direction": "ingress"}}, 400),
    Case(
        "POST",
        "/v2.0/security-group-rules",
        {"security_group_rule": {"security_group_id": "{group}", "direction": "ingress", "port_range_min": 5}},
        400,
    ),
    Case(
        "POST",
        "/v2.0/security-group-rules",
        {"security_group_rule": {"security_group_id": "{group}", "direction": "sideways"}},
        400,
    ),
    Case(
        "POST",
        "/v2.0/security-group-rules",
        {
            "security_group_rule": {
                "security_group_id": "{group}",
                "direction": "ingress",
                "protocol": "tcp",
                "port_range_min": 9,
                "port_range_max": 5,
            }
        },
        400,
    ),
    Case("GET", "/v2.0/networks?sort_key=bogus&sort_dir=asc", None, 400, "is invalid attribute for sort_keys"),
    Case("GET", "/v2.0/networks?limit=lots", None, 400),
    Case("GET", f"/v2.0/networks?limit=2&marker={NOBODY}", None, 404),
    Case("DELETE", "/v2.0/networks/{network}", None, 409, "There are one or more ports still in use"),
    Case("DELETE", "/v2.0/subnets/{subnet}", None, 409),
    Case("PUT", "/v2.0/quotas/{project}", {"quota": {"port": "many"}}, 400),
)

COMPUTE = (
    Case("GET", "/flavors/nosuch", None, 404, "Flavor nosuch could not be found."),
    Case("GET", f"/servers/{NOBODY}", None, 404, f"Instance {NOBODY} could not be found."),
    Case("GET", "/servers/nosuch", None, 404, "Instance nosuch could not be found."),
    Case("GET", "/os-keypairs/nosuch", None, 404, "Keypair nosuch not found for user"),
    Case("GET", "/nosuch", None, 404),
    Case("GET", "/servers", None, 406, "Version 2.999 is not supported by the API.", "2.999"),
    Case("GET", "/servers", None, 400, "API Version String banana is of invalid format.", "banana"),
    Case("GET", "/servers?limit=lots", None, 400),
    Case("GET", "/servers?limit=-1", None, 400),
    Case("GET", f"/servers?marker={NOBODY}", None, 400, f"marker [{NOBODY}] not found"),
    Case("GET", "/servers?sort_key=bogus", None, 400, "is not one of"),
    Case("GET", "/servers?status=NONSENSE&bogus=1", None, 400, "", "2.100"),
    Case("GET", "/flavors?marker=nosuch", None, 400, "marker [nosuch] not found"),
    Case("GET", "/flavors?minRam=lots", None, 400, "Invalid minRam filter [lots]"),
    Case("POST", "/flavors", {"flavor": {"name": "x", "ram": 0, "vcpus": 1, "disk": 1}}, 400, "ram"),
    Case("POST", "/flavors", {"flavor": {"name": "x", "ram": 1, "vcpus": 1}}, 400, "'disk' is a required property"),
    Case("POST", "/flavors", {"flavor": {"name": "", "ram": 1, "vcpus": 1, "disk": 1}}, 400, "name"),
    Case("POST", "/flavors", {"flavor": {"name": "{flavor}", "ram": 1, "vcpus": 1, "disk": 1}}, 409, "already exists"),
    Case("POST", "/os-keypairs", {"keypair": {"name": "x", "public_key": "nonsense"}}, 400),
    Case("POST", "/os-keypairs", {"keypair": {"name": ""}}, 400),
    Case("POST", "/os-keypairs", {"keypair": {"name": "x", "type": "ssh"}}, 400, "type", "2.1"),
    Case("POST", "/os-keypairs", {"keypair": {"name": "x"}}, 400, "'public_key' is a required property", "2.92"),
    Case("POST", "/servers", {"server": {}}, 400),
    Case("POST", "/servers", {}, 400, "'server' is a required property"),
    Case("POST", "/servers", server(name=""), 400, "name", "2.100"),
    Case("POST", "/servers", server(bogus=1), 400, "Additional properties are not allowed", "2.100"),
    Case("POST", "/servers", server(flavorRef="nosuch"), 400, "Flavor nosuch could not be found.", "2.100"),
    Case("POST", "/servers", server(imageRef=NOBODY), 400, "", "2.100"),
    Case("POST", "/servers", server(imageRef=""), 400, "", "2.100"),
    Case("POST", "/servers", server(key_name="nosuch"), 400, "Invalid key_name provided.", "2.100"),
    Case("POST", "/servers", server(networks=[{"uuid": NOBODY}]), 400, "", "2.100"),
    Case("POST", "/servers", server(networks=[{"port": NOBODY}]), 400, "", "2.100"),
    Case("POST", "/servers", server(networks="maybe"), 400, "", "2.100"),
    Case("POST", "/servers", server(metadata={"": "x"}), 400, "", "2.100"),
    Case("POST", "/servers", server(metadata={"a": "x" * 256}), 400, "", "2.100"),
    Case("POST", "/servers", server(tags=["red"]), 400, "", "2.51"),
    Case("POST", "/servers", server(min_count=3, max_count=2), 400, "min_count must be <= max_count", "2.100"),
    Case("POST", "/servers", server(availability_zone="nosuch"), 400, "", "2.100"),
    Case("POST", "/servers", server(user_data="not base64!"), 400, "", "2.100"),
    act({"os-stop": None}, 404),
    act({"reboot": {"type": "GENTLE"}}, 400, "is not one of"),
    act({"fly": None}, 400),
    act({}, 400),
    Case("GET", f"/servers/{NOBODY}/os-instance-actions", None, 404),
    Case("GET", "/os-quota-sets/nosuch", None, 400, "Project ID nosuch is not a valid project.", "2.57"),
    Case("PUT", "/os-quota-sets/{project}", {"quota_set": {"bogus": 1}}, 400),
    Case("PUT", "/os-quota-sets/{project}", {"quota_set": {"cores": -2}}, 400),
    Case("GET", "/os-hypervisors/nosuch", None, 404),
    Case("GET", "/os-services?bogus=1", None, 400, "", "2.100"),
)


@pytest.fixture(scope="module")
def names(admin: httpx.Client) -> Iterator[dict[str, str]]:
    """Something of every kind, by the name that a Case gives it."""
    yield from make(admin)


def make(http: httpx.Client) -> Iterator[dict[str, str]]:
    """Make it, and take it away again."""
    name = f"r{token_hex(4)}"
    token = http.get("/identity/v3/auth/tokens", headers={"X-Subject-Token": http.headers["X-Auth-Token"]}).json()
    wish = {"name": name, "disk_format": "raw", "container_format": "bare"}
    image = found(http.post("/image/v2/images", json=wish), 201)["id"]
    octets = {"Content-Type": "application/octet-stream"}
    found(http.put(f"/image/v2/images/{image}/file", content=b"x" * 512, headers=octets), 204)
    flavor = {"name": name, "id": name, "ram": 64, "vcpus": 1, "disk": 1}
    found(http.post("/compute/v2.1/flavors", json={"flavor": flavor}))
    network = found(http.post("/network/v2.0/networks", json={"network": {"name": name}}), 201)["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.4.0.0/24"}
    subnet_id = found(http.post("/network/v2.0/subnets", json={"subnet": subnet}), 201)["subnet"]["id"]
    port = found(http.post("/network/v2.0/ports", json={"port": {"network_id": network}}), 201)["port"]["id"]
    group = found(http.post("/network/v2.0/security-groups", json={"security_group": {"name": name}}), 201)
    group_id = group["security_group"]["id"]
    yield {
        "project": token["token"]["project"]["id"],
        "image": image,
        "flavor": name,
        "network": network,
        "subnet": subnet_id,
        "port": port,
        "group": group_id,
    }
    for path in (
        f"/network/v2.0/ports/{port}",
        f"/network/v2.0/networks/{network}",
        f"/network/v2.0/security-groups/{group_id}",
        f"/compute/v2.1/flavors/{name}",
        f"/image/v2/images/{image}",
    ):
        assert http.delete(path).status_code in (202, 204), path


def send(http: httpx.Client, prefix: str, case: Case, names: dict[str, str]) -> httpx.Response:
    """The answer to a case."""
    path, body = prefix + case.path, json.dumps(case.body)
    for name, id in names.items():
        path, body = path.replace("{" + name + "}", id), body.replace("{" + name + "}", id)
    headers = {"Content-Type": case.media_type}
    if prefix.startswith("/compute"):
        headers["OpenStack-API-Version"] = f"compute {case.version}"
    return http.request(case.method, path, content=b"" if case.body is None else body, headers=headers)


def words(answer: httpx.Response) -> str:
    """What an answer says, free of its service's wrapping."""
    return answer.text.replace('\\"', '"').replace("&#x27;", "'").replace("&quot;", '"')


ALL = [
    pytest.param(prefix, case, id=f"{prefix.split('/')[1]} {case.method} {case.path[:50]} {number}")
    for prefix, cases in (
        ("/identity", IDENTITY),
        ("/image", IMAGE),
        ("/network", NETWORK),
        ("/compute/v2.1", COMPUTE),
    )
    for number, case in enumerate(cases)
]


@pytest.mark.parametrize(("prefix", "case"), ALL)
def test_a_refusal_is_the_real_services_own(
    admin: httpx.Client, names: dict[str, str], prefix: str, case: Case
) -> None:
    answer = send(admin, prefix, case, names)
    assert answer.status_code == case.status, answer.text
    assert case.words in words(answer)
    assert answer.headers["x-openstack-request-id"].startswith("req-")


@pytest.mark.parametrize("prefix", ["/identity/v3/projects", "/network/v2.0/networks", "/compute/v2.1/servers"])
@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"a":'])
def test_a_body_that_is_none_is_refused(admin: httpx.Client, prefix: str, body: bytes) -> None:
    answer = admin.post(prefix, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
