"""The gateway as a part of a process: a cloud put together from the ground, and HTTP on a listening socket."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from events.journal import Unavailable
from events.nats.gateways import AGAIN, Announced, Gateways, Links
from gateway import aside, events, http, mending, policy_file, trace_routes
from gateway.application import application, faces
from gateway.cloud import Cloud
from gateway.clouds import Clouds
from gateway.composition import journals
from gateway.composition.directory import IMAGES, Directory
from gateway.composition.ground import Ground
from gateway.composition.parts import CannotStart, Parts
from gateway.consoles import Consoles
from gateway.entrance import Entrance
from gateway.feed import Feed
from gateway.fence import Fence
from gateway.identity.bootstrap import bootstrap
from gateway.identity.keys import RECEIPTS, KeyRing
from gateway.identity.receipts import Receipts
from gateway.identity.tokens import Tokens
from gateway.image import bucket, links, recovery
from gateway.image.store import ImageStore
from gateway.past import Past, chronicle_of
from gateway.rules import BadRule
from projections.requests import NAME, Requests

TICK = 0.02  # seconds between two looks at who is still connected


async def assemble(ground: Ground) -> Cloud:
    """What every function of the gateway works with; SQL is answered from now on."""
    execute, tables, wire = ground.execute, ground.tables, ground.wire
    keys = await KeyRing.open(ground.vault, execute.clock, ground.path / "keys" / "fernet")
    receipts = await KeyRing.open(ground.vault, execute.clock, name=RECEIPTS)
    ground.parts.background("tokens' keys", keys.watch(ground.settings.identity))
    ground.parts.background("receipts' keys", receipts.watch(ground.settings.identity))
    tokens = Tokens(execute.fold, ground.settings, execute.clock, keys)
    cloud = Cloud(execute, ground.settings, tokens.authenticate, ground.vault)
    cloud.put(tokens)
    cloud.put(Receipts(ground.settings, execute.clock, receipts))
    cloud.put(tables)
    cloud.put(Consoles(wire))
    cloud.put(bucket.store(ground.settings.image.store, ground.path / IMAGES), ImageStore)
    cloud.health = ground.health
    await ground.parts.service(wire, mending.QUERY, mending.QUERY, lambda _, sql: mending.answer_query(tables, sql))
    _put_past(ground, cloud)
    requests = Requests(tables.store.path.with_name(NAME) if tables.store.path else None)
    cloud.put(requests)
    ground.parts.background("index of requests", requests.run(execute.fold, chronicle_of(execute)))
    ground.parts.background("images' recovery", recovery.watch(cloud))
    return cloud


def _put_past(ground: Ground, cloud: Cloud) -> None:
    """The cloud as it was, with tables beside the present ones; what a killed process left there goes."""
    tables = ground.tables.store.path
    directory = tables.with_name("past") if tables else None
    if directory is not None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(mode=0o700)
    past = Past(cloud, chronicle_of(ground.execute), directory)
    cloud.put(past)
    ground.parts.later("worlds of the past", past.stop)


async def begin(cloud: Cloud, directory: Directory, url: str) -> None:
    """What a cloud begins with, if it is not there yet, and `clouds.yaml`."""
    clouds, settings, vault = Clouds(directory), cloud.settings, cloud.vault
    known = clouds.password("cumulog")
    first = known or settings.gateway.admin_password or secrets.token_urlsafe(18)
    kept = await vault.first(mending.ADMIN, first.encode())  # of several that begin at once, one says the password
    password = known or kept.decode()
    await bootstrap(cloud.execute, settings, password)
    clouds.write(settings.gateway.public_url or url, settings.identity.region, {"cumulog": password})


async def serve(parts: Parts, cloud: Cloud, listening: socket.socket, path: Path, *, drain: float = 0.0) -> None:
    """Answer HTTP from now on.

    At the end no connection is taken any more; those there are may ask on for `drain` seconds, and are told with each
    answer to ask elsewhere. What is being answered then is finished; what cannot be is answered 503.
    """
    feed = cloud.feed = Feed(cloud.fold, chronicle_of(cloud.execute), cloud.settings.feed)
    extra = [*aside.routes(cloud.health), *events.routes(cloud), *links.routes(cloud, await Links.open(cloud.vault))]
    extra += trace_routes.routes(cloud, chronicle_of(cloud.execute), cloud.part(Requests))
    app = application(cloud, faces(), extra)
    _rule(parts, cloud, path)
    draining = asyncio.Event()
    entrance = Entrance(_parting(app, draining), cloud.limits)
    server = http.Server(http.configuration(entrance, cloud.settings.limits))
    task = await http.begin(server, listening, "gateway")

    async def stop() -> None:
        draining.set()
        feed.close()
        for one in server.servers:
            one.close()
        for _ in range(int(drain / TICK)):
            if server.server_state.connections:
                await asyncio.sleep(TICK)
        await http.end(server, task)

    parts.later("gateway", stop)


def _rule(parts: Parts, cloud: Cloud, path: Path) -> None:
    """Put the operator's policy in force, now and whenever it changes. Raises CannotStart."""
    file = policy_file.place(path, cloud.settings.policy)
    try:
        policy_file.take(cloud.policy, file)
    except (BadRule, OSError) as fault:
        raise CannotStart(str(fault)) from fault
    parts.background("policy file", policy_file.watch(cloud.policy, file))


async def mind_others(ground: Ground, cloud: Cloud) -> None:
    """Fence from the moment that another gateway is there; until then what this process was told is all there is."""

    def fence() -> None:
        cloud.fence = cloud.fence or Fence(ground.execute, ground.settings)

    gateways = await Gateways.open(ground.wire, replicas=journals.replicas(ground.wire, ground.settings))
    listening = await gateways.listen(fence)
    ground.parts.later("ear for other gateways", lambda: ground.wire.unlisten(listening))
    if await gateways.all():
        fence()


async def announce(ground: Ground, cloud: Cloud, name: str, url: str) -> None:
    """Say that this gateway is there, and where: agents elsewhere fetch images from it."""
    settings, wire = ground.settings, ground.wire
    gateways = await Gateways.open(wire, replicas=journals.replicas(wire, settings))
    reached = settings.gateway.public_url or _reached(url)
    one = Announced(name=name, url=reached.rstrip("/"), store=cloud.part(ImageStore).id)
    await gateways.announce(one)

    async def again() -> None:
        while True:
            await asyncio.sleep(AGAIN)
            with contextlib.suppress(Unavailable):  # the next word is soon
                await gateways.announce(one)

    async def withdraw() -> None:
        if wire.is_connected:  # else it is forgotten in a minute
            with contextlib.suppress(Unavailable):  # likewise
                await gateways.withdraw(one)

    ground.parts.later("announcement", withdraw)
    ground.parts.background("announcements", again())


def _reached(url: str) -> str:
    """A URL by which others reach who listens on all addresses."""
    return url.replace("//0.0.0.0:", f"//{socket.gethostname()}:").replace("//[::]:", f"//{socket.gethostname()}:")


def _parting(app: ASGIApp, draining: asyncio.Event) -> ASGIApp:
    """`app`, whose answers end their connections once `draining` is set."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and draining.is_set():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await app(scope, receive, sending)

    return call
