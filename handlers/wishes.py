"""What a plan asks for."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from events.envelope import Command


class Wish(Struct, frozen=True):
    """A command that a plan asks for."""

    resource: Any
    command: Command
