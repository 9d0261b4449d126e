"""Where the journal of a cloud is: on NATS servers in its directory, or on an operator's own.

DIR/journal/nats.secret       from which the credentials of a cloud's processes are derived
DIR/journal/…                 one server
DIR/journal/n1, n2, n3, …     a cluster of several
DIR/credentials/WHO.json      credentials of one role, or of one host's agent
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from events.journal import Unavailable
from events.keys import is_kept, kept
from events.nats import cluster as nats_cluster
from events.nats.access import ROLES, Access, Role
from events.nats.cluster import NatsCluster
from events.nats.server import SECRET, NatsServer, StartFault
from events.nats.wire import Credentials, Denied, Wire
from events.settings import Settings
from gateway.composition.directory import Directory
from gateway.composition.parts import CannotStart

JOURNAL = "journal"  # the folder in DIR
CREDENTIALS = "credentials"
ACCOUNTS = "accounts.conf"
DENIALS = 2  # that may be so because credentials are new, and NATS has not heard of them yet
PAUSE = 1.0  # seconds between two attempts to reach NATS

log = logging.getLogger("cumulog.nats")

Servers = NatsServer | NatsCluster


class Pass(Struct, frozen=True, kw_only=True):
    """What a file of credentials says."""

    cloud: str  # the id that the cloud's things on a host bear
    user: str
    password: str
    inbox: str
    host: str | None = None  # of an agent


def servers(path: Path, settings: Settings, nodes: int | None = None, hosts: Iterable[str] = ()) -> Servers:
    """Those of a directory, `nodes` of them, or as many as it has; they let in the agents of these hosts too.

    Raises CannotStart.
    """
    directory, sync = path / JOURNAL, settings.journal.sync
    found = nats_cluster.size(directory) or (1 if (directory / "jetstream").exists() else 0)
    if nodes and found and nodes != found:
        raise CannotStart(f"--nodes {nodes}: the journal in {path} is on {found}; a cloud keeps their number")
    hosts, heard = {*admitted(path), *hosts}, consumers(path)
    if (nodes or found) > 1:
        return NatsCluster(directory, nodes or found, sync=sync, hosts=hosts, consumers=heard)
    memory = settings.journal.max_memory
    return NatsServer(directory, sync=sync, hosts=hosts, consumers=heard, max_memory=memory)


def urls(path: Path, settings: Settings) -> list[str]:
    """Where NATS is now. Raises StartFault: nowhere."""
    if settings.journal.nats:
        return [url.strip() for url in settings.journal.nats.split(",")]
    found = servers(path, settings)
    found.attach()
    return found.urls


async def reach(path: Path, settings: Settings, credentials: Credentials, name: str) -> Wire:
    """A connection, as soon as NATS can be reached. Raises CannotStart: it does not let us in."""
    said, denied = "", 0
    while True:
        try:
            return await Wire.connect(urls(path, settings), credentials, name=name)
        except Denied as fault:
            denied += 1
            if denied > DENIALS:
                raise CannotStart(str(fault)) from fault
        except (StartFault, Unavailable) as fault:
            if str(fault) != said:
                said = str(fault)
                log.warning("waiting for NATS: %s", said)
        await asyncio.sleep(PAUSE)


def replicas(wire: Wire, settings: Settings) -> int:
    """Of each stream."""
    return settings.journal.replicas or (3 if wire.is_clustered else 1)


# Credentials


def access(path: Path) -> Access:
    """Everybody's credentials; the secret is made at the first use."""
    return Access(kept(path / JOURNAL / SECRET))


def write(directory: Directory, role: str, host: str | None) -> Path:
    """The file with the credentials of a role, or of a host's agent; the accounts' file follows."""
    everybody = access(directory.path)
    given = everybody.agent(host) if host is not None else everybody.role(_role(role))
    one = Pass(cloud=directory.cloud_id, user=given.user, password=given.password, inbox=given.inbox, host=host)
    name = f"{CREDENTIALS}/{role if host is None else f'agent.{host}'}.json"
    file = directory.write_private(name, _text(one))
    write_accounts(directory)
    return file


def write_accounts(directory: Directory) -> Path:
    """The accounts for the configuration of an operator's own NATS servers, with all agents that have credentials."""
    accounts = access(directory.path).accounts(admitted(directory.path), consumers(directory.path))
    return directory.write_private(f"{CREDENTIALS}/{ACCOUNTS}", _text({"accounts": accounts}))


def admitted(path: Path) -> list[str]:
    """The hosts whose agents have files of credentials here."""
    found = [_read(file).host for file in (path / CREDENTIALS).glob("agent.*.json")]
    return sorted(host for host in found if host)


def consumers(path: Path) -> list[str]:
    """The consumers of the feed that have files of credentials here."""
    return sorted(file.name.split(".")[1] for file in (path / CREDENTIALS).glob("consumer.*.json"))


def credentials(
    directory: Directory, settings: Settings, role: str, host: str | None, file: Path | None
) -> Credentials:
    """Of a process: from `file`, or as found in the directory, whose own servers admit it. Raises CannotStart."""
    name = role if host is None else f"agent.{host}"
    found = file or directory.path / CREDENTIALS / f"{name}.json"
    if found.exists():
        one = _read(found)
        if one.host != host:
            raise CannotStart(f"--credentials {found}: these are not {name}'s")
        directory.adopt(one.cloud)
        return Credentials(user=one.user, password=one.password, inbox=one.inbox)
    own = not settings.journal.nats or is_kept(directory.path / JOURNAL / SECRET)
    if file is None and own:
        everybody = access(directory.path)
        return everybody.agent(host) if host is not None else everybody.role(_role(role))
    raise CannotStart(f"there are no credentials in {found}: `cumulog credentials` on the cloud's machine writes them")


def _role(name: str) -> Role:
    return next(role for role in ROLES if role == name)


def _read(file: Path) -> Pass:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Pass)
    except msgspec.DecodeError as fault:
        raise CannotStart(f"{file} holds no credentials: {fault}") from fault


def _text(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"
