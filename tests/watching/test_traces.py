"""One request is one trace: HTTP, commits, handlers, the host's agent, and back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from events import tracing
from tests.watching.conftest import PARENT, Seen
from tests.watching.receiver import Span

SERVER = 2  # the kind of a span that answers a request


def tree(seen: Seen) -> dict[str, Span]:
    return {span.id: span for span in seen.receiver.of(PARENT)}


def test_a_server_is_one_connected_tree_below_its_clients_span(seen: Seen) -> None:
    spans = tree(seen)
    roots = [span for span in spans.values() if span.parent not in spans]
    assert [(root.name, root.parent) for root in roots] == [("POST /v2.1/servers", "b7ad6b7169203331")]
    assert roots[0].kind == SERVER


def test_it_holds_http_commits_handlers_orders_agent_and_report(seen: Seen) -> None:
    spans = tree(seen)
    names = {span.name for span in spans.values()}
    wanted = {
        "POST /v2.1/servers",
        "execute RequestServer",
        "append",
        "wish compute.server",
        "execute PlaceServer",
        "order server",
        "create",
        "say running",
        "report running",
        "execute ReportServer",
    }
    assert not wanted - names

    def above(name: str) -> str:
        span = next(span for span in spans.values() if span.name == name)
        return spans[span.parent].name

    assert above("execute RequestServer") == "POST /v2.1/servers"
    assert above("execute PlaceServer") == "wish compute.server"
    assert above("report running") == "say running"
    assert above("execute ReportServer") == "report running"
    assert {spans[span.parent].name.split()[0] for span in spans.values() if span.name == "append"} == {"execute"}


def test_a_span_says_which_request_and_which_host(seen: Seen) -> None:
    spans = list(tree(seen).values())
    root = next(span for span in spans if span.kind == SERVER)
    assert root.attributes["http.response.status_code"] == 202
    assert root.attributes["http.route"] == "/v2.1/servers"
    assert root.attributes["cumulog.request"] == seen.request
    step = next(span for span in spans if span.name == "create")
    assert step.attributes["cumulog.host"].startswith("host-")
    assert step.attributes["cumulog.id"] == seen.server


def test_each_request_without_a_trace_begins_one(seen: Seen) -> None:
    spans = [span for span in seen.receiver.spans if span.name == "GET /v2.1/servers/{id}"]
    assert len({span.trace for span in spans}) == len(spans) > 0


def test_without_tracing_nothing_of_it_is_imported(tmp_path: Path) -> None:
    found = "sorted(m for m in sys.modules if m.startswith(('opentelemetry', 'requests')))"
    check = f"import gateway.composition.up, sys; print({found})"
    told = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, env=os.environ)
    assert told.stdout == "[]\n"


def test_what_is_off_does_nothing() -> None:
    assert not tracing.is_on()
    assert tracing.current() is None
    with tracing.span("one"), tracing.inside("two"), tracing.below("three", "00-1-2-01"):
        assert tracing.current() is None
