"""Servers over HTTP: made, shown, changed, deleted. Source: Compute API reference, "Servers (servers)"."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field
from msgspec.structs import replace

from events.clock import after
from events.compute import quota as quotas
from events.compute import server as servers
from events.compute.quota import ClaimRoom, ReturnRoom
from events.compute.server import ChangeServer, DeleteServer, RequestServer, Server
from events.decider import Step, some_at_once
from events.fold import Known
from events.ids import new_id
from events.refusals import Conflict, NotFound
from gateway.compute import quota, server_views, server_wish, user_data, words
from gateway.compute.server_bodies import CreateServer, UpdateServer
from gateway.compute.server_views import OF_SHOW_ALONE, Named, ServerView
from gateway.compute.server_wish import Wish
from gateway.links import Link
from gateway.serving import Answer, Call

CLAIM = timedelta(minutes=5)  # how long room in the quota is held without the server that it is for


class ServerAnswer(Struct):
    server: ServerView


class MadeView(Struct, kw_only=True):
    """What the caller hears of a server that was just asked for; the password is said this once."""

    id: str
    links: list[Link]
    disk_config: str = field(name="OS-DCF:diskConfig")
    security_groups: list[Named]
    adminPass: str


class MadeAnswer(Struct):
    server: MadeView


class ReservationAnswer(Struct):
    reservation_id: str


def not_found(id: str) -> NotFound:
    return NotFound(f"Instance {id[:255]} could not be found.")


def find(call: Call) -> Known[Server]:
    """The live server that the path names. Raises NotFound, Forbidden."""
    id = call.path["id"]
    known = server_views.known_of(call, id)
    if known is None:
        raise not_found(id)
    call.enforce(target(known.state))
    return known


def target(server: Server) -> dict[str, str]:
    """What rules are told of a server."""
    return {"project_id": server.project, "tenant_id": server.project, "user_id": server.user}


def find_unlocked(call: Call) -> Known[Server]:
    """The server that the path names, for a change. Raises NotFound, Conflict."""
    known = find(call)
    if known.state.locked and not call.is_admin:
        raise Conflict(f"Instance {known.state.id} is locked")
    return known


def deadline(call: Call) -> datetime:
    """Until when what is asked for now is to have come about."""
    return after(call.cloud.clock.now(), timedelta(seconds=call.cloud.settings.compute.build_deadline))


async def create(call: Call, body: CreateServer) -> Answer:
    """Ask for one server or several alike. Raises Invalid, OverQuota, Forbidden, Conflict."""
    wish = server_wish.of(call, body)
    count = quota.granted(call, wish.first.size, wish.least, wish.most)
    wishes = [_numbered(wish, number, count) for number in range(count)]
    if wish.user_data is not None:
        wishes = [replace(w, user_data=await user_data.keep(call.cloud, w.id, wish.user_data)) for w in wishes]
    await _request(call, wishes)
    if words.is_true(body.server.return_reservation_id):
        return Answer(body=ReservationAnswer(wish.first.reservation))
    id = wishes[0].id
    made = MadeView(
        id=id,
        links=server_views.Viewer(call).links(id),
        disk_config=wish.first.disk_config,
        security_groups=[Named(name) for name in wish.groups or ("default",)],
        adminPass=wish.password,
    )
    return Answer(body=MadeAnswer(made), headers={"location": f"{call.root}/v2.1/servers/{id}"})


def _numbered(wish: Wish, number: int, count: int) -> RequestServer:
    id = new_id()
    name = f"{wish.first.name}-{number + 1}" if count > 1 else wish.first.name
    hostname = wish.hostname or server_wish.hostname_of(name, id)
    return replace(wish.first, id=id, name=name, hostname=hostname, launch_index=number)


async def _request(call: Call, wishes: list[RequestServer]) -> None:
    """Room in the project's quota for each, then each. Raises OverQuota."""
    until = after(call.cloud.clock.now(), CLAIM)
    limits = quota.limits(call, call.project)
    claims = [
        Step(
            quotas,
            ClaimRoom(id=w.project, holder=w.id, amounts=quota.amounts(w.size), defaults=limits, until=until),
            ReturnRoom(id=w.project, holder=w.id),
        )
        for w in wishes
    ]
    try:
        wanted = [Step(servers, w, DeleteServer(id=w.id)) for w in wishes]
        await call.do_all([*some_at_once(claims), *some_at_once(wanted)])
    except quotas.Exceeded as exceeded:
        raise quota.over(exceeded.lacking) from exceeded


async def show(call: Call) -> ServerAnswer:
    """One server. Raises NotFound."""
    return ServerAnswer(await server_views.of(call, find(call)))


async def update(call: Call, body: UpdateServer) -> ServerAnswer:
    """Rename it, describe it. Raises NotFound, Invalid."""
    known, new = find(call), body.server
    await call.do(
        servers,
        ChangeServer(
            id=known.state.id,
            name=server_wish.checked_name(new.name) if new.name is not UNSET else None,
            hostname=new.hostname or None,
            description=new.description or None,
            undescribed=new.description is not UNSET and not new.description,
            access_ipv4=_given(server_wish.ipv4, new.access_ipv4),
            access_ipv6=_given(server_wish.ipv6, new.access_ipv6),
            disk_config=new.disk_config or None,
        ),
    )
    view = await server_views.of(call, find(call))
    if call.version < (2, 75):
        for name in OF_SHOW_ALONE:
            setattr(view, name, UNSET)
    return ServerAnswer(view)


def _given(check: Any, text: str | UnsetType) -> str | None:
    return None if text is UNSET else check(text)


async def delete(call: Call) -> None:
    """It goes in any state, unless it is locked; one on no host is gone with the answer. Raises NotFound, Conflict."""
    known = find_unlocked(call)
    server = await call.do(servers, DeleteServer(id=known.state.id, request=call.id, deadline=deadline(call)))
    if server.phase == "clean":  # a client that still saw its ERROR would take that for the deletion's
        await _forgotten(call, server.id)


async def _forgotten(call: Call, id: str) -> None:
    """Wait for what follows from a deletion, but not for long."""
    for _ in range(200):
        if call.fold.get(servers, id) is None:
            return
        await asyncio.sleep(0.005)
