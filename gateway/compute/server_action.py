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
from events.refusals import Conflict, Gone, Invalid, NotFound, NotImplementedHere
from gateway.compute import words
from gateway.compute.server import deadline, find, find_unlocked, target
from gateway.consoles import Consoles
from gateway.microversions import Version
from gateway.serving import FIRST, LAST, Answer, Call

_API = "os_compute_api:"
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

    policy: str  # its rule, without the service's name
    do: Callable[[Call, Any], Awaitable[Any]]
    body: Any = Any
    first: Version = FIRST
    last: Version = LAST


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
    call.begin(_API + action.policy, "found")
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
    if server.locked_by == "admin":
        call.require(_API + "os-lock-server:unlock:unlock_override", target(server))
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


def _later(policy: str, name: str, *states: str, first: Version = FIRST) -> Action:
    return Action(policy, unavailable(name, frozenset(states)), first=first)


_RESTING = ("active", "stopped")
_GROUPS, _CONSOLES, _ADMIN = "os-security-groups", "os-remote-consoles", "os-admin-actions"
ACTIONS: dict[str, Action] = {
    "os-start": Action("servers:start", start),
    "os-stop": Action("servers:stop", stop),
    "reboot": Action("servers:reboot", reboot, Reboot),
    "lock": Action("os-lock-server:lock", lock, Lock | None),
    "unlock": Action("os-lock-server:unlock", unlock),
    "os-resetState": Action(f"{_ADMIN}:reset_state", reset_state, ResetState),
    "forceDelete": Action("os-deferred-delete:force", force_delete),
    "os-getConsoleOutput": Action("os-console-output", console_output, ConsoleLength),
    "os-getVNCConsole": Action(_CONSOLES, old_console, ConsoleType, last=(2, 5)),
    "os-getSPICEConsole": Action(_CONSOLES, old_console, ConsoleType, last=(2, 5)),
    "os-getSerialConsole": Action(_CONSOLES, old_console, ConsoleType, last=(2, 5)),
    "os-getRDPConsole": Action(_CONSOLES, gone, last=(2, 5)),
    "pause": _later("os-pause-server:pause", "pause", "active"),
    "unpause": _later("os-pause-server:unpause", "unpause"),
    "suspend": _later("os-suspend-server:suspend", "suspend", "active"),
    "resume": _later("os-suspend-server:resume", "resume"),
    "shelve": _later("os-shelve:shelve", "shelve", *_RESTING),
    "shelveOffload": _later("os-shelve:shelve_offload", "shelveOffload"),
    "unshelve": _later("os-shelve:unshelve", "unshelve"),
    "rescue": _later("os-rescue", "rescue", *_RESTING, "error"),
    "unrescue": _later("os-unrescue", "unrescue"),
    "resize": _later("servers:resize", "resize", *_RESTING),
    "confirmResize": _later("servers:confirm_resize", "confirmResize"),
    "revertResize": _later("servers:revert_resize", "revertResize"),
    "rebuild": _later("servers:rebuild", "rebuild", *_RESTING, "error"),
    "restore": _later("os-deferred-delete:restore", "restore"),
    "createImage": _later("servers:create_image", "createImage", *_RESTING),
    "createBackup": _later("os-create-backup", "createBackup", *_RESTING),
    "changePassword": _later("os-admin-password", "changePassword", "active"),
    "migrate": _later("os-migrate-server:migrate", "migrate", *_RESTING),
    "os-migrateLive": _later("os-migrate-server:migrate_live", "os-migrateLive", "active"),
    "evacuate": _later("os-evacuate", "evacuate", *_RESTING, "error"),
    "trigger_crash_dump": _later("servers:trigger_crash_dump", "trigger_crash_dump", "active", first=(2, 17)),
    "addSecurityGroup": _later(f"{_GROUPS}:add", "addSecurityGroup", *_RESTING),
    "removeSecurityGroup": _later(f"{_GROUPS}:remove", "removeSecurityGroup", *_RESTING),
    "injectNetworkInfo": Action(f"{_ADMIN}:inject_network_info", gone),
    "resetNetwork": Action(f"{_ADMIN}:inject_network_info", gone),
}
