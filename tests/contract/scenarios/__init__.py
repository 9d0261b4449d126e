"""Scenarios: requests one after the other, and what the real service, release 2026.2, answered to each.

A file is a list of steps. A step keeps members of an answer under names (`keep`), by which later ones speak of them:
`${u}` in paths, bodies and words. Recorded are the status, the words of an error, and the shape of any other document.

    python -m tests.contract.scenarios http://127.0.0.1:5000 PASSWORD FILE…     records the answers of another cloud
"""

from __future__ import annotations

import re
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import msgspec
from msgspec import Struct

HERE = Path(__file__).parent

Names = dict[str, str]


class Step(Struct, kw_only=True, omit_defaults=True):
    """A request and its answer."""

    name: str
    method: str
    path: str
    body: Any = None
    token: str | None = None  # the admin's if not said; `-`: none
    keep: dict[str, str] = {}  # name -> the way to a member, such as `limits.0.id`, or `header X-Subject-Token`
    status: int = 0
    message: str | None = None
    shape: Any = None


def read(name: str) -> list[Step]:
    """The steps of a file of this folder."""
    return msgspec.json.decode((HERE / f"{name}.json").read_bytes(), type=list[Step])


def begin() -> Names:
    """The names that every scenario has: `run` differs each time."""
    return {"run": token_hex(4)}


def send(http: httpx.Client, step: Step, names: Names) -> httpx.Response:
    """The answer to a step; what it keeps is in `names` from then on."""
    token = http.headers["X-Auth-Token"] if step.token is None else filled(step.token, names)
    headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token != "-" else {})}
    content = None if step.body is None else msgspec.json.encode(filled(step.body, names))
    bare = httpx.Request(step.method, http.base_url.join(filled(step.path, names)), headers=headers, content=content)
    answer = http.send(bare)
    for name, way in step.keep.items():
        if answer.is_success:
            names[name] = _kept(answer, way)
    return answer


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
        return {name: filled(one, names) for name, one in value.items()}
    return value


def message(answer: httpx.Response, names: Names) -> str | None:
    """The words of an error, with names instead of what they stand for."""
    found = _document(answer)
    if not isinstance(found, dict) or not isinstance(found.get("error"), dict):
        return None
    words = str(found["error"]["message"])
    for name, value in sorted(names.items(), key=lambda item: -len(item[1])):
        words = words.replace(value, "${" + name + "}")
    return words


def _document(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def shape(answer: httpx.Response) -> Any:
    """The keys and types of a document; the members of a list are taken together."""
    return _shape(_document(answer)) if answer.is_success else None


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in sorted(value.items())}
    if isinstance(value, list):
        shapes = [_shape(one) for one in value]
        merged: Any = shapes[0] if shapes else None
        for one in shapes[1:]:
            merged = _both(merged, one)
        return [merged] if shapes else []
    return type(value).__name__


def _both(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: _both(one.get(key), other.get(key)) for key in sorted(one.keys() | other.keys())}
    return other if one in (None, "NoneType") else one


def fits(found: Any, expected: Any) -> bool:
    """Whether two shapes are alike; null goes with everything."""
    if found in (None, "NoneType") or expected in (None, "NoneType"):
        return True
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(fits(found[key], expected[key]) for key in found)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(fits, found, expected))
    return bool(found == expected)
