"""A visit to a real cloud that makes every kind of event: over HTTP what people do, by commands what they cannot."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

IDENTITY, COMPUTE, IMAGE, NETWORK = "/identity/v3", "/compute/v2.1", "/image/v2", "/network/v2.0"
NEW = {"OpenStack-API-Version": "compute 2.100"}
BYTES = {"Content-Type": "application/octet-stream"}


class Visit:
    """What an admin does on one visit."""

    def __init__(self, http: httpx.Client, enter: Callable[[str], httpx.Client]) -> None:
        self.http = http
        self.enter = enter  # another project of theirs
        answer = self.call("GET", f"{IDENTITY}/auth/tokens", headers={"X-Subject-Token": http.headers["X-Auth-Token"]})
        self.project: str = answer["token"]["project"]["id"]
        self.user: str = answer["token"]["user"]["id"]

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = self.http.request(method, path, json=body, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def make(self, path: str, kind: str, **body: Any) -> Any:
        return self.call("POST", path, {kind: body})[kind]

    def everything(self) -> None:
        self.identity()
        self.roles()
        self.limits()
        self.images()
        self.flavors()
        self.networks()
        self.servers()
        self.hosts()

    # Identity

    def identity(self) -> None:
        domain = self.make(f"{IDENTITY}/domains", "domain", name="golden")["id"]
        project = self.make(f"{IDENTITY}/projects", "project", name="golden")["id"]
        self.call("PATCH", f"{IDENTITY}/projects/{project}", {"project": {"description": "kept"}})
        self.call("PUT", f"{IDENTITY}/projects/{project}/tags/blue")
        self.call("PUT", f"{IDENTITY}/projects/{project}/tags/red")
        self.call("DELETE", f"{IDENTITY}/projects/{project}/tags/red")
        for path, kind in (("users", "user"), ("groups", "group"), ("domains", "domain"), ("projects", "project")):
            more = {"password": "forgotten"} if kind == "user" else {}
            one = self.make(f"{IDENTITY}/{path}", kind, name=f"spare-{kind}", **more)["id"]
            self.call("PATCH", f"{IDENTITY}/{path}/{one}", {kind: {"description": "spare", "enabled": False}})
            self.call("DELETE", f"{IDENTITY}/{path}/{one}")
        user = self.make(f"{IDENTITY}/users", "user", name="golden", password="throw-away", domain_id=domain)["id"]
        password = {"original_password": "throw-away", "password": "thrown-away"}
        self.call("POST", f"{IDENTITY}/users/{user}/password", {"user": password})
        group = self.make(f"{IDENTITY}/groups", "group", name="golden")["id"]
        self.call("PUT", f"{IDENTITY}/groups/{group}/users/{user}")
        self.call("PUT", f"{IDENTITY}/groups/{group}/users/{self.user}")
        self.call("DELETE", f"{IDENTITY}/groups/{group}/users/{user}")
        kept = {"name": "golden", "secret": "throw-away"}
        self.make(f"{IDENTITY}/users/{self.user}/application_credentials", "application_credential", **kept)
        one = self.make(f"{IDENTITY}/users/{self.user}/application_credentials", "application_credential", name="spare")
        self.call("DELETE", f"{IDENTITY}/users/{self.user}/application_credentials/{one['id']}")
        for name in ("golden", "spare"):
            body = {"blob": '{"access": "golden"}', "type": name, "user_id": user}
            one = self.make(f"{IDENTITY}/credentials", "credential", **body)
            self.call("PATCH", f"{IDENTITY}/credentials/{one['id']}", {"credential": {"type": f"{name}2"}})
        self.call("DELETE", f"{IDENTITY}/credentials/{one['id']}")
        self.catalog()
        member = self.call("GET", f"{IDENTITY}/roles?name=member")["roles"][0]["id"]
        self.call("PUT", f"{IDENTITY}/projects/{project}/users/{self.user}/roles/{member}")
        with self.enter("golden") as spare:
            self.call("DELETE", f"{IDENTITY}/auth/tokens", headers={"X-Subject-Token": spare.headers["X-Auth-Token"]})

    def catalog(self) -> None:
        for name in ("golden", "spare"):
            region = self.make(f"{IDENTITY}/regions", "region", id=name)["id"]
            self.call("PATCH", f"{IDENTITY}/regions/{region}", {"region": {"description": "a region"}})
            service = self.make(f"{IDENTITY}/services", "service", type=name, name=name)["id"]
            self.call("PATCH", f"{IDENTITY}/services/{service}", {"service": {"description": "a service"}})
            body = {"service_id": service, "region_id": region, "interface": "public", "url": "http://127.0.0.1:1/"}
            endpoint = self.make(f"{IDENTITY}/endpoints", "endpoint", **body)["id"]
            self.call("PATCH", f"{IDENTITY}/endpoints/{endpoint}", {"endpoint": {"url": "http://127.0.0.1:2/"}})
        self.call("DELETE", f"{IDENTITY}/endpoints/{endpoint}")
        self.call("DELETE", f"{IDENTITY}/services/{service}")
        self.call("DELETE", f"{IDENTITY}/regions/{region}")

    def roles(self) -> None:
        roles = [self.make(f"{IDENTITY}/roles", "role", name=name)["id"] for name in ("golden", "implied", "spare")]
        self.call("PATCH", f"{IDENTITY}/roles/{roles[0]}", {"role": {"description": "a role"}})
        for implied in roles[1:]:
            self.call("PUT", f"{IDENTITY}/roles/{roles[0]}/implies/{implied}")
        self.call("DELETE", f"{IDENTITY}/roles/{roles[0]}/implies/{roles[2]}")
        for role in roles[:2]:
            self.call("PUT", f"{IDENTITY}/projects/{self.project}/users/{self.user}/roles/{role}")
        self.call("DELETE", f"{IDENTITY}/projects/{self.project}/users/{self.user}/roles/{roles[1]}")
        self.call("DELETE", f"{IDENTITY}/roles/{roles[2]}")

    def limits(self) -> None:
        services = self.call("GET", f"{IDENTITY}/services?type=golden")["services"]
        for name in ("golden", "spare"):
            body = {"service_id": services[0]["id"], "resource_name": name, "default_limit": 5}
            one = self.call("POST", f"{IDENTITY}/registered_limits", {"registered_limits": [body]})
            registered = one["registered_limits"][0]["id"]
            change = {"registered_limit": {"default_limit": 7}}
            self.call("PATCH", f"{IDENTITY}/registered_limits/{registered}", change)
            body = {**body, "project_id": self.project, "resource_limit": 3}
            del body["default_limit"]
            limit = self.call("POST", f"{IDENTITY}/limits", {"limits": [body]})["limits"][0]["id"]
            self.call("PATCH", f"{IDENTITY}/limits/{limit}", {"limit": {"resource_limit": 4}})
        self.call("DELETE", f"{IDENTITY}/limits/{limit}")
        self.call("DELETE", f"{IDENTITY}/registered_limits/{registered}")

    # Images

    def image(self, name: str) -> str:
        body = {"name": name, "disk_format": "raw", "container_format": "bare"}
        return str(self.call("POST", f"{IMAGE}/images", body)["id"])

    def images(self) -> None:
        one = self.image("golden")
        self.call("PUT", f"{IMAGE}/images/{one}/file", content=b"golden" * 512, headers=BYTES)
        patch = [{"op": "add", "path": "/colour", "value": "blue"}]
        media = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self.call("PATCH", f"{IMAGE}/images/{one}", patch, headers=media)
        for tag in ("kept", "spare"):
            self.call("PUT", f"{IMAGE}/images/{one}/tags/{tag}")
        self.call("DELETE", f"{IMAGE}/images/{one}/tags/spare")
        self.call("POST", f"{IMAGE}/images/{one}/actions/deactivate")
        self.call("POST", f"{IMAGE}/images/{one}/actions/reactivate")
        patch = [{"op": "replace", "path": "/visibility", "value": "shared"}]
        self.call("PATCH", f"{IMAGE}/images/{one}", patch, headers=media)
        golden = self.call("GET", f"{IDENTITY}/projects?name=golden")["projects"][0]["id"]
        for member in (golden, "2" * 32):
            self.call("POST", f"{IMAGE}/images/{one}/members", {"member": member})
        with self.enter("golden") as there:
            accepted = there.put(f"{IMAGE}/images/{one}/members/{golden}", json={"status": "accepted"})
            assert accepted.status_code == 200, accepted.text
        self.call("DELETE", f"{IMAGE}/images/{one}/members/{'2' * 32}")
        two = self.image("imported")
        self.call("PUT", f"{IMAGE}/images/{two}/stage", content=b"staged" * 512, headers=BYTES)
        self.call("POST", f"{IMAGE}/images/{two}/import", {"method": {"name": "glance-direct"}})
        three = self.image("spare")
        self.call("POST", f"{IMAGE}/images/{three}/members", {"member": golden})
        patch = [{"op": "replace", "path": "/visibility", "value": "private"}]
        self.call("PATCH", f"{IMAGE}/images/{three}", patch, headers=media)
        self.call("DELETE", f"{IMAGE}/images/{three}")
        body = {"name": "broken", "disk_format": "qcow2", "container_format": "bare"}
        broken = self.call("POST", f"{IMAGE}/images", body)["id"]
        refused = self.http.put(f"{IMAGE}/images/{broken}/file", content=b"this is no qcow2", headers=BYTES)
        assert refused.status_code == 415, refused.text

    # Compute

    def flavors(self) -> None:
        for name in ("golden", "spare"):
            body = {"name": name, "ram": 64, "disk": 1, "vcpus": 1, "os-flavor-access:is_public": False}
            one = self.make(f"{COMPUTE}/flavors", "flavor", **body)["id"]
            self.call("POST", f"{COMPUTE}/flavors/{one}/os-extra_specs", {"extra_specs": {"hw:a": "1", "hw:b": "2"}})
            self.call("DELETE", f"{COMPUTE}/flavors/{one}/os-extra_specs/hw:b")
            self.call("POST", f"{COMPUTE}/flavors/{one}/action", {"addTenantAccess": {"tenant": self.project}})
            self.call("PUT", f"{COMPUTE}/flavors/{one}", {"flavor": {"description": "a flavor"}}, headers=NEW)
        self.call("POST", f"{COMPUTE}/flavors/{one}/action", {"removeTenantAccess": {"tenant": self.project}})
        self.call("DELETE", f"{COMPUTE}/flavors/{one}")
        for name in ("golden", "spare"):
            self.make(f"{COMPUTE}/os-keypairs", "keypair", name=name)
        self.call("DELETE", f"{COMPUTE}/os-keypairs/spare")
        quotas = f"{COMPUTE}/os-quota-sets/{self.project}"
        self.call("PUT", quotas, {"quota_set": {"instances": 40}})
        self.call("DELETE", quotas)
        self.call("PUT", quotas, {"quota_set": {"instances": 50, "ram": -1}})
        self.call("PUT", f"{NETWORK}/quotas/{self.project}", {"quota": {"port": 60}})
        self.call("DELETE", f"{NETWORK}/quotas/{self.project}")
        self.call("PUT", f"{NETWORK}/quotas/{self.project}", {"quota": {"port": 70}})

    def server(self, name: str, size: str = "golden", **more: Any) -> str:
        image = self.call("GET", f"{IMAGE}/images?name=golden")["images"][0]["id"]
        flavors = self.call("GET", f"{COMPUTE}/flavors?is_public=None")["flavors"]
        flavor = next(one["id"] for one in flavors if one["name"] == size)
        network = self.call("GET", f"{NETWORK}/networks?name=golden")["networks"][0]["id"]
        body = {"name": name, "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}], **more}
        return str(self.call("POST", f"{COMPUTE}/servers", {"server": body}, headers=NEW)["server"]["id"])

    def wait(self, server: str, status: str) -> None:
        self.until(lambda: self.call("GET", f"{COMPUTE}/servers/{server}")["server"]["status"] == status)

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, "it did not come to be"
            time.sleep(0.05)

    def act(self, server: str, **action: Any) -> None:
        self.call("POST", f"{COMPUTE}/servers/{server}/action", action, headers=NEW)

    def servers(self) -> None:
        self.make(f"{COMPUTE}/flavors", "flavor", name="huge", ram=1 << 30, disk=1, vcpus=1)
        one = self.server("golden", metadata={"colour": "blue"}, user_data="Z29sZGVu")
        self.wait(one, "ACTIVE")
        self.call("PUT", f"{COMPUTE}/servers/{one}", {"server": {"name": "golden-1"}}, headers=NEW)
        self.act(one, lock={"locked_reason": "keep"})
        self.act(one, unlock=None)
        self.act(one, **{"os-stop": None})
        self.wait(one, "SHUTOFF")
        self.act(one, **{"os-start": None})
        self.wait(one, "ACTIVE")
        self.act(one, reboot={"type": "SOFT"})
        self.wait(one, "ACTIVE")
        two = self.server("huge", "huge")
        self.wait(two, "ERROR")
        self.act(two, **{"os-resetState": {"state": "error"}})
        three = self.server("spare")
        self.wait(three, "ACTIVE")
        self.act(three, **{"os-resetState": {"state": "error"}})
        self.call("DELETE", f"{COMPUTE}/servers/{three}")
        self.until(lambda: self.http.get(f"{COMPUTE}/servers/{three}").status_code == 404)

    def hosts(self) -> None:
        services = self.call("GET", f"{COMPUTE}/os-services?binary=nova-compute", headers=NEW)["services"]
        path = f"{COMPUTE}/os-services/{services[-1]['id']}"
        self.call("PUT", path, {"status": "disabled", "disabled_reason": "rest"}, headers=NEW)
        self.call("PUT", path, {"status": "enabled"}, headers=NEW)
        self.call("PUT", path, {"forced_down": True}, headers=NEW)
        self.call("PUT", path, {"forced_down": False}, headers=NEW)

    # Network

    def networks(self) -> None:
        for name in ("golden", "spare"):
            network = self.make(f"{NETWORK}/networks", "network", name=name)["id"]
            self.call("PUT", f"{NETWORK}/networks/{network}", {"network": {"description": "a network"}})
            number = len(name)
            for nth in range(2):
                body = {"network_id": network, "cidr": f"10.{number}.{nth}.0/24", "ip_version": 4}
                subnet = self.make(f"{NETWORK}/subnets", "subnet", **body)["id"]
            self.call("PUT", f"{NETWORK}/subnets/{subnet}", {"subnet": {"name": "renamed"}})
            fixed = [{"subnet_id": subnet}]
            port = self.make(f"{NETWORK}/ports", "port", network_id=network, fixed_ips=fixed)["id"]
            self.call("PUT", f"{NETWORK}/ports/{port}", {"port": {"name": "renamed"}})
            group = self.make(f"{NETWORK}/security-groups", "security_group", name=name)["id"]
            self.call("PUT", f"{NETWORK}/security-groups/{group}", {"security_group": {"description": "a group"}})
            rules = []
            for number in (22, 80):
                body = {"security_group_id": group, "direction": "ingress", "protocol": "tcp", "ethertype": "IPv4"}
                body |= {"port_range_min": number, "port_range_max": number}
                rules.append(self.make(f"{NETWORK}/security-group-rules", "security_group_rule", **body)["id"])
            self.call("DELETE", f"{NETWORK}/security-group-rules/{rules[1]}")
            for kind, id in (("networks", network), ("subnets", subnet), ("ports", port), ("security-groups", group)):
                self.call("PUT", f"{NETWORK}/{kind}/{id}/tags", {"tags": ["blue", name]})
        refused = self.http.delete(f"{NETWORK}/networks/{network}")
        assert refused.status_code == 409, refused.text
        refused = self.http.delete(f"{NETWORK}/subnets/{subnet}")
        assert refused.status_code == 409, refused.text
        self.call("DELETE", f"{NETWORK}/ports/{port}")
        self.call("DELETE", f"{NETWORK}/subnets/{subnet}")
        self.call("DELETE", f"{NETWORK}/networks/{network}")
        self.call("DELETE", f"{NETWORK}/security-groups/{group}")
