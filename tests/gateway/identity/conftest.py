"""A real OpenID provider beside the cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gateway.identity.openid_provider import OpenIdProvider, openid_provider


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdProvider]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: OpenIdProvider) -> OpenIdProvider:
    """One that has not been asked anything yet."""
    running.opaque = False
    running.asked.clear()
    return running
