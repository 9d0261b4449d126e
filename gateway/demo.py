"""What a first visitor needs: flavors, an image, a project with a user, a network, a key.

Idempotent: what is there already is left as it is. It speaks the cloud's own HTTP, in a thread, as any
client would.
"""

from __future__ import annotations

import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FLAVORS = (  # id, name, MiB, vcpus, GiB
    ("42", "m1.nano", 128, 1, 1),
    ("84", "m1.micro", 192, 1, 1),
    ("1", "m1.tiny", 512, 1, 1),
    ("2", "m1.small", 2048, 1, 20),
    ("3", "m1.medium", 4096, 2, 40),
    ("4", "m1.large", 8192, 4, 80),
)


def guest_image(environment: Mapping[str, str]) -> Path:
    """Where `make guest` leaves the small guest image."""
    cache = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/root")) / ".cache"
    return Path(cache) / "cumulog" / "guest.qcow2"


class Client:
    """A user of a cloud."""

    def __init__(self, url: str, user: str, password: str, project: str) -> None:
        self.url = url
        self._token: str | None = None
        who = {"name": user, "domain": {"id": "default"}, "password": password}
        identity = {"methods": ["password"], "password": {"user": who}}
        scope = {"project": {"name": project, "domain": {"id": "default"}}}
        answer, headers = self._send(
            "POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}}
        )
        self._token = headers["X-Subject-Token"]
        self.project: str = answer["token"]["project"]["id"]

    def _send(self, method: str, path: str, body: Any, headers: Mapping[str, str] = {}) -> tuple[Any, Any]:
        data = body if body is None or hasattr(body, "read") else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("X-Auth-Token", self._token)
        for name, value in headers.items():
            request.add_header(name, value)
        with urllib.request.urlopen(request, timeout=300) as answer:
            text = answer.read()
            return (json.loads(text) if text else None), answer.headers

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON. Raises urllib.error.HTTPError."""
        return self._send(method, path, body, headers)[0]

    def first(self, path: str, collection: str, **body: Any) -> Any:
        """The resource of `body`'s name in a collection, made if there is none."""
        one = collection.rstrip("s")
        name = body["name"]
        found = self.call("GET", f"{path}?name={name}")[collection]
        return found[0] if found else self.call("POST", path, {one: body})[one]


def make(url: str, admin_password: str, state: Path, image: Path) -> dict[str, str]:
    """Make it all; the demo user's name, project and password. Raises urllib.error.HTTPError."""
    admin = Client(url, "admin", admin_password, "admin")
    _flavors(admin)
    password = _password(state)
    _user(admin, password)
    if image.exists():
        _image(admin, image)
    demo = Client(url, "demo", password, "demo")
    network = demo.first("/network/v2.0/networks", "networks", name="demo")
    demo.first(
        "/network/v2.0/subnets", "subnets", name="demo", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24"
    )
    _keypair(demo, state)
    return {"username": "demo", "project_name": "demo", "password": password}


def _password(state: Path) -> str:
    file = state / "keys" / "demo"
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        _private(file, secrets.token_urlsafe(16))
    return file.read_text()


def _private(file: Path, text: str) -> None:
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)


def _flavors(admin: Client) -> None:
    present = {flavor["id"] for flavor in admin.call("GET", "/compute/v2.1/flavors")["flavors"]}
    for id, name, ram, vcpus, disk in FLAVORS:
        if id not in present:
            body = {"id": id, "name": name, "ram": ram, "vcpus": vcpus, "disk": disk}
            admin.call("POST", "/compute/v2.1/flavors", {"flavor": body})


def _user(admin: Client, password: str) -> None:
    project = admin.first("/identity/v3/projects", "projects", name="demo", domain_id="default")
    user = admin.first("/identity/v3/users", "users", name="demo", domain_id="default", password=password)
    role = admin.call("GET", "/identity/v3/roles?name=member")["roles"][0]
    admin.call("PUT", f"/identity/v3/projects/{project['id']}/users/{user['id']}/roles/{role['id']}")


def _image(admin: Client, file: Path) -> None:
    found = admin.call("GET", "/image/v2/images?name=guest")["images"]
    if any(image["status"] == "active" for image in found):
        return
    body = {"name": "guest", "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}
    image = found[0] if found else admin.call("POST", "/image/v2/images", body)
    with file.open("rb") as data:
        size = str(file.stat().st_size)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": size}
        admin._send("PUT", f"/image/v2/images/{image['id']}/file", data, headers)


def _keypair(demo: Client, state: Path) -> None:
    try:
        made = demo.call("POST", "/compute/v2.1/os-keypairs", {"keypair": {"name": "demo"}})
    except urllib.error.HTTPError as fault:
        if fault.code != 409:
            raise
        return
    _private(state / "demo.pem", made["keypair"]["private_key"])
