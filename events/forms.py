"""Forms: what a former version stored becomes what this one knows, before it is decoded.

A released event never changes its meaning; where it must be said otherwise, the new form is a new event, tagged
`ServerPlaced.2` if nothing but its form is new. The resource's module then declares how the old is said today:

    UPCASTERS = {"ServerPlaced": placed}      # tag of the older form -> the event in the next one, as plain data

A function takes the event as it is decoded from JSON and returns it in a newer form with that one's tag; forms are
climbed one by one. The stored bytes and the hashes over them stay. A module without a table costs nothing.

States that are kept (in an archive, in an epoch's first commits) have a form too: `STATE_FORM`, 1 if not declared,
stands beside them, and `STATE_UPCASTERS` has for each older form what makes a state of the next. Tables are made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Raw = dict[str, Any]
Upcaster = Callable[[Raw], Raw]
Reform = Callable[[bytes], bytes]


class UnknownForm(Exception):
    """What is stored is of a newer form than this version knows, or of one that nobody has said how to read."""


def upcasters(module: Any) -> Mapping[str, Upcaster]:
    """What a resource's module declares; none if it never had another form."""
    found: Mapping[str, Upcaster] = getattr(module, "UPCASTERS", {})
    return found


def reform(table: Mapping[str, Upcaster]) -> Reform:
    """What makes a commit as stored one of today's forms: the same bytes if nothing in it is older."""
    marks = [b'"type":' + msgspec.json.encode(tag) for tag in table]

    def today(data: bytes) -> bytes:
        if not any(mark in data for mark in marks):
            return data
        commit = msgspec.json.decode(data)
        commit["events"] = [_climb(event, table) for event in commit["events"]]
        return msgspec.json.encode(commit)

    return today


def _climb(event: Raw, table: Mapping[str, Upcaster]) -> Raw:
    climbed: set[str] = set()
    while (upcaster := table.get(event["type"])) is not None:
        if event["type"] in climbed:
            raise UnknownForm(f"the upcasters of {event['type']} go round in a circle")
        climbed.add(event["type"])
        event = upcaster(event)
    return event


def state_form(module: Any) -> int:
    """The form of the states that this version keeps."""
    form: int = getattr(module, "STATE_FORM", 1)
    return form


def state_today(module: Any, state: Raw, form: int = 1) -> Raw:
    """A kept state in today's form, as plain data. Raises UnknownForm."""
    table: Mapping[int, Upcaster] = getattr(module, "STATE_UPCASTERS", {})
    today = state_form(module)
    if form > today:
        raise UnknownForm(f"a state of {module.__name__} is of form {form}, newer than {today}")
    for older in range(form, today):
        if older not in table:
            raise UnknownForm(f"{module.__name__} does not say how a state of form {older} is read")
        state = table[older](state)
    return state
