"""Collections: filtered by what the query names, in pages if it asks for them, with the links that lead on.

Source: Identity API reference, "Filtering and paging": `name=`, `name__contains=` and its like, `limit`, `marker`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from heapq import nsmallest
from operator import attrgetter
from typing import Any, TypeVar

from events.decider import Decider
from events.envelope import State
from events.refusals import Invalid, NotFound
from gateway.identity.shapes import SWITCH_VALUES, Shape
from gateway.links import with_query
from gateway.serving import Call

S = TypeVar("S", bound=State)
T = TypeVar("T")

_ID = attrgetter("id")

Getters = Mapping[str, Callable[[Any], Any]]

OFF = ("0", "false", "n", "no", "off")
_SWITCHES = ("enabled", "is_domain")

_INEXACT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, wanted: wanted in text,
    "icontains": lambda text, wanted: wanted.lower() in text.lower(),
    "startswith": lambda text, wanted: text.startswith(wanted),
    "istartswith": lambda text, wanted: text.lower().startswith(wanted.lower()),
    "endswith": lambda text, wanted: text.endswith(wanted),
    "iendswith": lambda text, wanted: text.lower().endswith(wanted.lower()),
}


def flag(call: Call, name: str) -> bool:
    """Whether a query names a switch, and not to turn it off."""
    value = call.request.query_params.get(name)
    return value is not None and value.lower() not in OFF


def asked(call: Call, name: str) -> str | None:
    return call.request.query_params.get(name)


def guard_filters(call: Call, shapes: Mapping[str, Shape], names: Iterable[str]) -> None:
    """Raises Invalid for filters whose values no resource can have."""
    for name in names:
        value = asked(call, name)
        if value is not None:
            shapes[name].guard(name, value)


def candidates(call: Call, resource: Decider[S, Any, Any], indexes: Mapping[str, str]) -> list[S]:
    """As few as the index of the first filter gives that the query names; all if it names none of these."""
    for name, index in indexes.items():
        value = asked(call, name)
        if value is not None:
            return call.fold.by(resource, index, value)
    return call.fold.all(resource)


def filtered(call: Call, states: Iterable[T], getters: Getters) -> list[T]:
    """Those of `states` that fit every filter of the query; what is no filter is overlooked. Raises Invalid."""
    tests: list[Callable[[T], bool]] = []
    for key, wanted in call.request.query_params.multi_items():
        attribute, _, how = key.partition("__")
        getter = getters.get(attribute)
        if getter is None or (how and how not in _INEXACT):
            continue
        if attribute in _SWITCHES and not how and wanted not in SWITCH_VALUES:
            values = ", ".join(map(repr, SWITCH_VALUES))
            raise Invalid(
                f"Invalid input for field/attribute {key}. Value: {wanted}. {wanted!r} is not one of [{values}]"
            )
        tests.append(_test(getter, how, wanted))
    found = list(states)
    for test in tests:
        found = [state for state in found if test(state)]
    return found


def _test(getter: Callable[[Any], Any], how: str, wanted: str) -> Callable[[Any], bool]:
    if how:
        fits = _INEXACT[how]
        return lambda state: fits(str(getter(state) or ""), wanted)

    def same(state: Any) -> bool:
        value = getter(state)
        if isinstance(value, bool):
            return value is (wanted.lower() not in OFF)
        return bool(value == wanted or (value is None and wanted in ("", "None", "null")))

    return same


def self_link(call: Call) -> str:
    url = call.request.url
    return f"{call.base}{url.path}" + (f"?{url.query}" if url.query else "")


def links(call: Call, following: str | None = None) -> dict[str, str | None]:
    """The links of a list."""
    return {"next": following, "self": self_link(call), "previous": None}


def page(call: Call, states: list[Any]) -> tuple[list[Any], str | None]:
    """The part of a list that the query asks for, and the link to the next one. Raises Invalid, NotFound."""
    limit, marker = asked(call, "limit"), asked(call, "marker")
    if limit is None and marker is None:
        return states, None
    if marker is not None:
        if not any(state.id == marker for state in states):
            raise NotFound(f"Marker {marker} could not be found.")
        states = [state for state in states if state.id > marker]
    if limit is None or limit == "0":
        return sorted(states, key=_ID), None
    if not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        raise Invalid(f"Invalid input for field/attribute limit. Value: {limit}. {limit!r} is not of type 'integer'")
    size = int(limit)
    if len(states) < size:  # a page that is full has a next one, which may be empty
        return sorted(states, key=_ID), None
    cut = nsmallest(size, states, key=_ID)  # of many, a few: the others need no order
    url = call.request.url
    return cut, with_query(f"{call.base}{url.path}", url.query, marker=cut[-1].id)


def collection(call: Call, name: str, states: Iterable[T], view: Callable[[T], Any]) -> dict[str, Any]:
    """The answer that shows a list."""
    shown, following = page(call, list(states))
    answer: dict[str, Any] = {name: [view(state) for state in shown], "links": links(call, following)}
    if following is not None:
        answer["truncated"] = True
    return answer
