"""What must be so once everything is healed."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Protocol

from tests.faults.parts import Process
from tests.faults.people import COLLECTIONS, Person

REST = 90.0  # seconds in which everything comes to rest: a sweep for dead uploads comes once a minute
CLEAN = re.compile(r"commits and the tables checked: 0 findings")

Found = list[dict[str, Any]]


class Broken(AssertionError):
    """What is not as it must be, and which resource that concerns if it is one."""

    def __init__(self, what: str, resource: str = "") -> None:
        super().__init__(what)
        self.resource = resource


class Cloud(Protocol):
    """A cloud that can be checked."""

    @property
    def processes(self) -> Sequence[Process]: ...

    @property
    def memories(self) -> Sequence[Path]:
        """Where its simulated hosts keep their guests."""

    @property
    def tables(self) -> Iterable[Path]:
        """Of its processes, if each has some of its own."""

    def address(self, random: Random) -> str: ...

    async def stop(self) -> None: ...

    async def ask(self, *words: str) -> tuple[int, str]: ...


async def all_is_well(
    cloud: Cloud, person: Person, *, failures: bool = False, known: str = "", patience: float = REST
) -> float:
    """Everything, in the order in which it is best understood; the seconds until all rested. Raises Broken.

    `failures`: servers may have failed, for clocks jumped. `known`: what may be complained of in logs, a pattern.
    `patience`: seconds until all must rest.
    """
    promises = person.promises
    if promises.lies:
        raise Broken("dishonest answers:\n  " + "\n  ".join(promises.lies[:10]), _id_in(promises.lies[0]))
    begin = time.monotonic()
    servers = await rest(person, patience)
    rested = time.monotonic() - begin
    for server in servers:
        if server["status"] == "ERROR" and not failures:
            raise Broken(f"a server failed: {server.get('fault')}", server["id"])
    await kept(person)
    await hosts_agree(cloud, person, patience)
    await cloud.stop()
    await log_agrees(cloud)
    for process in cloud.processes:
        complaints = [line for line in process.complaints() if not (known and re.search(known, line))]
        if process.troubles or complaints:
            raise Broken("\n  ".join([f"{process.name}:", *process.troubles, *complaints[:20]]))
    return rested


def _id_in(text: str) -> str:
    found = re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|/projects/([0-9a-f]{32})", text)
    return (found[1] or found[0]) if found else ""


async def _all(person: Person, kind: str) -> Found | None:
    """All of a kind; None if it is not told now."""
    path = COLLECTIONS[kind] + ("/detail" if kind == "server" else "")
    answer = await person.call("GET", path)
    found: Found | None = answer.json()[f"{kind}s"] if answer is not None and answer.status_code == 200 else None
    return found


async def rest(person: Person, patience: float) -> Found:
    """The servers, once all of them rest, and the images and ports too. Raises Broken."""
    end = time.monotonic() + patience
    while True:
        servers, images, ports = [await _all(person, kind) for kind in ("server", "image", "port")]
        if servers is None or images is None or ports is None:
            busy = ["the cloud does not answer"]
        else:
            live = {server["id"] for server in servers}
            busy = [f"{one['id']} {one['status']} {one['OS-EXT-STS:task_state']}" for one in servers if moves(one)]
            busy += [
                f"{one['id']} image {one['status']}" for one in images if one["status"] not in ("active", "queued")
            ]
            busy += [
                f"{one['id']} port of no server" for one in ports if one["device_id"] and one["device_id"] not in live
            ]
            busy += [f"{one['id']} port {one['status']}" for one in ports if one["status"] == "BUILD"]
        if not busy and servers is not None:
            return servers
        if time.monotonic() > end:
            raise Broken("no rest:\n  " + "\n  ".join(busy[:10]), _id_in(busy[0]))
        await asyncio.sleep(0.2)


def moves(server: dict[str, Any]) -> bool:
    return bool(server["OS-EXT-STS:task_state"]) or server["status"] not in ("ACTIVE", "SHUTOFF", "ERROR")


async def kept(person: Person) -> None:
    """Every promise is. Raises Broken."""
    for thing in list(person.promises.things.values()):
        if thing.kind == "subnet":
            continue
        wrong = await person.look(thing)
        gone_server = thing.kind == "server" and thing.gone
        if wrong is None:
            raise Broken(f"{thing.url} does not say what it is", _id_in(thing.url))
        if wrong:
            raise Broken(wrong, _id_in(thing.url))
        if gone_server and await _stands(person, thing.url):
            raise Broken(f"{thing.url} was deleted, and is still there", _id_in(thing.url))
        if thing.kind == "image" and not thing.going and thing.digests:
            answer = await person.call("GET", f"{thing.url}/file")
            digest = hashlib.sha256(answer.content).hexdigest() if answer and answer.status_code == 200 else ""
            if (thing.digest and digest != thing.digest) or digest not in ("", *thing.digests):
                status = answer.status_code if answer else 0
                raise Broken(f"the bytes of {thing.url} ({status}) are not those that were sent", _id_in(thing.url))


async def _stands(person: Person, url: str) -> bool:
    answer = await person.call("GET", url)
    return answer is None or answer.status_code != 404


async def hosts_agree(cloud: Cloud, person: Person, patience: float) -> None:
    """Each host holds the guests of its servers, as they are, and no others. Raises Broken."""
    end = time.monotonic() + patience
    while True:
        servers = await _all(person, "server") or []
        wanted = {
            (one["OS-EXT-SRV-ATTR:host"], one["id"]): one["status"] == "ACTIVE"
            for one in servers
            if one["OS-EXT-SRV-ATTR:host"] and one["status"] != "ERROR"
        }
        failed = {one["id"] for one in servers if one["status"] == "ERROR"}
        found = {key: runs for memory in cloud.memories for key, runs in guests(memory) if key[1] not in failed}
        if wanted == found:
            return
        if time.monotonic() > end:
            wrong = sorted(set(wanted.items()) ^ set(found.items()))
            raise Broken(f"hosts and cloud do not agree (host, server, runs): {wrong[:5]}", wrong[0][0][1])
        await asyncio.sleep(0.3)


def guests(memory: Path) -> list[tuple[tuple[str, str], bool]]:
    """(host, server), and whether it runs."""
    if not memory.exists():
        return []
    with closing(sqlite3.connect(f"file:{memory}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT host, server, running FROM guest").fetchall()
    return [((host, server), bool(running)) for host, server, running in rows]


async def log_agrees(cloud: Cloud) -> None:
    """Log, tables and a fresh rebuild of them agree; the cloud is stopped. Raises Broken."""
    tables = min(cloud.tables, key=_digest, default=None)  # of one process of several, whichever
    for file in tables.parent.glob(f"{tables.name}*") if tables else ():
        shutil.copy(file, file.parents[1])  # where `up` has its own
    for words in ("verify", "rebuild", "verify"):
        status, said = await cloud.ask(words)
        if status or (words == "verify" and not CLEAN.search(said)):
            raise Broken(f"cumulog {words}: {said[-3000:]}")


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()
