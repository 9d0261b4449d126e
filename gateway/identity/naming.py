"""Creating and renaming what has a unique name: the claim first, then the thing, and the old claim back.

Source: DESIGN, "Hard cases, decided", 2.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from events.decider import Decider, Step
from events.envelope import Command
from events.identity import name as names
from events.identity.name import Release, Take
from gateway.serving import Call

PATIENCE = timedelta(minutes=1)  # how long a claim stands without what it is for

Name = tuple[str, ...]


def taking(call: Call, name: Name, holder: str, taken: str) -> Step:
    """The step that claims a name, and its undoing."""
    take = Take(id=name, holder=holder, until=call.cloud.clock.now() + PATIENCE, taken=taken)
    return Step(names, take, Release(id=name, holder=holder))


async def create(call: Call, resource: Decider[Any, Any, Any], command: Command, name: Name, taken: str) -> Any:
    """Create what is to have a name; its state. Raises Conflict with `taken` if another has it."""
    _, state = await call.do_all([taking(call, name, command.id, taken), Step(resource, command)])
    return state


async def change(
    call: Call, resource: Decider[Any, Any, Any], command: Command, old: Name, new: Name, taken: str
) -> Any:
    """Change what has a name and may get another; its state. Raises Conflict with `taken`."""
    if old == new:
        return await call.do(resource, command)
    _, state = await call.do_all([taking(call, new, command.id, taken), Step(resource, command)])
    await release(call, old, command.id)
    return state


async def release(call: Call, name: Name, holder: str) -> None:
    """Give a name back."""
    await call.cloud.execute(names, Release(id=name, holder=holder), call.origin)
