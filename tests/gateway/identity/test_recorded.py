"""What the real service answered, step by step: `recorded/*.jsonl`, of release 2026.2.

In answers `${id}`, `${time}` and `${secret}` stand for what differs each time. Where there is
none the status alone counts.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.identity.people import PASSWORD, people
from tests.steps import Names, Step, keep, request

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.jsonl"))
HOST = "http://cloud.test"
DECODER = msgspec.json.Decoder(Step)


def plain(text: str, names: Names) -> Any:
    """An answer as the recording has it."""
    for name, value in sorted(names.items(), key=lambda pair: -len(pair[1])):
        if name != "password" and len(value) >= 8:
            text = text.replace(value, f"${{{name}}}")
    text = re.sub(r'"secret": ?"[^"]{20,}"', '"secret": "${secret}"', text.replace(HOST, "${base}"))
    text = re.sub(r"(?<![0-9a-zA-Z])(?:[0-9a-f]{32}){1,2}(?![0-9a-zA-Z])", "${id}", text)
    return ordered(json.loads(re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z?", "${time}", text)))


def ordered(value: Any) -> Any:
    """A document in which the order of lists does not count."""
    if isinstance(value, list):
        return sorted(map(ordered, value), key=lambda one: json.dumps(one, sort_keys=True))
    return {name: ordered(one) for name, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("recording", RECORDED, ids=lambda path: path.stem)
async def test_the_answers_are_those_of_the_real_service(recording: Path, tmp_path: Path) -> None:
    async with people(tmp_path) as them:
        http = them.world.http
        me = (await them.call("GET", "/auth/tokens", X_Subject_Token=them.admin)).json()["token"]
        names = {"run": "0a1b2c3d", "user": me["user"]["id"], "project": me["project"]["id"], "password": PASSWORD}
        wrong: list[Any] = []
        for step in map(DECODER.decode, recording.read_bytes().splitlines()):
            answer = await http.send(request(http, step, names, them.admin))
            if answer.status_code != step.status:
                wrong.append((step.name, answer.status_code, step.status, answer.text[:300]))
                continue
            keep(answer, step, names)
            if step.answer is not None and plain(answer.text, names) != ordered(step.answer):
                wrong.append((step.name, plain(answer.text, names), step.answer))
        assert wrong == []
