"""A large history, written quickly: what a cloud's own rules say happened to many servers, without their having run.

It begins with a cloud that was really started, with its hosts, and goes on as that cloud would have: every commit is
decided by the resource's own rules upon the state before it, chained and stored as one message. The living have whole
lives so far - quota, room on a host, port, addresses, running - in projects of a hundred servers each. The dead were
asked for and deleted before a host had been chosen: the shortest life there is, two commits and their quota, so that
a million of them can be written within minutes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from events import waiting
from events.compute import host as hosts
from events.compute import host_room
from events.compute import quota as compute_quota
from events.compute import server as servers
from events.compute.server import Attachment, Size
from events.envelope import LINK, Command, Commit, Origin, Part
from events.fold import Fold
from events.ids import derived, new_token
from events.journal import Entry
from events.network import address, quota, security_group, subnet
from events.network import network as networks
from events.network import port as ports
from events.network.network import CreateNetwork
from events.network.port import Address
from events.network.standard import holder
from events.network.subnet import CreateSubnet, Pool
from events.subjects import key_of
from handlers.compute import guests, scheduler
from handlers.network import groups
from handlers.orders import Order
from projections.network.port import share_of
from projections.network.security_group import steps_to_default

PROJECT = 100  # servers of one project
TICK = timedelta(microseconds=500)
GROUP = waiting.MOST
SIZE = Size(id="bench", name="bench", vcpus=1, ram=64, disk=1)
LIMITS = {"instances": -1, "cores": -1, "ram": -1}


class Wish(Struct, frozen=True):
    """A command and who asked."""

    command: Command
    origin: Origin


class Pen:
    """Writes what follows from commands, into a fold and to whoever takes the entries."""

    def __init__(self, fold: Fold, at: datetime) -> None:
        self.fold = fold
        self.at = at
        self.entries: list[Entry] = []  # that were not taken yet
        self._encode = msgspec.json.Encoder().encode

    def put(self, resource: Any, *wishes: Wish) -> None:
        """One commit of commands about one resource. Raises what its rules refuse."""
        shelf = self.fold.shelf(resource)
        key = key_of(wishes[0].command.id)
        known = shelf.known.get(key)
        self.at = max(self.at, known.updated_at if known else self.at) + TICK
        state = known.state if known else None
        events: list[Any] = []
        parts: list[Part] = []
        for wish in wishes:
            made = resource.decide(state, wish.command)
            for event in made:
                state = resource.evolve(state, event, self.at)
            if events:
                parts.append(
                    Part(id=self._id(), events=len(made), actor=wish.origin.actor, request=wish.origin.request)
                )
            events += made
        assert state is not None, "nothing was brought about"
        first = wishes[0].origin
        commit: Commit[Any] = Commit(
            id=self._id(),
            at=self.at,
            actor=first.actor,
            project=first.project,
            request=first.request,
            owner=state.owner,
            previous=known.hash[:LINK] if known else None,
            events=tuple(events),
            parts=tuple(parts),
        )
        entry = Entry(self.fold.position + 1, f"{shelf.prefix}.{key}", self._encode(commit))
        self.fold.apply(entry)
        self.entries.append(entry)

    def _id(self) -> str:
        return new_token()

    def take(self) -> list[Entry]:
        """What was written since it was asked last."""
        taken, self.entries = self.entries, []
        return taken


class History:
    """The servers of a cloud that has hosts."""

    def __init__(self, fold: Fold, at: datetime) -> None:
        self.fold = fold
        self.pen = Pen(fold, at)
        self.hosts = fold.all(hosts)
        self.made: list[str] = []  # servers that live
        self._run = new_token()  # whoever was broken off has left some of the dead behind

    def dead(self, count: int, begin: int = 0) -> Iterator[list[Entry]]:
        """So many servers that were asked for and deleted at once, some at a time; they leave the fold."""
        for first in range(begin, begin + count, GROUP):
            project = derived("project of the dead", str(first // GROUP % PROJECT)).replace("-", "")
            numbers = range(first, min(first + GROUP, begin + count))
            ids = [derived("dead", self._run, str(number)) for number in numbers]
            self._die(project, ids)
            for shelf in self.fold.shelves.values():
                shelf.bury(self.pen.at)
            yield self.pen.take()

    def _die(self, project: str, ids: list[str]) -> None:
        put = self.pen.put
        put(compute_quota, *(Wish(self._claim(project, id), _user(project, id)) for id in ids))
        for id in ids:
            put(servers, Wish(_request(project, id, ()), _user(project, id)))
            delete = Wish(servers.DeleteServer(id=id), _user(project, id))
            put(servers, delete, Wish(servers.ForgetServer(id=id), _cloud(id)))
        put(compute_quota, *(Wish(compute_quota.ReturnRoom(id=project, holder=id), _cloud(id)) for id in ids))

    def living(self, count: int, begin: int = 0) -> Iterator[list[Entry]]:
        """Servers that run, until there are so many, a project at a time."""
        for first in range(begin, count, PROJECT):
            project = derived("project", str(first // PROJECT)).replace("-", "")
            network, net = self._network(project)
            for index in range(first, min(first + PROJECT, count)):
                self._live(project, network, net, index)
            yield self.pen.take()

    def _network(self, project: str) -> tuple[str, str]:
        """A network with a subnet of a project's own; its default security group."""
        put, user = self.pen.put, _user(project, project)
        network, net = derived(project, "network"), derived(project, "subnet")
        put(networks, Wish(CreateNetwork(id=network, project=project, claim="n", name="own"), user))
        created = CreateSubnet(
            id=net,
            project=project,
            claim="s",
            network=network,
            cidr="10.0.0.0/20",
            ip_version=4,
            gateway_ip="10.0.0.1",
            pools=(Pool("10.0.0.2", "10.0.15.254"),),
        )
        put(subnet, Wish(created, user))
        for step in steps_to_default(self.fold, project, claim="g", now=self.pen.at):
            put(step.resource, Wish(step.command, user))
        return network, net

    def _live(self, project: str, network: str, net: str, index: int) -> None:
        put, now, host = self.pen.put, self.pen.at, self.hosts[index % len(self.hosts)]
        id = derived("living", str(index))
        self.made.append(id)
        port, claim, cloud = derived(id, "port", "0"), new_token()[:12], _cloud(id)
        number = 2 + index % PROJECT
        ip, hardware = (
            f"10.0.{number >> 8}.{number & 255}",
            f"fa:16:3e:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
        )
        soon = now + timedelta(seconds=60)
        put(compute_quota, Wish(self._claim(project, id), _user(project, id)))
        put(servers, Wish(_request(project, id, (Attachment(network=network),)), _user(project, id)))
        server = self.fold.get(servers, id)
        assert server is not None
        room = host_room.ClaimRoom(
            id=host.id,
            holder=id,
            amounts=scheduler.amounts(server),
            defaults=dict.fromkeys(("vcpus", "ram", "disk"), -1),
            until=soon,
        )
        put(host_room, Wish(room, cloud))
        put(quota, Wish(quota.ClaimShares(id=project, holders=((share_of(port, claim), "port"),), until=soon), cloud))
        named = holder(port, claim)
        put(address, Wish(address.Take(id=address.key(net, ip), holder=named, group=net, until=soon), cloud))
        made = ports.CreatePort(
            id=port,
            project=project,
            claim=claim,
            network=network,
            mac=hardware,
            mac_made=True,
            addresses=(Address(net, ip, claim),),
            device_id=id,
            device_owner=f"compute:{host.zone}",
            host=host.id,
            security_groups=(security_group.default_id(project),),
        )
        put(ports, Wish(made, cloud))
        put(servers, Wish(servers.PlaceServer(id=id, host=host.id, ports=(port,), deadline=soon), cloud))
        seen = servers.ReportServer(id=id, host=host.id, generation=1, seen="running")
        put(servers, Wish(seen, Origin(actor=f"host:{host.id}", request=f"req-{id}")))

    def _claim(self, project: str, id: str) -> compute_quota.ClaimRoom:
        amounts = {"instances": 1, "cores": SIZE.vcpus, "ram": SIZE.ram}
        until = self.pen.at + timedelta(minutes=5)
        return compute_quota.ClaimRoom(id=project, holder=id, amounts=amounts, defaults=LIMITS, until=until)


def _user(project: str, id: str) -> Origin:
    return Origin(actor="u" * 32, project=project, request=f"req-{id}")


def _cloud(id: str) -> Origin:
    return Origin(actor="cumulog", request=f"req-{id}")


def _request(project: str, id: str, attachments: tuple[Attachment, ...]) -> servers.RequestServer:
    name = f"server-{id[-8:]}"
    return servers.RequestServer(
        id=id,
        project=project,
        user="u" * 32,
        name=name,
        hostname=name,
        size=SIZE,
        request=f"req-{id}",
        description=name,
        image=derived("image"),
        image_properties={"disk_format": "raw", "container_format": "bare", "os_hash_value": "0" * 128},
        attachments=attachments,
        reservation=f"r-{id[-8:]}",
    )


def remember(path: Path, fold: Fold, host: str) -> None:
    """Have a simulated host hold the guests of all servers that run there."""
    with sqlite3.connect(path) as database:
        rows = ((host, one.id, 1, one.generation) for one in fold.by(servers, "host", host))
        database.executemany("INSERT OR REPLACE INTO guest VALUES (?, ?, ?, ?)", rows)


def orders(fold: Fold, made: Iterable[str]) -> Iterator[Order]:
    """What hosts have been told of these servers, and of the members of all groups."""
    for id in made:
        yield from guests.orders(fold, id)
    for id in groups.unsettled(fold):
        yield from groups.orders(fold, id)


__all__ = ["History", "orders", "remember"]
