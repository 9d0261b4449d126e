"""Bodies and queries as typed values, bounded; what does not fit is said in one sentence with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct
from starlette.requests import Request

from events.refusals import Invalid, TooLarge, UnsupportedMedia

T = TypeVar("T")

Explain = Callable[[str, bytes, Any], str]
"""From msgspec's sentence about a body of some type to the caller's."""

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_AT = re.compile(r" - at `(?P<place>.*)`\Z", re.DOTALL)


async def read(request: Request, limit: int) -> bytes:
    """The whole body, of at most `limit` bytes. Raises TooLarge."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"The request body is larger than {limit} bytes.")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"The request body is larger than {limit} bytes.")
        parts.append(part)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast(Any, kind))


def decode(data: bytes, kind: type[T], media_type: str, media_types: tuple[str, ...], explain: Explain) -> T:
    """A body of type `kind`; `explain` puts into words what is wrong with it. Raises Invalid, UnsupportedMedia."""
    essence = media_type.partition(";")[0].strip().lower()
    if essence and essence not in media_types:
        raise UnsupportedMedia(f"Unsupported Content-Type {essence}.")
    try:
        return cast(T, _decoder(cast(Hashable, kind)).decode(data))
    except msgspec.ValidationError as fault:
        try:  # the mistake may stand before what is no JSON at all
            words = explain(str(fault), data, kind)
        except _NOT_JSON as worse:
            raise _malformed() from worse
        raise Invalid(words) from fault
    except _NOT_JSON as fault:
        raise _malformed() from fault


def _malformed() -> Invalid:
    return Invalid("Malformed request body: it is not valid JSON.", kind="malformed")


def explain(text: str, data: bytes = b"", kind: Any = None) -> str:
    """msgspec's sentence as the caller's: ``Expected `str`, got `int` - at `$.server.name```."""
    match = _AT.search(text)
    reason, place = (text[: match.start()], match["place"].removeprefix("$").lstrip(".")) if match else (text, "")
    unknown = re.match(r"Object contains unknown field `(.*)`", reason)
    if unknown:
        return f"Additional properties are not allowed ('{unknown[1]}' was unexpected)"
    missing = re.match(r"Object missing required field `(.*)`", reason)
    if missing:
        return f"'{missing[1]}' is a required property"
    return f"Invalid input for field/attribute {place}. {reason}" if match else reason


def query(request: Request, kind: type[T]) -> T:
    """The query string as a Struct of type `kind`; a name given more than once fills a tuple. Raises Invalid."""
    given: dict[str, Any] = {}
    lists = _lists(cast(Hashable, kind))
    for name, value in request.query_params.multi_items():
        if name in lists:
            given.setdefault(name, []).append(value)
        else:
            given[name] = value
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as fault:
        raise Invalid(explain(str(fault))) from fault


@lru_cache(maxsize=1024)
def _lists(kind: Hashable) -> frozenset[str]:
    return frozenset(
        field.encode_name
        for field in msgspec.structs.fields(cast(type[Struct], kind))
        if "tuple" in str(field.type) or "list" in str(field.type)
    )
