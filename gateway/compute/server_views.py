"""Servers as answers. Source: Compute API reference, "Servers (servers)"; microversions are marks on fields."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import sha224
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field

from events.compute import host as hosts
from events.compute import server as servers
from events.compute.host import Host
from events.compute.server import Fault, Server, task_state, vm_state
from events.fold import Known
from gateway.compute import images, networks, user_data
from gateway.compute.networks import PortFacts
from gateway.links import Link
from gateway.microversions import shape, since
from gateway.serving import Call

Text = str | UnsetType | None


class FlavorLink(Struct, gc=False):
    """A server's flavor below 2.47: where it may be found."""

    id: str
    links: list[Link]


class FlavorInside(Struct, gc=False):
    """A server's flavor from 2.47 on: as it was when the server was made."""

    vcpus: int
    ram: int
    disk: int
    ephemeral: int
    swap: int
    original_name: str
    extra_specs: dict[str, str]


class ImageView(Struct, gc=False):
    id: str
    links: list[Link]
    properties: Annotated[dict[str, str] | UnsetType, since(2, 98)] = UNSET


class AddressView(Struct, gc=False):
    version: int
    addr: str
    type: str = field(name="OS-EXT-IPS:type")
    mac: str = field(name="OS-EXT-IPS-MAC:mac_addr")


class FaultView(Struct, gc=False):
    code: int
    created: datetime
    message: str
    details: str | UnsetType = UNSET


class Named(Struct, gc=False):
    name: str


class Brief(Struct, gc=False):
    """A server in a list without details."""

    id: str
    name: str
    links: list[Link]


class ServerView(Struct, gc=False, kw_only=True):
    id: str
    name: str
    status: str
    tenant_id: str
    user_id: str
    metadata: dict[str, str]
    hostId: str
    image: ImageView | str
    flavor: FlavorLink | FlavorInside
    created: datetime
    updated: datetime
    addresses: dict[str, list[AddressView]]
    accessIPv4: str
    accessIPv6: str
    links: list[Link]
    disk_config: str = field(name="OS-DCF:diskConfig")
    progress: int | UnsetType = UNSET
    fault: FaultView | UnsetType = UNSET
    zone: str | UnsetType = field(name="OS-EXT-AZ:availability_zone")
    config_drive: str | UnsetType = UNSET
    key_name: Text = None
    launched_at: datetime | UnsetType | None = field(name="OS-SRV-USG:launched_at")
    terminated_at: datetime | UnsetType | None = field(name="OS-SRV-USG:terminated_at")
    security_groups: list[Named] | UnsetType = UNSET
    host: Text = field(name="OS-EXT-SRV-ATTR:host", default=UNSET)
    instance_name: Text = field(name="OS-EXT-SRV-ATTR:instance_name", default=UNSET)
    node: Text = field(name="OS-EXT-SRV-ATTR:hypervisor_hostname", default=UNSET)
    reservation: Annotated[Text, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:reservation_id", default=UNSET)
    launch_index: Annotated[int | UnsetType, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:launch_index", default=UNSET)
    hostname: Annotated[Text, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:hostname", default=UNSET)
    kernel: Annotated[Text, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:kernel_id", default=UNSET)
    ramdisk: Annotated[Text, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:ramdisk_id", default=UNSET)
    root_device: Annotated[Text, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:root_device_name", default=UNSET)
    user_data: Annotated[Text, since(2, 3)] = field(name="OS-EXT-SRV-ATTR:user_data", default=UNSET)
    task_state: Text = field(name="OS-EXT-STS:task_state")
    vm_state: Text = field(name="OS-EXT-STS:vm_state")
    power_state: int | UnsetType = field(name="OS-EXT-STS:power_state")
    volumes: list[Any] | UnsetType = field(name="os-extended-volumes:volumes_attached")
    locked: Annotated[bool | UnsetType, since(2, 9)] = UNSET
    host_status: Annotated[Text, since(2, 16)] = UNSET
    description: Annotated[Text, since(2, 19)] = UNSET
    tags: Annotated[tuple[str, ...] | UnsetType, since(2, 26)] = UNSET
    trusted_image_certificates: Annotated[UnsetType | None, since(2, 63)] = UNSET
    server_groups: Annotated[tuple[str, ...] | UnsetType, since(2, 71)] = UNSET
    locked_reason: Annotated[Text, since(2, 73)] = UNSET
    pinned_zone: Annotated[Text, since(2, 96)] = field(name="pinned_availability_zone", default=UNSET)
    scheduler_hints: Annotated[dict[str, tuple[str, ...]] | UnsetType, since(2, 100)] = UNSET


# What an update answers below 2.75 is without these.
OF_SHOW_ALONE = (
    *("zone", "config_drive", "key_name", "launched_at", "terminated_at", "security_groups", "host", "instance_name"),
    *("node", "reservation", "launch_index", "hostname", "kernel", "ramdisk", "root_device", "user_data", "task_state"),
    *("vm_state", "power_state", "volumes", "host_status"),
)

MOST_ENCODED = 10_000  # views that are kept as bytes, of about 2 KiB each

_encode = msgspec.json.Encoder().encode
_POWER = {"ACTIVE": 1, "REBOOT": 1, "HARD_REBOOT": 1, "SHUTOFF": 4}
_IN_PROGRESS = ("ACTIVE", "BUILD")


@lru_cache(maxsize=65536)
def host_id(project: str, host: str) -> str:
    return sha224((project + host).encode()).hexdigest()


def second(time: datetime) -> datetime:
    return time.replace(microsecond=0)


class Encoded:
    """Views of lists as bytes, by who sees them and then by server: a list that is asked for again is put together of
    them, unless what they show has changed. They are let go of all at once when they are too many."""

    def __init__(self) -> None:
        self.profiles: dict[Any, dict[str, tuple[Any, Any, Raw]]] = {}
        self.count = 0

    def of(self, profile: Any) -> dict[str, tuple[Any, Any, Raw]]:
        if self.count > MOST_ENCODED:
            self.profiles.clear()
            self.count = 0
        return self.profiles.setdefault(profile, {})


class Viewer:
    """What the views of one call share."""

    def __init__(self, call: Call) -> None:
        self.call = call
        root = call.root
        self.here = f"{root}/v2.1/servers/"
        self.bookmark = f"{root}/servers/"
        self.image = f"{root}/images/"
        self.flavor = f"{root}/flavors/"
        self.admin = call.allows("os_compute_api:os-extended-server-attributes")
        self.inside = call.version >= (2, 47)
        self.named = call.version >= (2, 90)
        self.hosts: dict[str, Host | None] = {}

    def links(self, id: str) -> list[Link]:
        return [Link("self", self.here + id), Link("bookmark", self.bookmark + id)]

    def brief(self, known: Known[Server]) -> Brief:
        server = known.state
        return Brief(server.id, server.name, self.links(server.id))

    def host(self, name: str) -> Host | None:
        if name not in self.hosts:
            self.hosts[name] = self.call.fold.get(hosts, name)
        return self.hosts[name]

    def encoded(self, some: Iterable[Known[Server]]) -> list[Raw]:
        """Servers of a list, as bytes."""
        views: Encoded = self.call.cloud.parts.setdefault(Encoded, Encoded())
        version, fold = self.call.version, self.call.fold
        kept = views.of((version, self.admin, self.here))
        found = []
        for known in some:
            server = known.state
            host = self.host(server.host) if server.host else None
            ports = networks.ports_of(fold, server)
            shown = (host, ports)
            entry = kept.get(known.key)
            if entry is None or entry[0] is not known or entry[1] != shown:
                view = self._view(known, host, ports, alone=False)
                shape(view, version)
                entry = kept[known.key] = (known, shown, Raw(_encode(view)))
                views.count += 1
            found.append(entry[2])
        return found

    def view(self, known: Known[Server]) -> ServerView:
        """A server with all that the caller may see."""
        server = known.state
        host = self.host(server.host) if server.host else None
        return self._view(known, host, networks.ports_of(self.call.fold, server), alone=True)

    def _view(self, known: Known[Server], host: Host | None, ports: list[PortFacts], *, alone: bool) -> ServerView:
        server = known.state
        id, size, dead = server.id, server.size, server.deleted
        status = "DELETED" if dead else server.status
        view = ServerView(
            id=id,
            name=server.name,
            status=status,
            tenant_id=server.project,
            user_id=server.user,
            metadata=server.metadata,
            hostId=host_id(server.project, server.host) if server.host else "",
            image=self._image(server),
            flavor=FlavorInside(size.vcpus, size.ram, size.disk, size.ephemeral, size.swap, size.name, size.extra_specs)
            if self.inside
            else FlavorLink(size.id, [Link("bookmark", self.flavor + size.id)]),
            created=known.created_at.replace(microsecond=0),
            updated=known.updated_at.replace(microsecond=0),
            addresses=addresses(ports) if ports else {},
            accessIPv4=server.access_ipv4,
            accessIPv6=server.access_ipv6,
            links=[Link("self", self.here + id), Link("bookmark", self.bookmark + id)],
            disk_config=server.disk_config,
            progress=0 if status in _IN_PROGRESS else UNSET,
            fault=self._fault(server.fault) if server.fault and status in ("ERROR", "DELETED") else UNSET,
            zone=host.zone if host else server.zone or "",
            config_drive="True" if server.config_drive else "",
            key_name=server.key_name,
            launched_at=server.launched_at and server.launched_at.replace(tzinfo=None),
            terminated_at=server.terminated_at and server.terminated_at.replace(tzinfo=None),
            security_groups=groups(ports) if ports else UNSET,
            task_state=None if dead else task_state(server),
            vm_state="deleted" if dead else vm_state(server),
            power_state=0 if dead else _POWER.get(server.status, 0),
            volumes=[],
            locked=server.locked,
            locked_reason=server.locked_reason,
            description=server.description,
            tags=server.tags,
            trusted_image_certificates=None,
            server_groups=server.hints.get("group", ()) if alone else UNSET,
            pinned_zone=server.zone,
            scheduler_hints=server.hints,
        )
        if self.admin:
            self._more(view, server, host)
        elif self.named:
            view.hostname = server.hostname
        return view

    def _more(self, view: ServerView, server: Server, host: Host | None) -> None:
        """What only an admin may see."""
        view.host = server.host
        view.node = (host.capacity.hypervisor_hostname or server.host) if host else server.host
        view.instance_name = f"instance-{server.id[:8]}" if server.host else ""
        view.reservation = server.reservation
        view.launch_index = server.launch_index
        view.hostname = server.hostname
        view.kernel = view.ramdisk = ""
        view.root_device = "/dev/vda" if server.host else None
        view.user_data = user_data.known(self.call.cloud, server.user_data)
        view.host_status = _host_status(host) if server.host else ""

    def _image(self, server: Server) -> ImageView | str:
        if server.image is None:
            return ""
        said = {name: value for name, value in server.image_properties.items() if name not in images.FACTS}
        return ImageView(server.image, [Link("bookmark", self.image + server.image)], said)

    def _fault(self, fault: Fault) -> FaultView:
        """Its details are for admins, unless the caller can do something about it."""
        view = FaultView(fault.code, second(fault.at), fault.message)
        if fault.details is not None and (self.admin or fault.code != 500):
            view.details = fault.details
        return view


def _host_status(host: Host | None) -> str:
    """What is said of a silent host: it is not known whether its guests run."""
    if host is None:
        return ""
    if host.forced_down:
        return "DOWN"
    if host.disabled:
        return "MAINTENANCE"
    return "UP" if host.up else "UNKNOWN"


def addresses(ports: list[PortFacts]) -> dict[str, list[AddressView]]:
    """The addresses of a server by the names of its networks."""
    found: dict[str, list[AddressView]] = {}
    for port in ports:
        here = found.setdefault(port.network_name, [])
        here += [AddressView(6 if ":" in ip else 4, ip, "fixed", port.mac) for _, ip in port.fixed_ips]
        here += [AddressView(6 if ":" in ip else 4, ip, "floating", port.mac) for ip in port.floating_ips]
    return found


def groups(ports: list[PortFacts]) -> list[Named]:
    """The names of the security groups of a server's ports, each group once."""
    return [Named(name) for name in dict(one for port in ports for one in port.groups).values()]


async def of(call: Call, known: Known[Server]) -> ServerView:
    """The view of one server."""
    await user_data.learn(call.cloud, [known.state.user_data])
    return Viewer(call).view(known)


def known_of(call: Call, id: str) -> Known[Server] | None:
    """A live server that the caller may see."""
    known = call.fold.known(servers, id)
    return known if known and not known.state.deleted and call.may_see(known.state) else None
