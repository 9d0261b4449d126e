"""What watching costs: one process answers the same request bare, counted and limited, with an access log, and traced.

`python -m benchmarks.watching`: the least processor time of a request through the whole gateway in memory, without the
parser of HTTP. Ratios count; the rounds take turns, so that whatever else the machine does hits all alike.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from events import logs, tracing
from events.settings import Log, Tracing
from gateway.entrance import Entrance
from tests.worlds import world

ROUNDS = 20
REQUESTS = 300


def scope() -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/network/v2.0/networks",
        "raw_path": b"/network/v2.0/networks",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"cloud.test"), (b"x-auth-token", b"admin")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


async def seconds(app: ASGIApp) -> float:
    """Of one request."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        pass

    began = time.process_time()
    for _ in range(REQUESTS):
        await app(scope(), receive, send)
    return (time.process_time() - began) / REQUESTS


def _log(access: bool) -> None:
    logs.configure(Log(access=access, format="json"), io.StringIO())


def _trace() -> None:
    tracing.start(Tracing(enabled=True, endpoint="http://127.0.0.1:9"), "benchmark")


async def main() -> None:
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # nobody takes the traces
    async with world() as cloud:
        entrance = Entrance(cloud.app, cloud.cloud.limits)
        ways: dict[str, tuple[ASGIApp, Callable[[], Any], Callable[[], Any]]] = {
            "bare": (cloud.app, lambda: _log(False), lambda: None),
            "counted and limited": (entrance, lambda: _log(False), lambda: None),
            "with an access log": (entrance, lambda: _log(True), lambda: _log(False)),
            "traced": (entrance, _trace, lambda: None),
        }
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, (app, before, after) in ways.items():
                before()
                took[name].append(await seconds(app))
                after()
                tracing._tracer = None
    bare = min(took["bare"])
    for name, one in took.items():
        typical = min(one)
        print(f"{name:22} {typical * 1e6:7.1f} us  {typical / bare:5.2f}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
