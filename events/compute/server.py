"""A server: a virtual machine a project asked for, placed on a host and run there.

    BUILD -> ACTIVE <-> SHUTOFF;   ACTIVE -> REBOOT | HARD_REBOOT -> ACTIVE;   each of them -> ERROR, and deleted

`wanted` is what was asked for, `status` what was last seen. Every wish has a `generation`; an agent's word counts for
the generation it speaks of. Source: Compute API guide, "Server concepts", section "Server status".
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from msgspec.structs import asdict, replace

from events.compute.guest import Taken
from events.compute.server_words import (
    AbandonServer,
    Attachment,
    ChangePorts,
    ChangeServer,
    Commands,
    DeleteServer,
    Events,
    FailServer,
    Fault,
    ForgetServer,
    LockServer,
    Phase,
    PlaceServer,
    Reboot,
    RebootServer,
    ReportServer,
    RequestServer,
    ResetServerState,
    Server,
    ServerChanged,
    ServerDeleted,
    ServerDeletionRequested,
    ServerFailed,
    ServerLocked,
    ServerPlaced,
    ServerPortsChanged,
    ServerPowerRequested,
    ServerRemoved,
    ServerRequested,
    ServerStarted,
    ServerStateReset,
    ServerStopped,
    ServerUnlocked,
    Size,
    StartServer,
    Status,
    StopServer,
    UnlockServer,
    Wanted,
)
from events.envelope import Command
from events.refusals import Conflict, Invalid, NotFound, OverQuota

INDEXES = ("project", "host", "phase", "reservation", "key_name")
SHARED = ("project", "user", "size", "image", "image_properties", "host", "attachments", "public_key")
MOST_TAGS = 50  # of one server
MOST_STEPS = 16  # of its agent, in one event
_CHANGEABLE = ("name", "hostname", "description", "access_ipv4", "access_ipv6", "disk_config")
# In which vm_state, as nova names it, an action is legal; the words of its refusal.
_ACTIONS: dict[type[Command], tuple[str, frozenset[str]]] = {
    StartServer: ("start", frozenset({"stopped"})),
    StopServer: ("stop", frozenset({"active", "error"})),
    RebootServer: ("reboot", frozenset({"active", "stopped", "error"})),
}


def vm_state(server: Server) -> str:
    """Nova's name of where the server stands. Source: Compute developer guide, "Virtual machine states"."""
    match server.status:
        case "BUILD":
            return "building"
        case "ACTIVE" | "REBOOT" | "HARD_REBOOT":
            return "active"
        case "SHUTOFF":
            return "stopped"
        case "ERROR":
            return "error"


def task_state(server: Server) -> str | None:
    """Nova's name of what is being done with the server; None when it rests."""
    match server.phase:
        case "place":
            return "scheduling"
        case "build":
            return "spawning"
        case "start":
            return "powering-on"
        case "stop":
            return "powering-off"
        case "reboot":
            return "rebooting" if server.status == "REBOOT" else "rebooting_hard"
        case "remove" | "clean":
            return "deleting"
        case None:
            return None


def decide(server: Server | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises NotFound, Conflict."""
    if isinstance(command, RequestServer):
        return [] if server else [ServerRequested(**asdict(command))]
    if server is not None and isinstance(command, ReportServer) and server.deleted and server.abandoned:
        return [ServerRemoved()] if command.host == server.host and command.seen == "gone" else []
    if server is None or server.deleted:
        raise NotFound(f"Instance {command.id} could not be found.")
    match command:
        case PlaceServer():
            return _place(server, command)
        case StartServer() | StopServer() | RebootServer():
            return _power(server, command)
        case ReportServer():
            return _report(server, command) if command.host == server.host else []
        case FailServer(message=message, code=code, details=details):
            late = (command.phase, command.generation) != (server.phase, server.generation)
            known = server.phase == "remove" and server.status == "ERROR"
            return [] if late or known or server.phase == "clean" else [_failed(message, code, details)]
        case DeleteServer(request=request, deadline=deadline):
            if server.wanted == "gone":
                return []
            return [ServerDeletionRequested(request=request, deadline=deadline)]
        case AbandonServer():
            return [ServerRemoved(abandoned=True)] if server.phase == "remove" else []
        case ForgetServer(host=host, steps=steps):
            if server.phase == "remove" and server.host == host:
                return [ServerRemoved(steps=steps[-MOST_STEPS:]), ServerDeleted()]
            if server.phase != "clean":
                raise Conflict(f"Instance {server.id} is still on its host.")
            return [ServerDeleted()]
        case ChangeServer():
            return _change(server, command)
        case LockServer(reason=reason, by=by):
            same = server.locked and server.locked_reason == reason and server.locked_by == by
            return [] if same else [ServerLocked(reason=reason, by=by)]
        case UnlockServer():
            return [ServerUnlocked()] if server.locked else []
        case ResetServerState(status=status, deadline=deadline):
            return [] if server.wanted == "gone" else [ServerStateReset(status=status, deadline=deadline)]
        case ChangePorts(ports=ports):
            return [] if server.ports == ports else [ServerPortsChanged(ports=ports)]
    assert_never(command)


def _place(server: Server, command: PlaceServer) -> list[Events]:
    if server.host == command.host:
        return []
    if server.phase != "place":
        raise Conflict(f"Instance {server.id} needs no host now.")
    if command.due != server.deadline:
        raise Conflict(f"Instance {server.id} failed since, and was reset: what was made for it is given back.")
    return [ServerPlaced(host=command.host, ports=command.ports, deadline=command.deadline)]


def _power(server: Server, command: StartServer | StopServer | RebootServer) -> list[Events]:
    name, allowed = _ACTIONS[type(command)]
    state = vm_state(server)
    if state not in allowed or server.host is None:
        raise Conflict(f"Cannot '{name}' instance {server.id} while it is in vm_state {state}")
    task = task_state(server)
    forced = (
        isinstance(command, RebootServer) and command.kind == "HARD" and server.phase in ("reboot", "start", "stop")
    )
    if task is not None and not forced:
        raise Conflict(f"Cannot '{name}' instance {server.id} while it is in task_state {task}")
    soft = isinstance(command, RebootServer) and command.kind == "SOFT"
    if soft and state != "active":
        raise Conflict(f"Cannot 'reboot' instance {server.id} while it is in vm_state {state}")
    return [
        ServerPowerRequested(
            wanted="off" if isinstance(command, StopServer) else "on",
            reboot=command.kind if isinstance(command, RebootServer) else None,
            request=command.request,
            deadline=command.deadline,
        )
    ]


def _report(server: Server, command: ReportServer) -> list[Events]:
    steps = command.steps[-MOST_STEPS:]
    if command.seen == "gone":
        return [ServerRemoved(steps=steps)] if server.phase == "remove" else []
    if server.wanted == "gone" or command.generation < server.generation:
        return []  # it speaks of what nobody wants any more
    match command.seen:
        case "running":
            # A guest that runs although it is to be off is stopped by its agent: nothing has been fulfilled.
            news = server.status != "ACTIVE" or server.launched_at is None
            return [ServerStarted(steps=steps)] if server.wanted == "on" and news else []
        case "stopped":
            return [ServerStopped(steps=steps)] if server.status != "SHUTOFF" or server.wanted == "on" else []
        case "missing":
            message = f"The guest of instance {server.id} is missing on host {server.host}."
            return [] if server.status == "ERROR" else [_failed(message, 500, command.reason, steps)]
        case "failed":
            message = command.reason or "The host failed."
            return [] if server.status == "ERROR" else [_failed(message, 500, None, steps)]
    assert_never(command.seen)


def _failed(message: str, code: int, details: str | None, steps: tuple[Taken, ...] = ()) -> ServerFailed:
    return ServerFailed(message=message, code=code, details=details, steps=steps)


def _change(server: Server, command: ChangeServer) -> list[Events]:
    state = vm_state(server)
    if command.action is not None and state not in ("active", "stopped"):
        raise Conflict(f"Cannot '{command.action}' instance {server.id} while it is in vm_state {state}")
    wished = {name: getattr(command, name) for name in _CHANGEABLE}
    wished["metadata"], wished["tags"] = _metadata(server, command), _tags(server, command)
    changes = {name: value for name, value in wished.items() if value is not None and getattr(server, name) != value}
    undescribed = command.undescribed and server.description is not None
    return [ServerChanged(**changes, undescribed=undescribed)] if changes or undescribed else []


def _metadata(server: Server, command: ChangeServer) -> dict[str, str]:
    old = server.metadata if command.metadata is None else command.metadata
    new = {**old, **command.more_metadata}
    for name in command.less_metadata:
        if new.pop(name, None) is None:
            raise NotFound("Metadata item was not found")
    if 0 <= command.most_metadata < len(new) and len(new) > len(server.metadata):
        raise OverQuota(f"Maximum number of metadata items exceeds {command.most_metadata}")
    return new


def _tags(server: Server, command: ChangeServer) -> tuple[str, ...]:
    old = server.tags if command.tags is None else command.tags
    for tag in command.less_tags:
        if tag not in old:
            raise NotFound(f"Server {server.id} has no tag '{tag}'")
    new = tuple(dict.fromkeys((*(tag for tag in old if tag not in command.less_tags), *command.more_tags)))
    if len(new) > MOST_TAGS:
        raise Invalid(f"The number of tags exceeded the per-server limit {MOST_TAGS}")
    return new


def evolve(server: Server | None, event: Events, at: datetime) -> Server:
    """The server after `event`."""
    if isinstance(event, ServerRequested):
        return Server(**asdict(event))
    assert server is not None, f"{event!r} before ServerRequested"
    match event:
        case ServerPlaced(host=host, ports=ports, deadline=deadline):
            return replace(server, host=host, ports=ports, deadline=deadline)
        case ServerPowerRequested():
            return _asked(server, event)
        case ServerStarted():
            launched = server.launched_at or at
            return replace(server, status="ACTIVE", reboot=None, fault=None, deadline=None, launched_at=launched)
        case ServerStopped():
            # A guest may power itself off; then it stays off until somebody asks for it.
            return replace(server, status="SHUTOFF", wanted="off", reboot=None, fault=None, deadline=None)
        case ServerFailed(message=message, code=code, details=details):
            fault = Fault(message=message, code=code, at=at, details=details)
            return replace(server, status="ERROR", fault=fault, reboot=None, deadline=None)
        case ServerDeletionRequested(request=request, deadline=deadline):
            return replace(server, wanted="gone", generation=server.generation + 1, request=request, deadline=deadline)
        case ServerRemoved(abandoned=abandoned):
            return replace(server, removed=True, abandoned=abandoned)
        case ServerDeleted():
            return replace(server, deleted=True, deadline=None, terminated_at=at)
        case ServerChanged():
            changes = {k: v for k, v in asdict(event).items() if v is not None and k != "undescribed"}
            if event.undescribed:
                changes["description"] = None
            return replace(server, **changes)
        case ServerLocked(reason=reason, by=by):
            return replace(server, locked=True, locked_reason=reason, locked_by=by)
        case ServerUnlocked():
            return replace(server, locked=False, locked_reason=None, locked_by=None)
        case ServerStateReset():
            return _reset(server, event, at)
        case ServerPortsChanged(ports=ports):
            return replace(server, ports=ports)
    assert_never(event)


def _reset(server: Server, event: ServerStateReset, at: datetime) -> Server:
    if event.status == "ERROR":
        fault = Fault(message="An administrator reset the state.", at=at)
        return replace(server, status="ERROR", fault=fault)
    return replace(server, status="ACTIVE", wanted="on", fault=None, deadline=event.deadline or server.deadline)


def _asked(server: Server, event: ServerPowerRequested) -> Server:
    status = server.status
    if event.reboot is not None:
        status = "REBOOT" if event.reboot == "SOFT" else "HARD_REBOOT"
    elif status == "ERROR":
        status = "ACTIVE"  # a stop of what failed: seen again by its host's next report
    return replace(
        server,
        wanted=event.wanted,
        reboot=event.reboot,
        status=status,
        generation=server.generation + 1,
        request=event.request,
        deadline=event.deadline,
    )


__all__ = [
    "INDEXES",
    "MOST_TAGS",
    "AbandonServer",
    "Attachment",
    "ChangePorts",
    "ChangeServer",
    "Commands",
    "DeleteServer",
    "Events",
    "FailServer",
    "Fault",
    "ForgetServer",
    "LockServer",
    "Phase",
    "PlaceServer",
    "Reboot",
    "RebootServer",
    "ReportServer",
    "RequestServer",
    "ResetServerState",
    "Server",
    "ServerChanged",
    "ServerDeleted",
    "ServerDeletionRequested",
    "ServerFailed",
    "ServerLocked",
    "ServerPlaced",
    "ServerPortsChanged",
    "ServerPowerRequested",
    "ServerRemoved",
    "ServerRequested",
    "ServerStarted",
    "ServerStateReset",
    "ServerStopped",
    "ServerUnlocked",
    "Size",
    "StartServer",
    "Status",
    "StopServer",
    "UnlockServer",
    "Wanted",
    "decide",
    "evolve",
    "task_state",
    "vm_state",
]
