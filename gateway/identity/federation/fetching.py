"""Asking an identity provider, at URLs that the operator's settings lead to and nobody else's.

No redirect is followed, no proxy of the environment is used, an answer is bounded in size and time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

LARGEST = 1 << 19  # bytes of an answer


class Unreachable(Exception):
    """The provider does not answer, or not with what it should."""


async def fetch(
    url: str,
    timeout: float,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object at a URL: by GET, or by POST of a form. Raises Unreachable."""
    sent = {"Accept": "application/json", **(headers or {})}
    try:
        async with (
            httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False, verify=True) as client,
            client.stream("POST" if form else "GET", url, data=form, headers=sent, auth=auth) as answer,
        ):
            data = b""
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > LARGEST:
                    raise Unreachable(f"{url} answers more than {LARGEST} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as fault:
        raise Unreachable(f"{url}: {fault or type(fault).__name__}") from fault
    if answer.status_code != 200:
        raise Unreachable(f"{url} answers {answer.status_code}")
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as fault:
        raise Unreachable(f"{url} answers what is no JSON object") from fault
