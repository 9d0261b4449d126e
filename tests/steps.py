"""Steps: requests one after the other, and what the real service, release 2026.2, answered to each.

A step keeps members of an answer under names (`keep`), by which later ones speak of them: `${u}` in paths, headers,
bodies and words.
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import msgspec
from msgspec import Struct

Names = dict[str, str]


class Step(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A request and its answer: `answer` is the whole document; else the words of an error, or a document's shape."""

    name: str
    method: str
    path: str
    body: Any = None
    token: str | None = None  # the admin's if not said; `-`: none
    headers: dict[str, str] = {}
    keep: dict[str, str] = {}  # name -> the way to a member, such as `limits.0.id`, or `header X-Subject-Token`
    status: int = 0
    message: str | None = None
    shape: Any = None
    answer: Any = None


def request(http: httpx.Client | httpx.AsyncClient, step: Step, names: Names, admin: str) -> httpx.Request:
    """What is to be sent; `admin` is the admin's token."""
    token = admin if step.token is None else filled(step.token, names)
    headers = {"Content-Type": "application/json", **filled(step.headers, names)}
    if token != "-":
        headers["X-Auth-Token"] = token
    content = None if step.body is None else msgspec.json.encode(filled(step.body, names))
    return httpx.Request(step.method, http.base_url.join(filled(step.path, names)), headers=headers, content=content)


def keep(answer: httpx.Response, step: Step, names: Names) -> None:
    """Have `names` hold from now on what the step keeps of its answer."""
    for name, way in step.keep.items():
        if answer.is_success:
            names[name] = _kept(answer, way)


def _kept(answer: httpx.Response, way: str) -> str:
    if way.startswith("header "):
        return str(answer.headers[way.removeprefix("header ")])
    found = answer.json()
    for part in way.split("."):
        found = found[int(part) if part.isdigit() else part]
    return str(found)


def filled(value: Any, names: Names) -> Any:
    """A value with the names in it replaced by what they stand for."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: names[found[1]], value)
    if isinstance(value, list):
        return [filled(one, names) for one in value]
    if isinstance(value, dict):
        return {filled(name, names): filled(one, names) for name, one in value.items()}
    return value
