"""Fixtures: a real S3-compatible server, and an empty bucket on it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from moto.server import ThreadedMotoServer

from events.ids import new_hex


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The URL of an S3-compatible server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a part of an empty bucket there."""
    words = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}
    for name, word in {**words, "AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}.items():
        monkeypatch.setenv(name, word)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"cold-{new_hex()}"
    assert httpx.put(f"{endpoint}/{name}").status_code == 200
    return f"s3://{name}/clouds/one"
