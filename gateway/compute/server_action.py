"""What is done with servers: one URL, the action's name is the body's only member.

Source: Compute API reference, "Servers - run an action (servers, action)".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Raw, Struct

from events.compute import server as servers
from events.compute.server import (
    DeleteServer,
    LockServer,
    RebootServer,
    ResetServerState,
    Server,
    StartServer,
    StopServer,
    UnlockServer,
    vm_state,
)
from events.envelope import Command
from events.refusals import Conflict, Forbidden, Gone, Invalid, NotFound, NotImplementedHere
from gateway import policy
from gateway.compute import words
from gateway.compute.server import deadline, find, find_unlocked
from gateway.consoles import Consoles
from gateway.microversions import Version
from gateway.policy import ADMIN, MEMBER, Who
from gateway.serving import FIRST, LAST, Answer, Call

MOST_LINES = 100_000  # of a console that may be asked for


class Reboot(Struct, forbid_unknown_fields=True):
    type: Literal["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]


class Lock(Struct, forbid_unknown_fields=True):
    locked_reason: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class ResetState(Struct, forbid_unknown_fields=True):
    state: Literal["active", "error"]


Length = Annotated[int, Meta(ge=-1)] | Annotated[str, Meta(pattern=r"^-?[0-9]+$", max_length=10)] | None


class ConsoleLength(Struct, forbid_unknown_fields=True):
    length: Length = None


class ConsoleType(Struct):
    type: Annotated[str, Meta(max_length=255)]


class Output(Struct):
    output: str


class Action(Struct, frozen=True):
    """What an action's name means."""

    do: Callable[[Call, Any], Awaitable[Any]]
    body: Any = Any
    who: Who = MEMBER
    first: Version = FIRST
    last: Version = LAST
    policy: str = ""


async def act(call: Call, body: dict[str, Raw]) -> Any:
    """Do what the body's only member names. Raises Invalid, NotFound, Forbidden, Conflict."""
    if len(body) != 1:
        raise Invalid("Malformed request body")
    name, raw = next(iter(body.items()))
    action = ACTIONS.get(name)
    if action is None:
        raise Invalid(f"There is no such action: {name[:255]}")
    if not action.first <= call.version <= action.last:
        raise NotFound("The resource could not be found.")
    policy.enforce(action.who, call.token, action.policy or f"os_compute_api:servers:{name}", call.face.denial)
    return await action.do(call, _argument(action, name, raw))


def _argument(action: Action, name: str, raw: Raw) -> Any:
    if action.body is Any:
        return None
    try:
        return msgspec.json.decode(raw, type=action.body)
    except msgspec.ValidationError as fault:
        raise Invalid(words.explain(str(fault), bytes(raw), action.body, name)) from fault


async def _do(call: Call, command: Command) -> Answer:
    await call.do(servers, command)
    return Answer(status=202)


async def start(call: Call, _: object) -> Answer:
    server = find_unlocked(call).state
    return await _do(call, StartServer(id=server.id, request=call.id, deadline=deadline(call)))


async def stop(call: Call, _: object) -> Answer:
    server = find_unlocked(call).state
    return await _do(call, StopServer(id=server.id, request=call.id, deadline=deadline(call)))


async def reboot(call: Call, body: Reboot) -> Answer:
    server = find_unlocked(call).state
    kind = cast(servers.Reboot, body.type.upper())
    return await _do(call, RebootServer(id=server.id, kind=kind, request=call.id, deadline=deadline(call)))


async def lock(call: Call, body: Lock | None) -> Answer:
    if body is not None and call.version < (2, 73):
        body = None  # whatever it holds, it means nothing yet
    server = find(call).state
    by: Literal["owner", "admin"] = "owner" if server.project == call.who.project and not call.is_admin else "admin"
    return await _do(call, LockServer(id=server.id, reason=body.locked_reason if body else None, by=by))


async def unlock(call: Call, _: object) -> Answer:
    server = find(call).state
    if server.locked_by == "admin" and not call.is_admin:
        raise Forbidden("Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.")
    return await _do(call, UnlockServer(id=server.id))


async def reset_state(call: Call, body: ResetState) -> Answer:
    server = find(call).state
    status: Literal["ACTIVE", "ERROR"] = "ACTIVE" if body.state == "active" else "ERROR"
    return await _do(call, ResetServerState(id=server.id, status=status, deadline=deadline(call)))


async def force_delete(call: Call, _: object) -> Answer:
    server = find_unlocked(call).state
    return await _do(call, DeleteServer(id=server.id, request=call.id, deadline=deadline(call)))


async def console_output(call: Call, body: ConsoleLength) -> Answer:
    """The end of the serial console. Raises Conflict before the server has a host."""
    server = find(call).state
    host = _host_of(server)
    length = None if body.length is None else int(body.length)
    lines = None if length is None or length < 0 else min(length, MOST_LINES)
    consoles: Consoles | None = call.cloud.parts.get(Consoles)
    if consoles is None:
        raise NotImplementedHere("Unable to get console")
    text = await consoles.output(host, server.id, lines)
    return Answer(status=200, body=Output(text))


def _host_of(server: Server) -> str:
    if server.host is None or server.removed:
        raise Conflict(f"Instance {server.id} is not ready")
    return server.host


async def old_console(call: Call, body: ConsoleType) -> Answer:
    """Graphical consoles there are none. Raises Conflict, Invalid."""
    _host_of(find(call).state)
    raise Invalid(f"Unavailable console type {body.type}.")


def unavailable(name: str, states: frozenset[str]) -> Callable[[Call, Any], Awaitable[Any]]:
    """An action that this cloud does not have yet: refused as the real one, or as not implemented."""

    async def refuse(call: Call, _: object) -> Answer:
        server = find_unlocked(call).state
        state = vm_state(server)
        if state not in states:
            raise Conflict(f"Cannot '{name}' instance {server.id} while it is in vm_state {state}")
        raise NotImplementedHere(f"This cloud cannot {name} a server yet.")

    return refuse


async def gone(call: Call, _: object) -> Answer:
    raise Gone("This resource is no longer available. No forwarding address is given.")


def _later(name: str, *states: str, who: Who = MEMBER, first: Version = FIRST) -> Action:
    return Action(unavailable(name, frozenset(states)), who=who, first=first)


_RESTING = ("active", "stopped")
ACTIONS: dict[str, Action] = {
    "os-start": Action(start, policy="os_compute_api:servers:start"),
    "os-stop": Action(stop, policy="os_compute_api:servers:stop"),
    "reboot": Action(reboot, Reboot),
    "lock": Action(lock, Lock | None, policy="os_compute_api:os-lock-server:lock"),
    "unlock": Action(unlock, policy="os_compute_api:os-lock-server:unlock"),
    "os-resetState": Action(reset_state, ResetState, ADMIN, policy="os_compute_api:os-admin-actions:reset_state"),
    "forceDelete": Action(force_delete, policy="os_compute_api:os-deferred-delete:force"),
    "os-getConsoleOutput": Action(console_output, ConsoleLength, policy="os_compute_api:os-console-output"),
    "os-getVNCConsole": Action(old_console, ConsoleType, last=(2, 5)),
    "os-getSPICEConsole": Action(old_console, ConsoleType, last=(2, 5)),
    "os-getSerialConsole": Action(old_console, ConsoleType, last=(2, 5)),
    "os-getRDPConsole": Action(gone, last=(2, 5)),
    "pause": _later("pause", "active"),
    "unpause": _later("unpause"),
    "suspend": _later("suspend", "active"),
    "resume": _later("resume"),
    "shelve": _later("shelve", *_RESTING),
    "shelveOffload": _later("shelveOffload"),
    "unshelve": _later("unshelve"),
    "rescue": _later("rescue", *_RESTING, "error"),
    "unrescue": _later("unrescue"),
    "resize": _later("resize", *_RESTING),
    "confirmResize": _later("confirmResize"),
    "revertResize": _later("revertResize"),
    "rebuild": _later("rebuild", *_RESTING, "error"),
    "restore": _later("restore"),
    "createImage": _later("createImage", *_RESTING),
    "createBackup": _later("createBackup", *_RESTING),
    "changePassword": _later("changePassword", "active"),
    "migrate": _later("migrate", *_RESTING, who=ADMIN),
    "os-migrateLive": _later("os-migrateLive", "active", who=ADMIN),
    "evacuate": _later("evacuate", *_RESTING, "error", who=ADMIN),
    "trigger_crash_dump": _later("trigger_crash_dump", "active", first=(2, 17)),
    "addSecurityGroup": _later("addSecurityGroup", *_RESTING),
    "removeSecurityGroup": _later("removeSecurityGroup", *_RESTING),
    "injectNetworkInfo": Action(gone, who=ADMIN),
    "resetNetwork": Action(gone, who=ADMIN),
}
