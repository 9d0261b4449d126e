"""Several at once: all of them are made, or none. Source: Networking API reference, "Bulk operations"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from gateway.network.documents import Document, Resource

S = TypeVar("S")
W = TypeVar("W")


async def all_or_none(
    wishes: Iterable[W], make: Callable[[W], Awaitable[S]], take_back: Callable[[S], Awaitable[None]]
) -> list[S]:
    """What is made of each wish. Raises what `make` raises, once all that was made before it is taken back."""
    made: list[S] = []
    try:
        for wish in wishes:
            made.append(await make(wish))
    except BaseException:  # also if the request is given up
        for one in made:
            await take_back(one)
        raise
    return made


def told(resource: Resource, views: list[Document], many: bool) -> Document:
    """The answer to who asked for several in a list, or for one."""
    return {resource.plural: views} if many else {resource.name: views[0]}
