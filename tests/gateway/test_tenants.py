"""What is another project's: on every route that names a thing, a stranger gets no data and changes nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from events.compute import keypair as keypairs
from events.compute.keypair import CreateKeypair
from events.envelope import CLOUD
from events.services import deciders
from gateway.application import faces
from gateway.calling import Route
from gateway.image.store import ImageStore
from tests import worlds
from tests.gateway.compute import clouds
from tests.gateway.identity.people import PASSWORD, People, people
from tests.worlds import FOREIGN, PROJECT, World, world

MARK = "zebra"  # stands in every name that a stranger must not see
STRANGERS = ("foreign-reader", "foreign", "foreign-manager")
FACES = {face.name: face for face in faces()}
BODIES: dict[str, Any] = {
    "/v2.1/servers/{id}": {"server": {"name": "stolen"}},
    "/v2.1/servers/{id}/action": {"os-stop": None},
    "/v2.1/servers/{id}/metadata": {"metadata": {"a": "b"}},
    "/v2.1/servers/{id}/metadata/{key}": {"meta": {"a": "b"}},
    "/v2.1/servers/{id}/tags": {"tags": ["a"]},
    "/v2.1/servers/{id}/os-interface": {"interfaceAttachment": {}},
    "/v2.1/servers/{id}/os-volume_attachments": {"volumeAttachment": {"volumeId": clouds.NOBODY}},
    "/v2.1/servers/{id}/remote-consoles": {"remote_console": {"protocol": "vnc", "type": "novnc"}},
    "/v2.1/os-quota-sets/{project}": {"quota_set": {"cores": 1}},
    "/v2.0/networks/{id}": {"network": {"name": "stolen"}},
    "/v2.0/subnets/{id}": {"subnet": {"name": "stolen"}},
    "/v2.0/ports/{id}": {"port": {"name": "stolen"}},
    "/v2.0/security-groups/{id}": {"security_group": {"name": "stolen"}},
    "/v2.0/security-group-rules/{id}": {"security_group_rule": {"description": "stolen"}},
    "/v2.0/quotas/{id}": {"quota": {"port": 1}},
    "/v2.0/{collection}/{id}/tags": {"tags": ["a"]},
    "/v2/images/{id}": [{"op": "replace", "path": "/name", "value": "stolen"}],
    "/v2/images/{id}/members": {"member": FOREIGN},
    "/v2/images/{id}/members/{member}": {"status": "accepted"},
    "/v2/images/{id}/import": {"method": {"name": "glance-direct"}},
    "/v2/images/{id}/locations": {"url": "file:///etc/passwd"},
}
OWN_INSTEAD = {"/v2.1/os-simple-tenant-usage/{project}"}  # a stranger is told of their own project
OPEN = {"/v2.1/os-quota-sets/{project}/defaults"}  # the same for all projects
SHARED = ("/v3/roles/", "/v3/regions/", "/v3/registered_limits/")  # what is of no project or domain


def state_of_all(w: World, but: str) -> dict[str, Any]:
    """Everything that is, except what a project has."""
    shelves = [(module.__name__, w.fold.shelf(module).live) for module in deciders()]
    found = {f"{name} {key}": state for name, live in shelves for key, state in live.items()}
    return {key: state for key, state in found.items() if getattr(state, "owner", None) != but and but not in key}


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, dict[str, str]]]:
    """A project with one of everything, and three strangers."""
    for name, role in zip(STRANGERS, ("reader", "member", "manager"), strict=True):
        stranger = replace(worlds.token(role, FOREIGN), user=f"{name}-user", user_name=name)
        monkeypatch.setitem(worlds.TOKENS, name, stranger)
    store = ImageStore(tmp_path)
    async with world(parts=[store]) as w:
        yield w, await things(w)
    store.close()


async def things(w: World) -> dict[str, str]:
    """By the beginning of a path, the id of PROJECT's own thing there."""

    async def make(path: str, kind: str, /, **members: Any) -> dict[str, Any]:
        answer = await w.call("POST", f"/network/v2.0/{path}", {kind: members}, as_="member")
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()[kind]
        return made

    await clouds.furnish(w)
    network = (await make("networks", "network", name=MARK))["id"]
    subnet = await make("subnets", "subnet", name=MARK, network_id=network, cidr="10.9.0.0/24", ip_version=4)
    port = await make("ports", "port", name=MARK, network_id=network)
    group = await make("security-groups", "security_group", name=MARK)
    await w.call("PUT", f"/image/v2/images/{clouds.IMAGE}/tags/{MARK}", as_="member")
    server = await clouds.boot(w, name=MARK, metadata={MARK: MARK}, tags=[MARK])
    await w.execute(
        keypairs, CreateKeypair(id=("member-user", MARK), kind="ssh", public_key=MARK, fingerprint=MARK), CLOUD
    )
    return {
        "/v2.1/servers": server,
        "/v2.0/networks": network,
        "/v2.0/subnets": subnet["id"],
        "/v2.0/ports": port["id"],
        "/v2.0/security-groups": group["id"],
        "/v2.0/security-group-rules": group["security_group_rules"][0]["id"],
        "/v2/images": clouds.IMAGE,
        "/v2/stores": clouds.IMAGE,
        "/v2.1/os-keypairs": MARK,
        "/v2.1/os-quota-sets": PROJECT,
        "/v2.1/os-simple-tenant-usage": PROJECT,
        "/v2.0/quotas": PROJECT,
        "port": port["id"],
    }


def paths(route: Route, known: dict[str, str]) -> list[str]:
    """The route's path with the ids of PROJECT's things in it, if it names any."""
    if "{collection}" in route.path:
        kinds = ("networks", "subnets", "ports", "security-groups")
        return [
            route.path.replace("{collection}", kind).replace("{id}", known[f"/v2.0/{kind}"]).replace("{tag}", MARK)
            for kind in kinds
        ]
    start = next((start for start in known if route.path.startswith(f"{start}/{{")), None)
    start = "/v2/stores" if route.path.startswith("/v2/stores/") else start
    if start is None:
        return []
    path = route.path.replace("{store}", "file").replace("{member}", FOREIGN).replace("{port}", known["port"])
    first = re.sub(r"\{(id|project|name)\}", known[start], path, count=1)
    return [re.sub(r"\{[^}]*\}", MARK, first)]


async def ask(w: World, face: str, route: Route, path: str, who: str) -> httpx.Response:
    headers = {"X-Auth-Token": who, "Content-Type": route.media_types[0]}
    versions = FACES[face].versions
    if versions:
        version = min(route.last, versions.maximum)
        headers["OpenStack-API-Version"] = f"{face} {version[0]}.{version[1]}"
    if face == "image" and route.method == "PATCH":
        headers["Content-Type"] = "application/openstack-images-v2.1-json-patch"
    if path.endswith(("/file", "/stage")):
        headers["Content-Type"] = "application/octet-stream"
    body = BODIES.get(route.path) if route.method in ("POST", "PUT", "PATCH") else None
    return await w.http.request(route.method, FACES[face].path + path, json=body, headers=headers)


@pytest.mark.parametrize("face", ["compute", "image", "network"])
async def test_a_stranger_gets_nothing_of_anothers_and_changes_nothing(
    cloud: tuple[World, dict[str, str]], face: str
) -> None:
    w, known = cloud
    wrong, asked = [], 0
    for route in FACES[face].routes:
        for path in paths(route, known):
            asked += 1
            for who in STRANGERS:
                before = state_of_all(w, FOREIGN)
                answer = await ask(w, face, route, path, who)
                hidden = answer.status_code in (403, 404, 410) or route.path in OWN_INSTEAD | OPEN
                told = MARK in answer.text.replace(path, "") and answer.status_code < 400
                if not hidden or told or state_of_all(w, FOREIGN) != before:
                    wrong.append(f"{who}: {route.method} {path} is {answer.status_code}: {answer.text[:200]}")
    assert wrong == []
    assert asked >= {"compute": 35, "image": 20, "network": 40}[face]


@pytest.mark.parametrize("path", ["/v2.1/servers/detail", "/v2.1/os-keypairs", "/v2/images", "/v2.0/networks"])
async def test_a_stranger_lists_nothing_of_anothers(cloud: tuple[World, dict[str, str]], path: str) -> None:
    w, _ = cloud
    face = {"/v2.1": "/compute", "/v2": "/image", "/v2.0": "/network"}[path.rsplit("/", path.count("/") - 1)[0]]
    answer = await w.call("GET", face + path, as_="foreign")
    assert answer.status_code == 200
    assert MARK not in answer.text
    assert clouds.IMAGE not in answer.text


async def test_a_strangers_body_cannot_speak_of_anothers_things(cloud: tuple[World, dict[str, str]]) -> None:
    w, known = cloud
    network, port, group = known["/v2.0/networks"], known["port"], known["/v2.0/security-groups"]
    mine = (await w.call("POST", "/network/v2.0/networks", {"network": {"name": "mine"}}, as_="foreign")).json()
    mine = mine["network"]["id"]
    subnet = {"subnet": {"network_id": mine, "cidr": "10.8.0.0/24", "ip_version": 4}}
    assert (await w.call("POST", "/network/v2.0/subnets", subnet, as_="foreign")).status_code == 201
    own_group = await w.call("POST", "/network/v2.0/security-groups", {"security_group": {"name": "g"}}, as_="foreign")
    own = own_group.json()["security_group"]["id"]
    rule = {"direction": "ingress", "protocol": "tcp"}
    server = clouds.body(imageRef=clouds.IMAGE)["server"]
    cases = [
        ("/network/v2.0/ports", {"port": {"network_id": network}}),
        ("/network/v2.0/ports", {"port": {"network_id": mine, "security_groups": [group]}}),
        ("/network/v2.0/ports", {"port": {"network_id": mine, "fixed_ips": [{"subnet_id": known["/v2.0/subnets"]}]}}),
        ("/network/v2.0/ports", {"port": {"network_id": mine, "project_id": PROJECT}}),
        ("/network/v2.0/subnets", {"subnet": {"network_id": network, "cidr": "10.7.0.0/24", "ip_version": 4}}),
        ("/network/v2.0/networks", {"network": {"project_id": PROJECT}}),
        ("/network/v2.0/security-group-rules", {"security_group_rule": {**rule, "security_group_id": group}}),
        (
            "/network/v2.0/security-group-rules",
            {"security_group_rule": {**rule, "security_group_id": own, "remote_group_id": group}},
        ),
        ("/compute/v2.1/servers", {"server": server}),  # another's private image
        ("/compute/v2.1/servers", {"server": {**server, "networks": [{"uuid": network}]}}),
        ("/compute/v2.1/servers", {"server": {**server, "networks": [{"port": port}]}}),
        ("/image/v2/images", {"name": "x", "owner": PROJECT}),
    ]
    for path, body in cases:
        before = state_of_all(w, FOREIGN)
        answer = await w.call("POST", path, body, as_="foreign", version="2.100")
        assert 400 <= answer.status_code < 500, (path, body, answer.text)
        assert MARK not in answer.text
        assert state_of_all(w, FOREIGN) == before, (path, body)


async def test_a_stranger_of_another_domain_sees_and_changes_nothing_of_identity(tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        names, strangers = await victims(them)
        wrong, asked = [], 0
        for route in FACES["identity"].routes:
            path = filled(route.path, names)
            if route.public or "{" in path or path == route.path or path.startswith(SHARED):
                continue  # what is nobody's
            asked += 1
            for who, token in strangers.items():
                before = state_of_all(them.world, "-")
                body: Any = {} if route.method in ("POST", "PUT", "PATCH") else None
                answer = await them.call(route.method, path.removeprefix("/v3"), body, token=token)
                refused = answer.status_code in (400, 403, 404)
                if not refused or MARK in answer.text or state_of_all(them.world, "-") != before:
                    wrong.append(f"{who}: {route.method} {path} is {answer.status_code}: {answer.text[:200]}")
        assert wrong == []
        assert asked > 60


def filled(path: str, names: dict[str, str]) -> str:
    """A path with the ids of the victims' things in it."""
    return re.sub(r"\{(\w+)\}", lambda hole: names.get(owner(path, hole[1]), hole[0]), path)


def owner(path: str, hole: str) -> str:
    """What a hole in a path names: `{id}` after `/users/` is a user."""
    kind = path.split("{" + hole + "}")[0].rstrip("/").rsplit("/", 1)[-1]
    return {"users": "user", "projects": "project", "groups": "group", "domains": "domain"}.get(kind, kind)


async def victims(them: People) -> tuple[dict[str, str], dict[str, str]]:
    """Things of a domain, and the tokens of who is of another."""
    domain = (await them.make("domain", name=MARK))["id"]
    project = (await them.make("project", name=MARK, domain_id=domain, tags=[MARK]))["id"]
    user = await them.make("user", name=MARK, domain_id=domain, password=PASSWORD)
    group = (await them.make("group", name=MARK, domain_id=domain))["id"]
    await them.grant(f"projects/{project}/users/{user['id']}", "member")
    token = await them.login(user["id"], PASSWORD, {"project": {"id": project}})
    application = {"application_credential": {"name": MARK, "secret": MARK}}
    made = await them.call("POST", f"/users/{user['id']}/application_credentials", application, token=token)
    secret = {"credential": {"type": "x", "blob": MARK, "user_id": user["id"]}}
    credential = await them.call("POST", "/credentials", secret, token=token)
    other = (await them.make("domain", name="elsewhere"))["id"]
    tokens = {}
    for role in ("reader", "member", "manager"):
        stranger = (await them.make("user", name=role, domain_id=other, password=PASSWORD))["id"]
        home = (await them.make("project", name=role, domain_id=other))["id"]
        await them.grant(f"projects/{home}/users/{stranger}", role)
        await them.grant(f"domains/{other}/users/{stranger}", role)
        tokens[f"{role} of a project"] = await them.login(stranger, PASSWORD, {"project": {"id": home}})
        tokens[f"{role} of a domain"] = await them.login(stranger, PASSWORD, {"domain": {"id": other}})
    return {
        "domain": domain,
        "project": project,
        "user": user["id"],
        "group": group,
        "roles": await them.role("member"),
        "tags": MARK,
        "application_credentials": made.json()["application_credential"]["id"],
        "credentials": credential.json()["credential"]["id"],
    }, tokens
