"""The handlers as a part of a process: plans, orders, and the desk that takes the agents' reports."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec

from events import checkpoint
from events.following import Following
from events.journal import Epoch
from events.nats.feed_stream import FeedStream
from events.nats.gateways import Gateways, Links
from events.nats.wire import Message
from events.services import deciders, modules
from events.subjects import untoken
from gateway import consoles
from gateway.composition import journals
from gateway.composition.ground import ARCHIVE, Ground
from handlers.archivist import Archivist
from handlers.compute import guests
from handlers.compute.images import Sources
from handlers.compute.metadata import Metadatas
from handlers.filling import Filler
from handlers.network import groups
from handlers.orders import Orders
from handlers.reports import AT_ONCE, WAITING, Desk
from handlers.runner import Planner, Runner, Sight
from handlers.sweeper import Sweeper
from handlers.watch import Watch
from projections import archiving
from projections.archive import Chronicle


async def start(ground: Ground) -> Runner:
    """The runner of the plans, which run from now on; reports are taken, orders are given."""
    parts, wire, execute, vault = ground.parts, ground.wire, ground.execute, ground.vault
    parts.later("assignments", (await ground.assignments.serve()).stop)
    sight = Sight(fold=execute.fold, settings=ground.settings, vault=vault, is_deaf=lambda: not wire.is_connected)
    wire.listeners.append(sight.heard.clear)
    planners = cast(list[Planner], [module for module in modules("handlers") if hasattr(module, "plan")])
    runner = Runner(execute, sight, planners)
    orders = Orders(execute.fold, ground.assignments, [guests, groups], poison=sight.poison, clock=execute.clock)

    async def read(question: str, text: str) -> None:
        await consoles.answer(wire, question, text)

    metadata = Metadatas(execute.fold, vault, ground.settings.compute.zone)
    gateways = await Gateways.open(wire, replicas=journals.replicas(wire, ground.settings))
    sources = Sources(execute.fold, execute.clock, gateways, await Links.open(vault))
    desk = Desk(execute, sight, ground.assignments, metadata=metadata.document, read=read, images=sources.document)

    async def take(subject: str, data: bytes) -> bytes:
        return await desk.take(_host(subject), data)

    reports = await wire.serve("report.*", "reports", take, at_once=AT_ONCE, waiting=WAITING)
    parts.later("reports", reports.stop)

    async def beat(message: Message) -> None:
        await desk.beat(_host(message.subject))

    beats = await wire.listen("heartbeat.*", beat)
    parts.later("heartbeats", lambda: wire.unlisten(beats))
    orders.start()
    parts.later("orders", orders.stop)
    parts.background("sweeps", Sweeper(execute, vault, orders).run())
    runner.start()
    parts.later("handlers", runner.stop)
    following = Following(execute.fold, Chronicle(ground.journal, ground.archive))
    parts.background("feed", Filler(following, FeedStream(wire), ground.settings.feed.source).run())
    ground.health.worries["handlers"] = Watch(runner, orders).faults
    await _start_archivist(ground)
    return runner


async def _start_archivist(ground: Ground) -> None:
    async def keep(epoch: Epoch) -> int:
        kept = await archiving.keep(ground.archive, ground.journal, epoch, deciders())
        now = ground.execute.clock.now()
        await asyncio.to_thread(checkpoint.note, ground.path, kept.manifest.last, kept.manifest.chain, now)
        return kept.bytes

    commits = ground.settings.archive.commits
    archivist = Archivist(ground.journal, ground.execute.fold, keep, commits=commits, clock=ground.execute.clock)

    async def serve(subject: str, data: bytes) -> bytes:
        return msgspec.json.encode(await archivist.archive(int(data)))

    await ground.parts.service(ground.wire, ARCHIVE, ARCHIVE, serve)
    ground.parts.background("archivist", archivist.run())
    ground.health.worries["archive"] = lambda: archivist.failure or None


def _host(subject: str) -> str:
    """The host that a subject of its agent names."""
    return untoken(subject.split(".")[1])
