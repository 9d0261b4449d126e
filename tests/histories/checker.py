"""Is a history linearizable? Each resource is a register: it is made, changed, deleted and shown.

A history is linearizable if every operation can be thought to have happened at one moment between its call and its
answer, so that each answer is what those before it led to. An operation whose answer never came, or said that nobody
knows, may have happened at any moment after its call, or never.
Source: Wing and Gong, "Testing and Verifying Concurrent Objects", 1993; Lowe, "Testing for Linearizability", 2017: what
was tried is remembered by the set of operations and the register's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Kind = Literal["create", "update", "write", "delete", "show"]
NEVER = float("inf")


class Operation(NamedTuple):
    """What one client did to one resource, and what it was told."""

    kind: Kind  # `write`: an update that makes what is not there; of None, a deletion that may be repeated
    value: str | None  # what was written, or shown; None: there is no such resource
    done: bool  # False: a write that was refused because there is no such resource
    call: float
    answer: float  # NEVER: not known whether it was done
    by: str = ""  # whoever answered: for the reader of a report

    @property
    def sure(self) -> bool:
        return self.answer != NEVER

    @property
    def is_write(self) -> bool:
        """Whether it has changed the register for certain."""
        return self.sure and self.done and self.kind != "show"


def step(operation: Operation, value: str | None) -> tuple[bool, str | None]:
    """Whether a register that has `value` answers so, and what it has then."""
    match operation.kind:
        case "show":
            return operation.value == value, value
        case "create":
            possible, after = value is None, operation.value
        case "update":
            possible, after = value is not None, operation.value
        case "delete":
            possible, after = value is not None, None
        case "write":
            return not operation.sure or operation.done or value is None, operation.value if operation.done else value
    if not operation.sure:
        return True, after if possible else value
    return possible == operation.done, after if possible and operation.done else value


def violation(history: Iterable[Operation], first: str | None = None) -> str | None:
    """Why the history of one resource, whose value was `first`, is not linearizable; None if it is."""
    operations = sorted(history, key=lambda one: one.call)
    wanted = sum(1 << i for i, one in enumerate(operations) if one.sure)
    tried: set[tuple[int, str | None]] = set()
    open_: list[tuple[int, str | None]] = [(0, first)]
    best = 0
    while open_:
        done, value = open_.pop()
        if done & wanted == wanted:
            return None
        best = max(best, done & wanted, key=int.bit_count)
        for i in _next(operations, done):
            possible, after = step(operations[i], value)
            state = (done | 1 << i, after)
            if possible and state not in tried:
                tried.add(state)
                open_.append(state)
    return _told(operations, best)


def _next(operations: Sequence[Operation], done: int) -> list[int]:
    """The operations that may have happened next: called before any that is left was answered."""
    found, earliest = [], NEVER
    for i, one in enumerate(operations):
        if done >> i & 1:
            continue
        if one.call > earliest:
            break
        found.append(i)
        earliest = min(earliest, one.answer)
    return [i for i in found if operations[i].call <= earliest]


def _told(operations: Sequence[Operation], best: int) -> str:
    """The operations about the place at which no order was found any more."""
    left = [i for i, one in enumerate(operations) if one.sure and not best >> i & 1]
    first = min(operations[i].call for i in left)
    last = min(operations[i].answer for i in left)
    about = [one for one in operations if one.answer >= first - 0.5 and one.call <= last + 0.1]
    lines = [
        f"{one.call:.4f} {one.answer:.4f} {one.by} {one.kind} {one.value} {'done' if one.done else 'no such'}"
        for one in about
    ]
    return f"{len(left)} of {len(operations)} operations find no place:\n" + "\n".join(lines[:40])
