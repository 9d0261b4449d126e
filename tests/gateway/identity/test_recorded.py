"""What the real service answered, step by step: `recorded/*.jsonl`, of release 2026.2.

A line is a request and its answer; `${name}` stands for what an earlier answer held (`keeps`), `${id}`, `${time}` and
`${secret}` for what differs each time. Where there is no answer the status alone counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.identity.people import PASSWORD, People, people

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.jsonl"))
HOST = "http://cloud.test"


class Names:
    """What stands for what."""

    def __init__(self, run: str, **known: str) -> None:
        self.known = {"run": run, **known}

    def fill(self, value: Any) -> Any:
        """A part of a request with the values in their places."""
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)\}", lambda match: self.known[match[1]], value)
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        return {self.fill(name): self.fill(one) for name, one in value.items()} if isinstance(value, dict) else value

    def plain(self, text: str) -> Any:
        """An answer as the recording has it."""
        for name, value in sorted(self.known.items(), key=lambda pair: -len(pair[1])):
            if name != "password" and len(value) >= 8:
                text = text.replace(value, f"${{{name}}}")
        text = re.sub(r'"secret": ?"[^"]{20,}"', '"secret": "${secret}"', text.replace(HOST, "${base}"))
        text = re.sub(r"(?<![0-9a-zA-Z])(?:[0-9a-f]{32}){1,2}(?![0-9a-zA-Z])", "${id}", text)
        return ordered(json.loads(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z?", "${time}", text)))

    def keep(self, answer: httpx.Response, keeps: dict[str, str]) -> None:
        for name, way in keeps.items():
            if way.startswith("header "):
                self.known[name] = answer.headers[way.removeprefix("header ")]
                continue
            found: Any = answer.json()
            for part in re.findall(r"[^.\[\]]+", way):
                found = found[int(part)] if part.isdigit() else found[part]
            self.known[name] = found


def ordered(value: Any) -> Any:
    """A document in which the order of lists does not count."""
    if isinstance(value, list):
        return sorted(map(ordered, value), key=lambda one: json.dumps(one, sort_keys=True))
    return {name: ordered(one) for name, one in value.items()} if isinstance(value, dict) else value


async def ask(them: People, names: Names, step: dict[str, Any]) -> httpx.Response:
    headers = {"X-Auth-Token": them.admin, **names.fill(step.get("headers", {}))}
    if headers["X-Auth-Token"] == "-":
        del headers["X-Auth-Token"]
    body = names.fill(step["body"]) if "body" in step else None
    return await them.world.http.request(step["method"], names.fill(step["path"]), json=body, headers=headers)


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
async def test_the_answers_are_those_of_the_real_service(recording: Path, tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        me = (await them.call("GET", "/auth/tokens", X_Subject_Token=them.admin)).json()["token"]
        names = Names("0a1b2c3d", user=me["user"]["id"], project=me["project"]["id"], password=PASSWORD)
        wrong: list[Any] = []
        for step in map(json.loads, recording.read_text().splitlines()):
            answer = await ask(them, names, step)
            if answer.status_code != step["status"]:
                wrong.append((step["step"], answer.status_code, step["status"], answer.text[:300]))
                continue
            names.keep(answer, step.get("keeps", {}))
            if "answer" in step and names.plain(answer.text) != ordered(step["answer"]):
                wrong.append((step["step"], names.plain(answer.text), step["answer"]))
        assert wrong == []
