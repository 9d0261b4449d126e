"""Refusals as HTTP, in each service's own error format: the only place that knows both.

Sources: the "Faults" and "Errors" sections of each service's API guide.
"""

from __future__ import annotations

import html
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from msgspec import Struct

from events import refusals
from events.refusals import Refusal

log = logging.getLogger("cumulog.gateway")

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
    refusals.HeadTooLarge: 431,
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


_TITLES = {413: "Request Entity Too Large", 416: "Request Range Not Satisfiable"}  # Python's change with its version


def title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


_MALFORMED = (
    "Expecting to find {} in {}. The server could not comply with the request since it is either malformed or "
    "otherwise incorrect. The client is assumed to be in error."
)

_NO_SUCH_PAGE = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not "
    "found on the server. If you entered the URL manually please check your spelling and try again.</p>\n"
)


def identity(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    if isinstance(refusal, refusals.UnsupportedMedia):
        message = _MALFORMED.format("application/json", "Content-Type header")
    elif refusal is not None and refusal.kind == "malformed":
        message = _MALFORMED.format("valid JSON", "request body")
    elif isinstance(refusal, refusals.Forbidden) and message.startswith("Policy doesn't allow "):
        operation = message.removeprefix("Policy doesn't allow ").removesuffix(" to be performed.")
        message = f"You are not authorized to perform the requested action: {operation}."
    elif isinstance(refusal, refusals.MethodNotAllowed):
        return _json({"message": "The method is not allowed for the requested URL."})
    elif isinstance(refusal, refusals.NotFound) and message == "The resource could not be found.":
        return _NO_SUCH_PAGE.encode(), "text/html; charset=utf-8"
    elif isinstance(refusal, refusals.CannotAuthenticate):
        known = {"methods": refusal.methods} if refusal.methods else {}
        return _json({"error": {"code": status, "identity": known, "message": message, "title": title(status)}})
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
    told: dict[str, Any] = {"code": status, "message": message}
    if isinstance(refusal, refusals.TooMany) and status in (413, 429):
        told["retryAfter"] = str(refusal.retry_after)
    return _json({_COMPUTE.get(status, "computeFault"): told})


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


_IMAGE = {  # what is said before a refusal of kind `detail`
    403: "Access was denied to this resource.",
    409: "There was a conflict when trying to complete your request.",
    415: "The request media type {kind} is not supported by this server. ",
    416: "The Range requested is not available.",
}


_STRANGER = (
    "This server could not verify that you are authorized to access the document you requested. Either you supplied "
    "the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials "
    "required."
)


def _image_parts(status: int, message: str, refusal: Refusal | None) -> tuple[str, str]:
    if isinstance(refusal, refusals.Unauthenticated):
        return _STRANGER, ""
    kind = refusal.kind if refusal else None
    return (_IMAGE[status].format(kind=kind), message) if kind is not None and status in _IMAGE else (message, "")


def image(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    head = f"{status} {title(status)}"
    first, detail = (html.escape(part) for part in _image_parts(status, message, refusal))
    text = (
        f"<html>\n <head>\n  <title>{head}</title>\n </head>\n <body>\n  <h1>{head}</h1>\n"
        f"  {first}<br /><br />\n{detail}\n\n\n </body>\n</html>"
    )
    return text.encode(), "text/html; charset=UTF-8"


def image_plain(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    first, detail = _image_parts(status, message, refusal)
    return f"{status} {title(status)}\n\n{first}\n\n {detail}  ".encode(), "text/plain; charset=UTF-8"


def image_json(status: int, message: str, refusal: Refusal | None) -> tuple[bytes, str]:
    text = " ".join(_image_parts(status, message, refusal)).strip()
    return _json({"message": text, "code": f"{status} {title(status)}", "title": title(status)})


_IMAGES = (image, image_plain, image_json)


def image_for(accept: str) -> Format:
    """The format of image's errors that a caller with this `Accept` reads: pages, JSON, or plain text."""
    if "html" in accept or "*/*" in accept:
        return image
    return image_json if "json" in accept else image_plain


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
        if form not in _IMAGES:
            form = identity  # the same for every other service
    body, media_type = form(status, refusal.message, refusal)
    return Fault(status=status, body=body, media_type=media_type, headers=headers)


def mistake(error: Exception, form: Format, request: str) -> Fault:
    """Our own mistake: a 500 that tells the caller nothing but the request's id."""
    log.error("a request failed", exc_info=error)
    body, media_type = form(500, f"An unexpected error prevented the server from fulfilling {request}.", None)
    return Fault(status=500, body=body, media_type=media_type)
