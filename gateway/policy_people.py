"""Whose rights `cumulog policy check` is asked for: a user of a running cloud, or a token, found by its own API."""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from gateway.clouds import Clouds
from gateway.composition.directory import Directory
from gateway.tokens import Role, Token

NOW = datetime.now(UTC)


def find(options: argparse.Namespace, path: Path) -> Token:
    """What the token says, or what the user's would say. Raises SystemExit."""
    clouds = Clouds(Directory(path))
    url, password = clouds.url(), clouds.password("cumulog")
    if url is None or password is None:
        sys.exit(f"cumulog: {path} has no clouds.yaml: no cloud was ever up there")
    try:
        admin = _login(url, password)
        return _of_token(url, admin, options.token) if options.token else _of_user(url, admin, options)
    except urllib.error.HTTPError as fault:
        sys.exit(f"cumulog: {json.loads(fault.read())['error']['message']}")
    except urllib.error.URLError as fault:
        sys.exit(f"cumulog: {url} does not answer: {fault.reason}")


def _ask(url: str, path: str, headers: dict[str, str], body: Any = None) -> tuple[Any, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/identity/v3{path}", data, {**headers, "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read()), answer.headers


def _login(url: str, password: str) -> str:
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
    }
    return str(_ask(url, "/auth/tokens", {}, {"auth": auth})[1]["X-Subject-Token"])


def _of_token(url: str, admin: str, text: str) -> Token:
    found = _ask(url, "/auth/tokens?nocatalog=1", {"X-Auth-Token": admin, "X-Subject-Token": text})[0]["token"]
    user, project, domain = found["user"], found.get("project"), found.get("domain")
    kind = "project" if project else "domain" if domain else "system" if "system" in found else "unscoped"
    return _token(user, kind, project or {}, (domain or {}).get("id"), found.get("roles", []))


def _of_user(url: str, admin: str, options: argparse.Namespace) -> Token:
    headers = {"X-Auth-Token": admin}
    user = _named(url, headers, "users", options.user)
    asked = {"effective": "1", "include_names": "1", "user.id": user["id"]}
    if options.project:
        project = _named(url, headers, "projects", options.project)
        kind, domain, asked["scope.project.id"] = "project", None, project["id"]
    elif options.domain:
        project, kind = {}, "domain"
        domain = asked["scope.domain.id"] = _named(url, headers, "domains", options.domain)["id"]
    elif options.system:
        project, domain, kind, asked["scope.system"] = {}, None, "system", "all"
    else:
        return _token(user, "unscoped", {}, None, [])
    found = _ask(url, f"/role_assignments?{urlencode(asked)}", headers)[0]["role_assignments"]
    return _token(user, kind, project, domain, [one["role"] for one in found])


def _named(url: str, headers: dict[str, str], plural: str, name: str) -> Any:
    """A thing by its name, or else by its id. Raises SystemExit."""
    found = _ask(url, f"/{plural}?{urlencode({'name': name})}", headers)[0][plural]
    if len(found) > 1:
        sys.exit(f"cumulog: there are several {plural} of the name {name}: say the id")
    return found[0] if found else _ask(url, f"/{plural}/{name}", headers)[0][plural.removesuffix("s")]


def _token(user: Any, kind: Any, project: Any, domain: str | None, roles: list[Any]) -> Token:
    home = user.get("domain_id") or user.get("domain", {}).get("id")
    return Token(
        user=user["id"],
        user_name=user["name"],
        user_domain=home,
        scope=kind,
        project=project.get("id"),
        project_name=project.get("name"),
        project_domain=project.get("domain_id") or project.get("domain", {}).get("id"),
        domain=domain,
        roles=tuple(Role(role["id"], role["name"]) for role in roles),
        role_names=frozenset(role["name"] for role in roles),
        issued_at=NOW,
        expires_at=NOW,
    )
