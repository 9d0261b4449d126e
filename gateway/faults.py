"""Refusals as HTTP, in each service's own error format: the only place that knows both.

Sources: the "Faults" and "Errors" sections of each service's API guide.
"""

from __future__ import annotations

import html
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from events import refusals
from events.refusals import Refusal

STATUS: dict[type[Refusal], int] = {
    refusals.Invalid: 400,
    refusals.Unauthenticated: 401,
    refusals.Forbidden: 403,
    refusals.NotFound: 404,
    refusals.MethodNotAllowed: 405,
    refusals.NotAcceptable: 406,
    refusals.Conflict: 409,
    refusals.Gone: 410,
    refusals.PreconditionFailed: 412,
    refusals.TooLarge: 413,
    refusals.UnsupportedMedia: 415,
    refusals.OverQuota: 403,
    refusals.TooMany: 429,
    refusals.NotImplementedHere: 501,
    refusals.Busy: 503,
    refusals.NoCapacity: 503,
}


class Fault(Struct, frozen=True, kw_only=True):
    """A refusal as an answer."""

    status: int
    body: bytes
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}


Format = Callable[[int, str, Refusal | None], tuple[bytes, str]]
"""From status, message and refusal to a body and its media type."""


def status_of(refusal: Refusal) -> int:
    for kind in type(refusal).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    raise AssertionError(f"{type(refusal).__name__} has no status")


def title(status: int) -> str:
    return HTTPStatus(status).phrase


def identity(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    return _json({"error": {"code": status, "message": message, "title": title(status)}})


_COMPUTE = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}


def compute(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    return _json({_COMPUTE.get(status, "computeFault"): {"code": status, "message": message}})


def network(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    kind = refusal.kind if refusal else None
    if isinstance(refusal, refusals.MethodNotAllowed):
        kind = None
        message = "The server could not comply with the request since it is either malformed or otherwise incorrect."
    elif isinstance(refusal, refusals.Forbidden) and kind is None:
        kind = "PolicyNotAuthorized"
        message = f"rule:{message.split()[3]} is disallowed by policy" if message.startswith("Policy") else message
    kind = kind or "HTTP" + title(status).replace(" ", "")
    return _json({"NeutronError": {"type": kind, "message": message, "detail": ""}})


def image(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    head = f"{status} {title(status)}"
    text = (
        f"<html>\n <head>\n  <title>{head}</title>\n </head>\n <body>\n  <h1>{head}</h1>\n"
        f"  {html.escape(message)}<br /><br />\n\n\n </body>\n</html>"
    )
    return text.encode(), "text/html; charset=UTF-8"


def _json(value: Any) -> tuple[bytes, str]:
    return msgspec.json.encode(value), "application/json"


def fault(refusal: Refusal, form: Format, *, statuses: Mapping[type[Refusal], int], identity_uri: str) -> Fault:
    """A refusal as the answer of a service that has `form`, with its own `statuses` where they differ."""
    status = statuses.get(type(refusal)) or status_of(refusal)
    headers: dict[str, str] = {}
    if isinstance(refusal, refusals.TooMany):
        headers["Retry-After"] = str(refusal.retry_after)
    if isinstance(refusal, refusals.Unauthenticated):
        headers["WWW-Authenticate"] = f'Keystone uri="{identity_uri}"'
        form = identity  # the same for every service
    body, media_type = form(status, refusal.message, refusal)
    return Fault(status=status, body=body, media_type=media_type, headers=headers)


def mistake(error: Exception, form: Format, request: str) -> Fault:
    """Our own mistake: a 500 that tells the caller nothing but the request's id."""
    traceback.print_exception(error)
    body, media_type = form(500, f"An unexpected error prevented the server from fulfilling {request}.", None)
    return Fault(status=500, body=body, media_type=media_type)
