"""The words of a server: its state, what can happen to it, what can be asked of it. The rules are in server.py.

Source: Compute API guide, "Server concepts"; Compute API reference, "Servers".
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from events.compute.guest import Taken
from events.envelope import Command, Event, State

Status = Literal["BUILD", "ACTIVE", "SHUTOFF", "REBOOT", "HARD_REBOOT", "ERROR"]
Wanted = Literal["on", "off", "gone"]
Phase = Literal["place", "build", "start", "stop", "reboot", "remove", "clean"]
Reboot = Literal["SOFT", "HARD"]


class Size(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """The flavor as it was when the server was asked for: a later change of it leaves the server alone."""

    id: str
    name: str
    vcpus: int
    ram: int  # MiB
    disk: int  # GiB; 0: as large as the image
    ephemeral: int = 0  # GiB
    swap: int = 0  # MiB
    extra_specs: dict[str, str] = {}


class Attachment(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One interface that was asked for: a port that exists, a network to make one on, or whatever network there is."""

    network: str | None = None
    port: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None
    auto: bool = False


class Fault(Struct, frozen=True, gc=False, kw_only=True):
    """Why a server is in ERROR."""

    message: str
    code: int = 500
    at: datetime
    details: str | None = None  # for admins: every host and why it was not chosen


class Server(State, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    user: str
    name: str
    hostname: str
    size: Size
    request: str | None = None  # the request that asked for what is wanted now
    description: str | None = None
    image: str | None = None
    image_properties: dict[str, str] = {}  # base image properties, for the scheduler and the answer
    key_name: str | None = None
    public_key: str | None = None  # as it was when the server was asked for
    user_data: str | None = None  # its name in the vault
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    config_drive: bool = False
    zone: str | None = None  # asked for
    requested_host: str | None = None  # by an admin, who alone may choose one
    hints: dict[str, tuple[str, ...]] = {}  # for the scheduler
    attachments: tuple[Attachment, ...] = ()
    security_groups: tuple[str, ...] = ()
    reservation: str = ""
    launch_index: int = 0
    disk_config: Literal["AUTO", "MANUAL"] = "MANUAL"
    wanted: Wanted = "on"
    generation: int = 1
    reboot: Reboot | None = None  # how it gets to this generation
    status: Status = "BUILD"
    fault: Fault | None = None
    host: str | None = None
    ports: tuple[str, ...] = ()
    removed: bool = False  # nothing of it is left on the host
    abandoned: bool = False  # its host was down when it was deleted, and may still hold it
    deadline: datetime | None = None  # of what it is doing now
    locked: bool = False
    locked_reason: str | None = None
    locked_by: Literal["owner", "admin"] | None = None
    access_ipv4: str = ""
    access_ipv6: str = ""
    launched_at: datetime | None = None
    terminated_at: datetime | None = None

    @property
    def phase(self) -> Phase | None:
        """What is being done with it; None when it rests."""
        if self.wanted == "gone":
            return "clean" if self.removed or self.host is None else "remove"
        if self.status == "ERROR":
            return None
        # An administrator may say that it is ACTIVE before it ever was: it is still to be built.
        if self.status == "BUILD" or (self.status == "ACTIVE" and self.wanted == "on" and self.launched_at is None):
            return "build" if self.host else "place"
        if self.status in ("REBOOT", "HARD_REBOOT"):
            return "reboot"
        if self.status == "ACTIVE":
            return "stop" if self.wanted == "off" else None
        return "start" if self.wanted == "on" else None


class ServerRequested(Event, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    user: str
    name: str
    hostname: str
    size: Size
    request: str | None = None
    description: str | None = None
    image: str | None = None
    image_properties: dict[str, str] = {}
    key_name: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    config_drive: bool = False
    zone: str | None = None
    requested_host: str | None = None
    hints: dict[str, tuple[str, ...]] = {}
    attachments: tuple[Attachment, ...] = ()
    security_groups: tuple[str, ...] = ()
    reservation: str = ""
    launch_index: int = 0
    disk_config: Literal["AUTO", "MANUAL"] = "MANUAL"
    access_ipv4: str = ""
    access_ipv6: str = ""


class ServerPlaced(Event, frozen=True, gc=False, kw_only=True):
    host: str
    ports: tuple[str, ...] = ()
    deadline: datetime | None = None


class ServerPowerRequested(Event, frozen=True, gc=False, kw_only=True):
    """A start, a stop or a reboot was asked for."""

    wanted: Literal["on", "off"]
    reboot: Reboot | None = None
    request: str | None = None
    deadline: datetime | None = None


class ServerStarted(Event, frozen=True, gc=False, kw_only=True):
    """Its host saw it running."""

    steps: tuple[Taken, ...] = ()  # what its agent did for it


class ServerStopped(Event, frozen=True, gc=False, kw_only=True):
    """Its host saw it stopped; nobody needs to have asked for it."""

    steps: tuple[Taken, ...] = ()  # what its agent did for it


class ServerFailed(Event, frozen=True, gc=False, kw_only=True):
    message: str
    code: int = 500
    details: str | None = None
    steps: tuple[Taken, ...] = ()  # what its agent did for it


class ServerDeletionRequested(Event, frozen=True, gc=False, kw_only=True):
    request: str | None = None
    deadline: datetime | None = None


class ServerRemoved(Event, frozen=True, gc=False, kw_only=True):
    """Nothing of it is left on its host, or its host is gone itself."""

    abandoned: bool = False
    steps: tuple[Taken, ...] = ()  # what its agent did for it


class ServerDeleted(Event, frozen=True, gc=False, kw_only=True):
    """And nothing of it is left elsewhere: ports, addresses, room, quota."""


class ServerChanged(Event, frozen=True, gc=False, kw_only=True):
    """What a user may change at any time; None: unchanged."""

    name: str | None = None
    hostname: str | None = None
    description: str | None = None
    undescribed: bool = False
    metadata: dict[str, str] | None = None
    tags: tuple[str, ...] | None = None
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: Literal["AUTO", "MANUAL"] | None = None


class ServerLocked(Event, frozen=True, gc=False, kw_only=True):
    reason: str | None = None
    by: Literal["owner", "admin"] = "owner"


class ServerUnlocked(Event, frozen=True, gc=False, kw_only=True):
    pass


class ServerStateReset(Event, frozen=True, gc=False, kw_only=True):
    status: Literal["ACTIVE", "ERROR"]
    deadline: datetime | None = None  # of what is still to be done


class ServerPortsChanged(Event, frozen=True, gc=False, kw_only=True):
    ports: tuple[str, ...]


Events = (
    ServerRequested
    | ServerPlaced
    | ServerPowerRequested
    | ServerStarted
    | ServerStopped
    | ServerFailed
    | ServerDeletionRequested
    | ServerRemoved
    | ServerDeleted
    | ServerChanged
    | ServerLocked
    | ServerUnlocked
    | ServerStateReset
    | ServerPortsChanged
)


class RequestServer(Command, frozen=True, gc=False, kw_only=True):
    id: str
    project: str
    user: str
    name: str
    hostname: str
    size: Size
    request: str | None = None
    description: str | None = None
    image: str | None = None
    image_properties: dict[str, str] = {}
    key_name: str | None = None
    public_key: str | None = None
    user_data: str | None = None
    metadata: dict[str, str] = {}
    tags: tuple[str, ...] = ()
    config_drive: bool = False
    zone: str | None = None
    requested_host: str | None = None
    hints: dict[str, tuple[str, ...]] = {}
    attachments: tuple[Attachment, ...] = ()
    security_groups: tuple[str, ...] = ()
    reservation: str = ""
    launch_index: int = 0
    disk_config: Literal["AUTO", "MANUAL"] = "MANUAL"
    access_ipv4: str = ""
    access_ipv6: str = ""


class PlaceServer(Command, frozen=True, gc=False, kw_only=True):
    """Its room on `host` is claimed and its ports are made."""

    host: str
    ports: tuple[str, ...] = ()
    due: datetime | None = None  # the deadline of the wish that is fulfilled: another one is no longer that wish
    deadline: datetime | None = None


class StartServer(Command, frozen=True, gc=False, kw_only=True):
    request: str | None = None
    deadline: datetime | None = None


class StopServer(Command, frozen=True, gc=False, kw_only=True):
    request: str | None = None
    deadline: datetime | None = None


class RebootServer(Command, frozen=True, gc=False, kw_only=True):
    kind: Reboot
    request: str | None = None
    deadline: datetime | None = None


class ReportServer(Command, frozen=True, gc=False, kw_only=True):
    """What the host's agent sees, whatever was asked for."""

    host: str
    generation: int  # of the last wish that the agent fulfilled, or failed at
    seen: Literal["running", "stopped", "missing", "failed", "gone"]
    reason: str | None = None
    steps: tuple[Taken, ...] = ()  # what its agent did for it


class FailServer(Command, frozen=True, gc=False, kw_only=True):
    """It passed its deadline, or no host can hold it: as far as it is still doing what the plan saw it do."""

    phase: Phase
    generation: int
    message: str
    code: int = 500
    details: str | None = None


class DeleteServer(Command, frozen=True, gc=False, kw_only=True):
    request: str | None = None
    deadline: datetime | None = None


class AbandonServer(Command, frozen=True, gc=False, kw_only=True):
    """Its host is down: it is deleted without it. When the host comes back, it removes what is left."""


class ForgetServer(Command, frozen=True, gc=False, kw_only=True):
    """Ports, addresses, room and quota are given back; and, where `host` says so, nothing of it is left there."""

    host: str | None = None
    steps: tuple[Taken, ...] = ()  # what the host's agent did for it


class ChangeServer(Command, frozen=True, gc=False, kw_only=True):
    action: str | None = None  # nova's name of what is legal only while the server is active or stopped
    name: str | None = None
    hostname: str | None = None
    description: str | None = None
    undescribed: bool = False
    metadata: dict[str, str] | None = None
    tags: tuple[str, ...] | None = None
    access_ipv4: str | None = None
    access_ipv6: str | None = None
    disk_config: Literal["AUTO", "MANUAL"] | None = None
    more_metadata: dict[str, str] = {}
    less_metadata: tuple[str, ...] = ()
    most_metadata: int = -1  # items; -1: any number
    more_tags: tuple[str, ...] = ()
    less_tags: tuple[str, ...] = ()


class LockServer(Command, frozen=True, gc=False, kw_only=True):
    reason: str | None = None
    by: Literal["owner", "admin"] = "owner"


class UnlockServer(Command, frozen=True, gc=False, kw_only=True):
    pass


class ResetServerState(Command, frozen=True, gc=False, kw_only=True):
    """An admin's word. The state is still what the host sees: a report mends it."""

    status: Literal["ACTIVE", "ERROR"]
    deadline: datetime | None = None


class ChangePorts(Command, frozen=True, gc=False, kw_only=True):
    ports: tuple[str, ...]


Commands = (
    RequestServer
    | PlaceServer
    | StartServer
    | StopServer
    | RebootServer
    | ReportServer
    | FailServer
    | DeleteServer
    | AbandonServer
    | ForgetServer
    | ChangeServer
    | LockServer
    | UnlockServer
    | ResetServerState
    | ChangePorts
)
