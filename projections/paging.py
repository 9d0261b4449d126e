"""Filters, order and pages as OpenStack means them, and what they are over states of the fold.

`wide.py` answers the same over the tables.

None comes first in ascending order and last in descending, as with the databases under OpenStack. A comparison with a
field that is None is false. No sort keys: the order of creation; with some, the marker's field is the last of them, so
that no two stand in the same place. `reverse` asks for the page before the marker (or the last), in the order given.
Source: API SIG guidelines, "Pagination, Filtering, and Sorting"; Networking API reference, "Pagination".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from msgspec import Struct

from events.fold import Known

T = TypeVar("T")

Direction = Literal["asc", "desc"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in", "like"]
Missing = Callable[[str], Exception]  # what to raise if nothing has the marker
Value = Callable[[Any, str], Any]  # what an item has under a name


class Filter(Struct, frozen=True):
    """A field compared with a value; `in` with several, `like` with a pattern of `%`, `_` and `\\` before either."""

    field: str
    operator: Operator
    value: Any


class Page(Struct, frozen=True, kw_only=True):
    """Which part of a list, in which order."""

    limit: int | None = None
    marker: str | None = None  # of the item before the page; with `reverse`, of the one after it
    sort: tuple[tuple[str, Direction], ...] = ()
    reverse: bool = False
    name: str = "id"  # the field that a marker is a value of


class Cut(NamedTuple, Generic[T]):
    """A page."""

    items: list[T]
    previous: bool  # whether there are items before it
    next: bool


def sort_keys(page: Page) -> tuple[tuple[str, Direction], ...]:
    """The keys that put every item in a place of its own; none for the order of creation."""
    if not page.sort or page.name in (key for key, _ in page.sort):
        return page.sort
    return (*page.sort, (page.name, page.sort[-1][1]))


def value(item: Any, field: str) -> Any:
    """A field of a state, or of what is known of a resource: its times and its state's fields."""
    if isinstance(item, Known):
        return getattr(item, field) if field in ("created_at", "updated_at") else getattr(item.state, field)
    return getattr(item, field)


@lru_cache(maxsize=256)
def _pattern(like: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|.", like, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    return re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts) + r"\Z", re.DOTALL)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda found, values: found in values,
    "not in": lambda found, values: found not in values,
    "like": lambda found, pattern: _pattern(pattern).match(found) is not None,
}


def matches(item: Any, filters: Iterable[Filter]) -> bool:
    """Whether all filters hold."""
    for one in filters:
        found = value(item, one.field)
        if one.value is None:
            holds = (found is None) == (one.operator == "=")
        else:
            holds = found is not None and _COMPARE[one.operator](found, one.value)
        if not holds:
            return False
    return True


def cut(
    items: Iterable[T],
    page: Page,
    missing: Missing | None = None,
    find: Callable[[str], T | None] | None = None,
    of: Value = value,
) -> Cut[T]:
    """The page of `items`, which are filtered already and in the order of creation.

    Raises what `missing` makes of a marker that nothing has, or gives an empty page. `find` finds a marker's item that
    the filters have passed over, `of` what an item has under a sort key.
    """
    keys = sort_keys(page)
    ordered = list(items)
    for key, direction in reversed(keys):
        ordered.sort(key=lambda item: _place(of(item, key)), reverse=direction == "desc")
    first, last = 0, len(ordered)
    if page.marker is not None:
        at = _position(ordered, page, keys, find, of)
        if at is None:
            if missing is not None:
                raise missing(page.marker)
            return Cut([], False, False)
        first, last = (0, at[0]) if page.reverse else (at[1], last)
    if page.limit is not None:
        first, last = (max(first, last - page.limit), last) if page.reverse else (first, min(last, first + page.limit))
    return Cut(ordered[first:last], first > 0, last < len(ordered))


def _place(found: Any) -> tuple[bool, Any]:
    return found is not None, found


def _position(
    ordered: list[T],
    page: Page,
    keys: Sequence[tuple[str, Direction]],
    find: Callable[[str], T | None] | None,
    of: Value,
) -> tuple[int, int] | None:
    """How many stand before the marker's item, and how many up to and with it."""
    assert page.marker is not None
    for number, item in enumerate(ordered):
        if of(item, page.name) == page.marker:
            return number, number + 1
    marked = find(page.marker) if find else None
    if marked is None or not keys:
        return None
    before = sum(_is_before(item, marked, keys, of) for item in ordered)
    return before, before


def _is_before(one: Any, other: Any, keys: Sequence[tuple[str, Direction]], of: Value) -> bool:
    for key, direction in keys:
        mine, others = _place(of(one, key)), _place(of(other, key))
        if mine != others:
            return (mine < others) == (direction == "asc")
    return False
