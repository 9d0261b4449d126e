"""What a plan yields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from events.decider import Steps
from events.envelope import Command
from events.refusals import Refusal


class Wish(Struct, frozen=True):
    """A command that a plan asks for."""

    resource: Any
    command: Command
    request: str | None = None  # that it follows from


class Wishes(Struct, frozen=True, kw_only=True):
    """Commands that belong together: done in order, undone together if one is refused."""

    about: str  # the id of the resource they serve: while they run, no more are started about it
    steps: Steps  # may be worked out one by one: what a step did is in the fold when the next is asked for
    request: str | None = None  # that they follow from
    secrets: tuple[str, ...] = ()  # entries of the vault that are deleted before the first step
    otherwise: Callable[[Refusal], Wishes | None] | None = None  # what to do if they are refused; None: plan again
