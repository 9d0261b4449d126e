"""The model of unified limits: what one limit says about another, and who may change them at a time.

`flat`: each stands on its own. `strict_two_level`: no project's limit is above that of its domain, or above the
registered default if the domain has none; projects are at most two levels deep. Minus one is no bound, and above all.
These rules are of several resources, so that who changes limits of a kind holds a claim of that kind meanwhile.
Source: Identity API reference, "Unified limits"; Keystone's administrator guide, "Unified limits".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from math import inf

from events.fold import Fold
from events.identity import limit as limits
from events.identity import name as names
from events.identity import project as projects
from events.identity import registered_limit as registered
from events.identity.limit import Limit, LimitCreated
from events.identity.name import Release, Take
from events.refusals import Busy, Conflict, Forbidden
from gateway.serving import Call

PATIENCE = timedelta(minutes=2)  # after which a claim is taken from a gateway that died: longer than a request takes
ATTEMPTS, PAUSE = 40, 0.05  # seconds between two
LEVELS = 2  # of projects in the strict model

Kind = tuple[str, str, str]  # service, region, name of the resource

WORDS = {
    "flat": "Limit enforcement and validation does not take project hierarchy into consideration.",
    "strict_two_level": "This model requires project hierarchy never exceeds a depth of two",
}


def is_strict(call: Call) -> bool:
    return call.cloud.settings.identity.limit_enforcement_model == "strict_two_level"


def kind(limit: Limit | LimitCreated | registered.RegisteredLimit) -> Kind:
    """What is limited."""
    return limit.service, limit.region or "", limit.resource_name


@asynccontextmanager
async def alone(call: Call, kinds: Iterable[Kind]) -> AsyncIterator[None]:
    """While it lasts, nobody else changes limits of these kinds, and all their changes are known. Raises Busy."""
    held: list[tuple[str, ...]] = []
    try:
        for one in sorted(set(kinds)):
            await _take(call, ("limits", *one))
            held.append(("limits", *one))
        if call.cloud.fence is not None:
            await call.cloud.fence.wait(reads=False)
        yield
    finally:
        for name in held:
            await call.cloud.execute(names, Release(id=name, holder=call.id), call.origin)


async def _take(call: Call, name: tuple[str, ...]) -> None:
    for _ in range(ATTEMPTS):
        until = call.cloud.clock.now() + PATIENCE
        try:
            await call.do(names, Take(id=name, holder=call.id, until=until))
        except Conflict:
            await asyncio.sleep(PAUSE)
        else:
            return
    raise Busy("Somebody else changes these limits; try again.")


def guard(call: Call, wishes: Sequence[Limit | LimitCreated]) -> None:
    """Raises Forbidden for limits, or for what limits would become, that the model does not allow."""
    if not is_strict(call):
        return
    for wish in wishes:
        if not _fits(call.fold, wish, wishes):
            level, of = ("project_id", wish.project_id) if wish.project_id else ("domain_id", wish.domain_id)
            raise Forbidden(
                f"Invalid resource limit: The resource limit ({level}: {of}, resource_name: "
                f"{wish.resource_name}, resource_limit: {wish.resource_limit}, service_id: {wish.service}, region_id: "
                f"{wish.region}) doesn't satisfy current hierarchy model.."
            )


def _fits(fold: Fold, wish: Limit | LimitCreated, others: Sequence[Limit | LimitCreated]) -> bool:
    if wish.project_id is not None:
        project = fold.get(projects, wish.project_id)
        return project is None or _size(wish) <= _bound(fold, project.domain, wish, others)
    return all(_size(below) <= _size(wish) for below in _below(fold, wish, others))


def _size(limit: Limit | LimitCreated) -> float:
    return inf if limit.resource_limit < 0 else limit.resource_limit


def _bound(fold: Fold, domain: str, wish: Limit | LimitCreated, others: Sequence[Limit | LimitCreated]) -> float:
    """Above which no limit in a domain may be."""
    for limit in (*others, *fold.by(limits, "of", domain)):
        if limit.domain_id == domain and kind(limit) == kind(wish):
            return _size(limit)
    defaults = [one.default_limit for one in fold.by(registered, "what", "|".join(kind(wish)))]
    return min((inf if one < 0 else one for one in defaults), default=inf)


def _below(
    fold: Fold, wish: Limit | LimitCreated, others: Sequence[Limit | LimitCreated]
) -> Iterator[Limit | LimitCreated]:
    """The limits of the same kind of a domain's projects, those that are wished for instead of those that there are."""
    seen = set()
    for limit in (*others, *fold.by(limits, "what", "|".join(kind(wish)))):
        project = fold.get(projects, limit.project_id) if limit.project_id else None
        if project is None or project.domain != wish.domain_id or kind(limit) != kind(wish) or project.id in seen:
            continue
        seen.add(project.id)
        yield limit
