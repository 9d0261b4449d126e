"""Scenarios: requests one after the other, and what the real service, release 2026.2, answered to each.

A file is a list of steps. Recorded are the status, the words of an error, and the shape of any other document.

    python -m tests.contract.scenarios http://127.0.0.1:5000 PASSWORD FILE…     records the answers of another cloud
"""

from __future__ import annotations

from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx
import msgspec

from tests.steps import Names, Step, keep, request

HERE = Path(__file__).parent


def read(name: str) -> list[Step]:
    """The steps of a file of this folder."""
    return msgspec.json.decode((HERE / f"{name}.json").read_bytes(), type=list[Step])


def begin() -> Names:
    """The names that every scenario has: `run` differs each time."""
    return {"run": token_hex(4)}


def send(http: httpx.Client, step: Step, names: Names) -> httpx.Response:
    """The answer to a step; what it keeps is in `names` from then on."""
    answer = http.send(request(http, step, names, http.headers["X-Auth-Token"]))
    keep(answer, step, names)
    return answer


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
