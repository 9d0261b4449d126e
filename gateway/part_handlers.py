"""The handlers as a part of a process: plans, orders, and the desk that takes the agents' reports."""

from __future__ import annotations

from typing import cast

from events.chronicle import JournalChronicle
from events.feed_stream import FeedStream
from events.following import Following
from events.gateways import Gateways, Links
from events.services import modules
from events.subjects import untoken
from events.wire import Message
from gateway import consoles, journals
from gateway.ground import Ground
from handlers.compute import guests
from handlers.compute.images import Sources
from handlers.compute.metadata import Metadatas
from handlers.filling import Filler
from handlers.network import groups
from handlers.orders import Orders
from handlers.reports import Desk
from handlers.runner import Planner, Runner, Sight
from handlers.watch import Watch


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
    await parts.service(wire, "report.*", "reports", lambda subject, data: desk.take(_host(subject), data))

    async def beat(message: Message) -> None:
        await desk.beat(_host(message.subject))

    beats = await wire.listen("heartbeat.*", beat)
    parts.later("heartbeats", lambda: wire.unlisten(beats))
    orders.start()
    parts.later("orders", orders.stop)
    runner.start()
    parts.later("handlers", runner.stop)
    following = Following(execute.fold, JournalChronicle(execute.journal))
    parts.background("feed", Filler(following, FeedStream(wire), ground.settings.feed.source).run())
    ground.health.worries["handlers"] = Watch(runner, orders).faults
    return runner


def _host(subject: str) -> str:
    """The host that a subject of its agent names."""
    return untoken(subject.split(".")[1])
