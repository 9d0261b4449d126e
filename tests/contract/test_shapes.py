"""Every document, at every microversion that changed it, holds what the real services' holds: `documents.json`.

Recorded from release 2026.2; a line is a document, a microversion, and the document's keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.contract.clouds import found
from tests.contract.test_refusals import make
from tests.waiting import wait_until

DOCUMENTS: dict[str, dict[str, list[str]]] = json.loads(Path(__file__).with_name("documents.json").read_text())

WHERE = {  # path, and the way to the document within the answer
    "server": ("/compute/v2.1/servers/{server}", "server"),
    "server in detail": ("/compute/v2.1/servers/detail?uuid={server}", "servers 0"),
    "server in brief": ("/compute/v2.1/servers", "servers 0"),
    "flavor": ("/compute/v2.1/flavors/{flavor}", "flavor"),
    "flavor in brief": ("/compute/v2.1/flavors", "flavors 0"),
    "flavor in detail": ("/compute/v2.1/flavors/detail", "flavors 0"),
    "keypair": ("/compute/v2.1/os-keypairs/{flavor}", "keypair"),
    "keypair in list": ("/compute/v2.1/os-keypairs", "keypairs 0 keypair"),
    "quota set": ("/compute/v2.1/os-quota-sets/{project}", "quota_set"),
    "limits": ("/compute/v2.1/limits", "limits absolute"),
    "compute service": ("/compute/v2.1/os-services", "services 0"),
    "zone": ("/compute/v2.1/os-availability-zone", "availabilityZoneInfo 0"),
    "action in list": ("/compute/v2.1/servers/{server}/os-instance-actions", "instanceActions 0"),
    "network": ("/network/v2.0/networks/{network}", "network"),
    "network in list": ("/network/v2.0/networks?id={network}", "networks 0"),
    "subnet": ("/network/v2.0/subnets/{subnet}", "subnet"),
    "subnet in list": ("/network/v2.0/subnets?id={subnet}", "subnets 0"),
    "port": ("/network/v2.0/ports/{port}", "port"),
    "port in list": ("/network/v2.0/ports?id={port}", "ports 0"),
    "security group": ("/network/v2.0/security-groups/{group}", "security_group"),
    "security group in list": ("/network/v2.0/security-groups?id={group}", "security_groups 0"),
    "security group rule": ("/network/v2.0/security-groups/{group}", "security_group security_group_rules 0"),
    "network quota": ("/network/v2.0/quotas/{project}", "quota"),
    "network quota in detail": ("/network/v2.0/quotas/{project}/details.json", "quota port"),
    "extension": ("/network/v2.0/extensions/security-group", "extension"),
    "image": ("/image/v2/images/{image}", ""),
    "image in list": ("/image/v2/images?id=in:{image}", "images 0"),
    "project": ("/identity/v3/projects/{project}", "project"),
    "user": ("/identity/v3/users/{user}", "user"),
    "role": ("/identity/v3/roles?name=member", "roles 0"),
    "domain": ("/identity/v3/domains/default", "domain"),
    "region": ("/identity/v3/regions/RegionOne", "region"),
    "service": ("/identity/v3/services", "services 0"),
    "endpoint": ("/identity/v3/endpoints", "endpoints 0"),
    "token": ("/identity/v3/auth/tokens", "token"),
    "role assignment": ("/identity/v3/role_assignments?include_names=true&user.id={user}", "role_assignments 0"),
    "catalog": ("/identity/v3/auth/catalog", "catalog 0"),
}


@pytest.fixture(scope="module")
def names(admin: httpx.Client) -> Iterator[dict[str, str]]:
    """One thing of every kind."""
    yield from things(admin)


def things(http: httpx.Client) -> Iterator[dict[str, str]]:
    """Make them, and take them away again."""
    making = make(http)
    names = next(making)
    found(http.post("/compute/v2.1/os-keypairs", json={"keypair": {"name": names["flavor"]}}))
    wish = {"name": "s", "imageRef": names["image"], "flavorRef": names["flavor"], "networks": "none"}
    headers = {"OpenStack-API-Version": "compute 2.100"}
    server = found(http.post("/compute/v2.1/servers", json={"server": wish}, headers=headers), 202)["server"]["id"]
    user = look(http, "token", "2.1", names)["user"]["id"]
    yield {**names, "server": server, "user": user}
    http.delete(f"/compute/v2.1/servers/{server}")
    wait_until(lambda: http.get(f"/compute/v2.1/servers/{server}").status_code == 404)
    http.delete(f"/compute/v2.1/os-keypairs/{names['flavor']}")
    next(making, None)


def look(http: httpx.Client, document: str, version: str, names: dict[str, str]) -> Any:
    """A document."""
    path, way = WHERE[document]
    headers = {"OpenStack-API-Version": f"compute {version}", "X-Subject-Token": http.headers["X-Auth-Token"]}
    answer = found(http.get(path.format(**names), headers=headers))
    for step in way.split():
        answer = answer[int(step) if step.isdigit() else step]
    return answer


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_holds_what_the_real_one_holds(admin: httpx.Client, names: dict[str, str], document: str) -> None:
    for version, keys in DOCUMENTS[document].items():
        assert sorted(look(admin, document, version, names)) == keys, version
