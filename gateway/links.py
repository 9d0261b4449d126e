"""Links in answers: where a resource is, where the next page is."""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct


class Link(Struct, frozen=True, gc=False):
    rel: Literal["self", "bookmark", "describedby", "next", "previous"]
    href: str


def with_query(url: str, query: str, **changed: str | None) -> str:
    """`url` with the query string `query`, where `changed` keys are replaced, and taken out if None."""
    pairs = [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key not in changed]
    pairs += [(key, value) for key, value in changed.items() if value is not None]
    return f"{url}?{urlencode(pairs)}" if pairs else url
