"""The commands that look after a cloud: bootstrap, client-secret, destroy, keys, query."""

from __future__ import annotations

import argparse
import asyncio
import math
import secrets
import shutil
import sys
from pathlib import Path

import msgspec

from agents import destroy
from events.clock import SystemClock
from events.decider import Executor
from events.nats.vault import NatsVault
from events.nats.wire import Faulty
from events.refusals import Invalid
from events.settings import Settings
from gateway.clouds import FILE, Clouds
from gateway.composition import journals
from gateway.composition.directory import Directory, DirectoryFault
from gateway.composition.ground import TABLES
from gateway.composition.hosts import HOST
from gateway.identity.bootstrap import bootstrap
from gateway.identity.federation.naming import client_secret
from gateway.identity.keys import RECEIPTS, TOKENS, ZERO, KeyRing
from gateway.reading import Opened, opened
from gateway.upkeep import folded
from projections.projector import Projector
from projections.query import Answer, query
from projections.query import text as text_of

DEFAULT_URL = "http://127.0.0.1:8774"
ADMIN = ("identity", "user", "admin", "password")  # in the vault: the one that the cloud itself gave
QUERY = "query"  # a running cloud answers SQL on this subject, to whoever has the cloud's own credentials


def run(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Do one command; its exit status. Raises DirectoryFault."""
    match options.command:
        case "query":
            return asyncio.run(_query(path, settings, options.sql))
        case "destroy":
            return _destroy(path, settings, options.yes)
        case "bootstrap":
            return asyncio.run(_bootstrap(path, settings))
        case "client-secret":
            return asyncio.run(_client_secret(path, settings, options.provider))
        case "keys":
            return asyncio.run(_keys(path, settings, rotate=options.action == "rotate"))
    raise AssertionError(options.command)


async def _query(path: Path, settings: Settings, sql: str) -> int:
    try:
        async with opened(path, settings) as cloud:
            answer = await (_ask_running(cloud, sql) if cloud.is_running else _ask_stopped(cloud, path, sql))
    except Invalid as refusal:
        print(f"cumulog: {refusal.message}", file=sys.stderr)
        return 1
    show(answer)
    return 0


def show(answer: Answer) -> None:
    """Print what a question found."""
    print("\t".join(answer.columns))
    for row in answer.rows:
        print("\t".join(map(text_of, row)))
    if answer.more:
        print(f"cumulog: only the first {len(answer.rows)} rows", file=sys.stderr)


async def _ask_running(cloud: Opened, sql: str) -> Answer:
    try:
        reply = msgspec.json.decode(await cloud.wire.call(QUERY, sql.encode(), timeout=30, attempt=15))
    except Faulty as fault:
        raise Invalid(str(fault)) from fault
    if "refused" in reply:
        raise Invalid(reply["refused"])
    return msgspec.convert(reply, Answer)


async def _ask_stopped(cloud: Opened, path: Path, sql: str) -> Answer:
    async with folded(cloud, path / TABLES) as tables:
        return await query(tables, sql)


async def answer_query(tables: Projector, payload: bytes) -> bytes:
    """What a running cloud answers on QUERY."""
    try:
        return msgspec.json.encode(await query(tables, payload.decode()), enc_hook=str)
    except Invalid as refusal:
        return msgspec.json.encode({"refused": refusal.message})


def _destroy(path: Path, settings: Settings, sure: bool) -> int:
    if not (path / "version").exists():
        raise DirectoryFault(f"there is no cloud in {path}")
    if not sure and input(f"Remove the cloud in {path} and all its guests? Type yes: ").strip() != "yes":
        return 1
    directory = Directory(path)
    directory.open(lambda path, found: None)  # of whatever version
    try:
        if sharers := directory.sharers():
            raise DirectoryFault(f"{path} is in use by {', '.join(sharers)}: stop them first")
        _remove_from_host(directory.cloud_id, path, settings)
        shutil.rmtree(path)
    finally:
        directory.close()
    print(f"{path} is gone.")
    return 0


def _remove_from_host(cloud_id: str, path: Path, settings: Settings) -> None:
    """What the cloud left on this host: guests, taps, bridges, namespaces, files."""
    found = asyncio.run(destroy.destroy(cloud_id, path / HOST, settings.compute.libvirt_uri))
    for name in found.__struct_fields__:
        things = getattr(found, name)
        if things:
            print(f"removed {name}: {', '.join(map(str, things))}")


async def _bootstrap(path: Path, settings: Settings) -> int:
    """A new admin password, in clouds.yaml; the admin's roles and project and the catalog as at the start."""
    directory = Directory(path)
    async with opened(path, settings) as cloud:
        async with folded(cloud, None if cloud.is_running else path / TABLES) as tables:
            password = settings.gateway.admin_password or secrets.token_urlsafe(18)
            await bootstrap(Executor(cloud.journal, tables.fold), settings, password, mend=True)
        vault = await _vault(cloud, path, settings)
        await vault.put(ADMIN, password.encode())
    clouds = Clouds(directory)
    clouds.write(clouds.url() or DEFAULT_URL, settings.identity.region, {"cumulog": password})
    print(f"The admin has a new password: it is in {path / FILE}.")
    return 0


async def _vault(cloud: Opened, path: Path, settings: Settings) -> NatsVault:
    return await NatsVault.open(cloud.wire, path / "keys", replicas=journals.replicas(cloud.wire, settings))


async def _client_secret(path: Path, settings: Settings, provider: str) -> int:
    """Keep a secret in the vault; an empty one is none."""
    secret = sys.stdin.read().strip()
    async with opened(path, settings) as cloud:
        vault = await _vault(cloud, path, settings)
        if secret:
            await vault.put(client_secret(provider), secret.encode())
        else:
            await vault.delete(client_secret(provider))
    return 0


async def _keys(path: Path, settings: Settings, *, rotate: bool) -> int:
    """The keys that seal tokens and receipts: replace the primary, or say which there are."""
    status = 0
    async with opened(path, settings) as cloud:
        vault = await _vault(cloud, path, settings)
        for what, name in (("tokens", TOKENS), ("receipts", RECEIPTS)):
            ring = await KeyRing.open(vault, SystemClock(), name=name)
            wait = await ring.rotate(settings.identity.token_keys) if rotate else ZERO
            if wait > ZERO:
                seconds = math.ceil(wait.total_seconds())
                print(
                    f"{what}: rotated a moment ago; in {seconds} s every gateway knows the staged key", file=sys.stderr
                )
                status = 1
            else:
                numbers = sorted(ring.keys.by_number, reverse=True)
                former = ", ".join(map(str, numbers[1:-1])) or "none"
                at = f"{ring.keys.rotated_at:%F %T} UTC"
                print(f"{what}: primary {numbers[0]}, former {former}, one staged; rotated {at}")
    return status
