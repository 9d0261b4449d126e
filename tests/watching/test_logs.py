"""The log: a line is an object that says which request, whose, and which part; and nothing that is secret."""

from __future__ import annotations

import io
import logging
from base64 import b64encode

import msgspec
import pytest

from events import logs
from events.settings import Log
from tests.watching.conftest import SECRETS, Seen


def test_every_line_is_an_object_with_time_level_and_part(seen: Seen) -> None:
    for line in seen.lines:
        assert {"at", "level", "logger", "message", "part"} <= set(line), line


def test_a_request_can_be_followed_through_gateway_handlers_and_agent(seen: Seen) -> None:
    of_request = [line for line in seen.lines if line.get("request") == seen.request]
    assert {"gateway", "agent"} <= {line["part"] for line in of_request}
    access = next(line for line in of_request if line["logger"] == "cumulog.access")
    assert access["message"].startswith("POST /compute/v2.1/servers 202 ")
    assert access["project"] == seen.project
    step = next(line for line in of_request if line["message"].startswith("create "))
    assert step["host"].startswith("host-")
    assert step["project"] == seen.project


@pytest.mark.parametrize("name", list(SECRETS))
def test_no_secret_is_in_the_log_or_in_a_trace(seen: Seen, name: str) -> None:
    told = seen.text + repr(seen.receiver.spans)
    assert SECRETS[name] not in told
    assert b64encode(SECRETS[name].encode()).decode() not in told


def test_no_token_is_in_the_log_or_in_a_trace(seen: Seen) -> None:
    assert len(seen.token) > 50
    assert seen.token not in seen.text + repr(seen.receiver.spans)


def test_text_names_what_a_line_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    for form, wanted in (("text", "[gateway req-1 p1]"), ("json", '"request":"req-1","project":"p1"')):
        said = io.StringIO()
        logs.configure(msgspec.convert({"format": form}, Log), said)
        logs.about(part="gateway", request="req-1", project="p1")
        logging.getLogger("cumulog.some").warning("it is so")
        assert "it is so" in said.getvalue()
        assert wanted in said.getvalue()
