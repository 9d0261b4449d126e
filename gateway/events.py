"""`/events` and what belongs to it: who may read which commits, from where on, in which form."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from events import schemas
from events.cloudevents import MEDIA_TYPE
from events.moments import Moments, since
from events.refusals import Forbidden, Invalid, NotFound, Refusal
from events.services import SERVICES
from gateway import bodies
from gateway.beside import asker, refused
from gateway.cloud import Cloud
from gateway.feed import Format, Wanted
from gateway.tokens import Token

MOMENT = timedelta(microseconds=1)


class Query(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked for; the first four may name several, with commas between them."""

    service: str = ""
    resource: str = ""
    type: str = ""
    project: str = ""
    after: int | None = None  # a sequence; `Last-Event-ID` goes before it
    since: str = ""  # a time, or an age such as 10m
    format: Format | None = None


def routes(cloud: Cloud) -> list[Route]:
    """The URLs of the events."""

    async def events(request: Request) -> Response:
        try:
            return await _read(cloud, request)
        except Refusal as refusal:
            return refused(refusal)

    async def index(request: Request) -> Response:
        base = cloud.settings.gateway.public_url.rstrip("/")
        names = {name: f"{base}/events/schemas/{name}" for name in schemas.json_schemas()}
        return _json({"schemas": names, "asyncapi": f"{base}/events/asyncapi.json"})

    async def schema(request: Request) -> Response:
        found = schemas.json_schemas().get(request.path_params["name"])
        return refused(NotFound("There is no such schema.")) if found is None else _json(found)

    async def asyncapi(request: Request) -> Response:
        public = cloud.settings.gateway.public_url
        return _json(schemas.asyncapi(public or f"{request.url.scheme}://{request.headers.get('host', 'localhost')}"))

    return [
        Route("/events", events),
        Route("/events/schemas", index),
        Route("/events/schemas/{name}", schema),
        Route("/events/asyncapi.json", asyncapi),
    ]


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


async def _read(cloud: Cloud, request: Request) -> Response:
    token = await asker(cloud, request)
    query = bodies.query(request, Query)
    wanted = _wanted(cloud, token, query)
    assert cloud.feed is not None, "the gateway has no feed"
    after = await _after(cloud, request, query, wanted.since)

    async def still() -> bool:
        try:
            now = await cloud.authenticate(request.headers["x-auth-token"])
        except Refusal:
            return False
        return (now.is_admin, now.project) == (token.is_admin, token.project)

    form: Format = "cloudevents" if MEDIA_TYPE in request.headers.get("accept", "") else "json"
    return cloud.feed.reader(token.project or token.user, wanted, after, query.format or form, still)


def _wanted(cloud: Cloud, token: Token, query: Query) -> Wanted:
    if not token.is_admin:
        if token.project is None:
            raise Forbidden("The events of a project are read with a token of that project.")
        if query.project not in ("", token.project):
            raise Forbidden("The events of another project are for an admin.")
    services = _names(query.service)
    if unknown := services - {service.name for service in SERVICES}:
        raise Invalid(f"There is no service {', '.join(sorted(unknown))}.")
    try:
        moment = since(query.since, cloud.clock.now()) if query.since else None
    except (ValueError, OverflowError) as fault:
        raise Invalid("since takes a time in ISO 8601, or 90s, 10m, 2h, 3d for that long ago.") from fault
    return Wanted(
        services=services,
        resources=_names(query.resource),
        types=_names(query.type),
        owner=None if token.is_admin else token.project,
        project=query.project or None if token.is_admin else None,
        since=moment,
    )


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(",") if name.strip())


async def _after(cloud: Cloud, request: Request, query: Query, since: datetime | None) -> int | None:
    """The sequence after which to begin; None: the present one. Raises Invalid if it is still to come."""
    assert cloud.feed is not None, "the gateway has no feed"
    chronicle = cloud.feed.following.chronicle
    given = request.headers.get("last-event-id", "")
    if given:
        if not given.isdecimal() or len(given) > 18:
            raise Invalid("Last-Event-ID takes a sequence of the journal.")
        after: int | None = int(given)
    elif query.after is None and since is not None:
        with suppress(Invalid):  # before the cloud, or to come
            return await Moments(chronicle).sequence(since - MOMENT, cloud.clock.now())
        return 0 if since <= cloud.clock.now() else None
    else:
        after = query.after
    if after is not None:
        last = await chronicle.last()
        if not 0 <= after <= last:
            raise Invalid(f"The journal has come to {last}: there is no {after} yet.")
    return after
