"""The witness: folds each commit in the moment in which it is stored, and sounds the alarm at what must never be.

What may be only for a while - claims of an attempt that died - is looked for at the end, by `left_over`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agents.compute.hypervisor import Found
from agents.compute.simulated import Memory
from events.compute import host_room
from events.compute import quota as compute_quota
from events.compute import server as servers
from events.compute.server import Server, ServerRemoved, ServerStarted, ServerStopped
from events.fold import Change, Fold
from events.journal import Entry
from events.network import address as addresses
from events.network import mac as macs
from events.network import network as networks
from events.network import port as ports
from events.network import quota as network_quota
from events.network import security_group as groups
from events.network import segment
from events.network import subnet as subnets
from events.network.port import Port
from events.network.standard import holder
from events.room import Room
from tests.simulation.shaky import Recorded


class WatchedMemory(Memory):
    """The guests of all hosts; one server's guest on two of them is an alarm."""

    def __init__(self) -> None:
        super().__init__()
        self.alarms: list[str] = []

    def put(self, host: str, server: str, found: Found | None) -> None:
        super().put(host, server, found)
        where = [name for name, guests in self.guests.items() if server in guests]
        if len(where) > 1:
            self.alarms.append(f"{server} has guests on {where}")


class Witness:
    """Sees everything at once."""

    def __init__(
        self,
        journal: Recorded,
        resources: list[Any],
        memory: WatchedMemory,
        limits: dict[str, int],
        quotas: dict[str, int],
    ) -> None:
        self.alarms: list[str] = []
        self.fold = Fold(resources)
        self._journal = journal
        self._memory = memory
        self._limits = limits  # of each host
        self._quotas = quotas  # of each project
        self.fold.listeners.append(self._check)
        journal.watchers.append(self._apply)

    def _apply(self, entry: Entry) -> None:
        self.fold.apply(entry)
        if self.fold.passage.differs:
            self.fold.passage.differs = 0
            self.alarm(f"what was carried into epoch {self.fold.epoch.number + 1} is not what was true")

    def alarm(self, what: str) -> None:
        self.alarms.append(f"after {self.fold.position}: {what}")

    def _check(self, change: Change) -> None:
        _, service, resource, _ = change.subject.split(".", 3)
        state = change.after.state
        match service, resource:
            case "compute", "server":
                self._check_server(state)
                self._check_word(change)
            case "compute", "host_room":
                self._check_sum(state, self._limits)
                for server in self.fold.by(servers, "host", state.id):
                    self._check_server(server)
            case "compute", "quota":
                self._check_sum(state, self._quotas)
            case "network", "port":
                self._check_port(state)
            case "network", ("address" | "mac"):
                self._check_claim(change.before.state if change.before else None, state)

    def _check_sum(self, room: Room, limits: dict[str, int]) -> None:
        for name, limit in limits.items():
            held = sum(share.amounts.get(name, 0) for share in room.shares.values())
            if held != room.used.get(name, 0):
                self.alarm(f"{room.id} says that {room.used.get(name, 0)} {name} are used, its shares say {held}")
            if held > limit:
                self.alarm(f"{room.id} is overfull: {held} {name} of {limit}")

    def _check_server(self, server: Server) -> None:
        if server.deleted:
            return
        is_there = server.wanted != "gone" or server.id in self._memory.guests.get(server.host or "", {})
        if server.host is not None and not server.removed and is_there:
            room = self.fold.get(host_room, server.host)
            if room is None or server.id not in room.shares:
                self.alarm(f"{server.id} is on {server.host} and has no room there")
        if server.wanted != "gone":
            quota = self.fold.get(compute_quota, server.project)
            if quota is None or server.id not in quota.shares:
                self.alarm(f"{server.id} has no share of the quota of {server.project}")

    def _check_word(self, change: Change) -> None:
        """What is said of a guest is so on its host: for the wish that stood when it was said, not for one before."""
        server = change.before.state if change.before else None
        for event in change.commit.events:
            server = servers.evolve(server, event, change.commit.at)
            guest = self._memory.guests.get(server.host or "", {}).get(server.id)
            if isinstance(event, ServerStarted | ServerStopped) and (
                guest is None or guest.generation < server.generation
            ):
                self.alarm(f"{event!r} of {server.id}, generation {server.generation}, whose guest is {guest}")
            if isinstance(event, ServerRemoved) and not event.abandoned and guest is not None:
                self.alarm(f"{server.id} is said to be removed, there is {guest}")

    def _check_port(self, port: Port) -> None:
        if port.deleted:
            return
        for one in port.addresses:
            claim = self.fold.get(addresses, addresses.key(one.subnet, one.ip))
            if claim is None or claim.holder != holder(port.id, one.claim):
                self.alarm(f"port {port.id} has {one.ip}, whose claim is {claim}")
            if len([p for p in self.fold.by(ports, "ips", one.ip) if one.subnet in p.subnets]) > 1:
                self.alarm(f"{one.ip} is held by two ports")
        claim = self.fold.get(macs, macs.key(port.network, port.mac))
        if port.mac_claim and (claim is None or claim.holder != holder(port.id, port.mac_claim)):
            self.alarm(f"port {port.id} has {port.mac}, whose claim is {claim}")
        if len([p for p in self.fold.by(ports, "mac", port.mac) if p.network == port.network]) > 1:
            self.alarm(f"{port.mac} is held by two ports")

    def _check_claim(self, before: Any, after: Any) -> None:
        """A port never loses what it has."""
        if before is not None and (after.deleted or before.holder != after.holder):
            port = self.fold.get(ports, before.holder.partition(".")[0])
            if port is not None:
                self._check_port(port)
        if before is not None and not before.deleted and not after.deleted:
            self.alarm(f"{before.key} was taken from {before.holder} by {after.holder}")

    # At the end

    def strays(self) -> Iterator[str]:
        """Guests of no server, servers without their guest, and servers that are not what their guest is."""
        held = {(host, id): guest for host, guests in self._memory.guests.items() for id, guest in guests.items()}
        placed = {(server.host, server.id): server for server in self.fold.all(servers) if server.host}
        for name in held.keys() - placed.keys():
            yield f"a guest of nobody: {name}"
        for name, server in placed.items():
            guest = held.get(name)
            if server.status in ("ACTIVE", "SHUTOFF") and (guest is None or guest.generation != server.generation):
                yield f"{name} is {server.status}, generation {server.generation}, its guest is {guest}"

    def left_over(self) -> Iterator[str]:
        """What is claimed for nothing, or not at rest."""
        live = {server.id: server for server in self.fold.all(servers)}
        for server in live.values():
            if server.phase is not None:
                yield f"{server.id} does not rest: {server.phase}, {server.status}, wanted {server.wanted}"
        for room in self.fold.all(host_room):
            for name in room.shares:
                if name not in live or live[name].host != room.id:
                    yield f"room on {room.id} is held for {name}: {live.get(name)}"
        for room in self.fold.all(compute_quota):
            for name in room.shares:
                if name not in live:
                    yield f"quota is held for {name}, which is not there"
        yield from self._left_of_ports(live)
        yield from self._left_of_quotas()
        if fresh(self._journal, self.fold) != states(self.fold):
            yield "folded anew, the journal says something else"

    def _left_of_ports(self, live: dict[str, Server]) -> Iterator[str]:
        all_ports = {port.id: port for port in self.fold.all(ports)}
        for port in all_ports.values():
            if port.device_id:
                server = live.get(port.device_id)
                if server is None or server.host is None:
                    yield f"port {port.id} is held for {port.device_id}: {server}"
        for resource in (addresses, macs):
            for claim in self.fold.all(resource):
                if claim.holder.partition(".")[0] not in all_ports:
                    yield f"{claim.key} is held for {claim.holder}, which is not there"
        for claim in self.fold.all(segment):
            if self.fold.get(networks, claim.holder.partition(".")[0]) is None:
                yield f"{claim.key} is held for {claim.holder}, which is not there"
        for network in self.fold.all(networks):
            if network.leaving or any(self.fold.get(subnets, place.subnet) is None for place in network.places):
                yield f"network {network.id} is half-way: {network}"

    def _left_of_quotas(self) -> Iterator[str]:
        kinds = {"network": networks, "subnet": subnets, "port": ports, "security_group": groups}
        for room in self.fold.all(network_quota):
            for kind, resource in kinds.items():
                count = len([one for one in self.fold.all(resource) if one.project == room.id])
                if room.used.get(kind, 0) != count:
                    held = [name for name in room.shares if name.startswith(f"{kind}:")]
                    yield f"quota says {room.used.get(kind, 0)} {kind}s, there are {count}: {held}"

    def history(self, last: int = 80) -> str:
        """The newest commits, for whoever wants to know what went wrong."""
        lines = []
        for entry in self._journal.entries[-last:]:
            shelf = self.fold.shelves.get(".".join(entry.subject.split(".")[:3]))
            if shelf is None:
                lines.append(f"{entry.sequence:>6} {entry.subject} {entry.data[:200]!r}")
                continue
            commit = shelf.decode(entry.data)
            lines.append(f"{entry.sequence:>6} {commit.at:%H:%M:%S.%f} {entry.subject} {commit.actor}: {commit.events}")
        return "\n".join(lines)


def states(fold: Fold) -> dict[str, Any]:
    return {f"{shelf.prefix}.{key}": known for shelf in fold.shelves.values() for key, known in shelf.known.items()}


def fresh(journal: Recorded, like: Fold) -> dict[str, Any]:
    fold = Fold([shelf.module for shelf in like.shelves.values()])
    for entry in journal.entries:
        fold.apply(Entry(*entry))
    return states(fold)
