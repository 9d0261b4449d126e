"""Identity with many people: `python -m benchmarks.identity`. One gateway and a second one, one NATS server, fsync.

10 000 users, 2 000 projects, 50 000 assignments, one user in 50 groups. They are written as the cloud's own rules say
they come to be, straight into the journal, before the gateways start. Also counted: the lines of the service.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from statistics import median, quantiles
from typing import Any

import aiohttp
import bcrypt

from benchmarks import rows
from benchmarks.clouds import Client
from benchmarks.history import Pen, Wish
from benchmarks.log import store, stored
from benchmarks.rows import Row
from benchmarks.split import Part, Split
from events.envelope import CLOUD, Command
from events.fold import Fold
from events.identity import assignment, group, membership, name, project, role, user
from events.identity.assignment import grant
from events.identity.group import GroupCreated
from events.identity.membership import Join
from events.identity.name import Take
from events.identity.project import ProjectCreated
from events.identity.record import Make
from events.identity.user import UserCreated
from events.ids import derived
from events.journal import Entry
from events.nats.jetstream import JetStreamJournal
from events.nats.wire import Wire
from events.services import deciders

USERS, PROJECTS, ASSIGNMENTS, GROUPS = 10_000, 2_000, 50_000, 50
PASSWORD = "correct horse"
COST = 12
AT_ONCE = 8
SOME = 1000  # commits that are sent at a time


def _id(*parts: str) -> str:
    return derived("identity bench", *parts).replace("-", "")


class Crowd:
    """Many people, and what they may do."""

    def __init__(self, fold: Fold, at: datetime) -> None:
        self.fold = fold
        self.pen = Pen(fold, at)
        self.quick = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()  # of the last user
        self.users = [_id("user", str(number)) for number in range(USERS)]
        self.projects = [_id("project", str(number)) for number in range(PROJECTS)]
        self.groups = [_id("group", str(number)) for number in range(GROUPS)]

    def entries(self) -> Iterator[list[Entry]]:
        """All of it, some at a time."""
        for resource, command in self._commands():
            self.pen.put(resource, Wish(command, CLOUD))
            if len(self.pen.entries) >= SOME:
                yield self.pen.take()
        yield self.pen.take()

    def _commands(self) -> Iterator[tuple[Any, Command]]:
        usual = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST)).decode()
        for number, id in enumerate(self.users):
            yield name, Take(id=("user", "default", f"user-{number}"), holder=id)
            extra = {"email": f"user-{number}@cloud.test"}
            hash = usual if number < USERS - 1 else self.quick
            made = UserCreated(id=id, name=f"user-{number}", domain="default", password=hash, extra=extra)
            yield user, Make(id=id, made=made)
        for number, id in enumerate(self.projects):
            yield name, Take(id=("project", "default", f"project-{number}"), holder=id)
            yield project, Make(id=id, made=ProjectCreated(id=id, name=f"project-{number}", domain="default"))
        for number, id in enumerate(self.groups):
            yield group, Make(id=id, made=GroupCreated(id=id, name=f"group-{number}", domain="default"))
            yield membership, Join(id=(id, self.users[0]))
        yield from self._grants()

    def _grants(self) -> Iterator[tuple[Any, Command]]:
        member = next(one.id for one in self.fold.by(role, "name", "member"))
        dice, made = Random(1), 0
        for number, id in enumerate(self.groups):  # each on two projects
            for place in self.projects[number * 2 : number * 2 + 2]:
                yield assignment, grant(("group", id), ("project", place), member)
                made += 1
        each = (ASSIGNMENTS - made) // USERS
        for number, id in enumerate(self.users):
            for place in dice.sample(self.projects, each + (number < (ASSIGNMENTS - made) % USERS)):
                yield assignment, grant(("user", id), ("project", place), member)


class Bench:
    """One run."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.rows: list[Row] = []
        self.state = Path(tempfile.mkdtemp(prefix="cumulog-identity-"))
        self.split = Split(self.state, 0)
        self.second = Part(self.state, "gateway-2", "--listen", "127.0.0.1:0")
        self.client: Client

    def note(self, what: str, value: float, unit: str, bound: float, *, least: bool = False) -> None:
        self.rows.append(Row(what, value, unit, bound, least))
        print(self.rows[-1].line(), flush=True)

    async def run(self) -> None:
        try:
            await self._people()
            await self.split.start_journal()
            await self.split.gateway.start()
            await _rest(self.split.gateway)
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                self.client = Client(session, self.split)
                await self.client.login()
                await self._tokens()
                await self._passwords()
                await self._lists()
                await self._revocations()
        finally:
            await self.second.stop()
            await self.split.gateway.stop()
            await self.split.stop_journal()
            shutil.rmtree(self.state)

    async def _people(self) -> None:
        """Start once, so that there is a domain, and write what follows."""
        began = time.perf_counter()
        await self.split.start_journal("2m")
        await self.split.gateway.start()
        await self.split.gateway.stop()
        assert self.split.nats is not None
        wire = await Wire.connect([self.split.nats.url], self.split.nats.cloud)
        journal = await JetStreamJournal.open(wire)
        fold = Fold(deciders())
        await fold.follow(journal)
        await fold.stop()
        crowd = Crowd(fold, fold.newest_at or datetime.now(UTC))
        for entries in crowd.entries():
            await store(wire, journal, entries)
        await wire.client.flush(60)
        await stored(journal, fold.position)
        self.crowd = crowd
        await wire.close()
        await self.split.stop_journal()
        print(f"{fold.position} commits, {time.perf_counter() - began:.0f} s", flush=True)

    async def _median(self, what: str, call: Callable[[], Awaitable[object]], bound: float) -> None:
        self.note(what, await rows.median(call, 100 if self.quick else 500), "ms", bound)

    async def _rate(self, what: str, call: Callable[[], Awaitable[object]], bound: float) -> None:
        """Calls a second, eight at once; and what one of them takes of the gateway's processor."""
        end = time.perf_counter() + (2 if self.quick else 5)
        counts, used, began = [0] * AT_ONCE, self.split.gateway.seconds(), time.perf_counter()

        async def one(number: int) -> None:
            while time.perf_counter() < end:
                await call()
                counts[number] += 1

        await asyncio.gather(*map(one, range(AT_ONCE)))
        used = (self.split.gateway.seconds() - used) * 1000 / sum(counts)
        self.note(f"{what} at {AT_ONCE}", sum(counts) / (time.perf_counter() - began), "/s", bound, least=True)
        print(f"    {used:.2f} ms of the gateway's processor each", flush=True)

    async def _validate(self) -> None:
        headers = {"X-Subject-Token": self.client.token}
        await self.client.call("GET", "/identity/v3/auth/tokens", headers=headers)

    async def _rescope(self) -> None:
        identity = {"methods": ["token"], "token": {"id": self.client.token}}
        scope = {"project": {"id": self.client.project}}
        await self.client.call("POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}})

    async def _login(self, number: int = 1) -> None:
        who = {"id": self.crowd.users[number], "password": PASSWORD}
        identity = {"methods": ["password"], "password": {"user": who}}
        await self.client.call("POST", "/identity/v3/auth/tokens", {"auth": {"identity": identity}})

    async def _tokens(self) -> None:
        await self._median("token validate, p50", self._validate, 1.2)
        await self._rate("token validate", self._validate, 1500)
        await self._median("token from token, p50", self._rescope, 2)
        await self._rate("token from token", self._rescope, 1000)

    async def _passwords(self) -> None:
        await self._beyond()
        end = time.perf_counter() + (5 if self.quick else 20)
        count = 0

        async def logging_in(number: int) -> None:
            nonlocal count
            while time.perf_counter() < end:
                await self._login(number)
                count += 1

        took = []

        async def others() -> None:
            while time.perf_counter() < end:
                began = time.perf_counter()
                await self._validate()
                took.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(0.002)

        await asyncio.gather(others(), *map(logging_in, range(1, AT_ONCE + 1)))
        print(f"    p50 {median(took):.2f} ms of {len(took)}; {count} logins", flush=True)
        self.note(f"others' p99 while {AT_ONCE} clients log in", quantiles(took, n=100)[98], "ms", 15)

    async def _beyond(self) -> None:
        """What a login costs beyond its hash: measured with one of the least cost, which hides nothing."""
        hash, alone, logins = self.crowd.quick.encode(), [], []
        for _ in range(50 if self.quick else 200):  # in turn, so that both meet the same machine
            began = time.perf_counter()
            bcrypt.checkpw(PASSWORD.encode(), hash)
            alone.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            await self._login(USERS - 1)
            logins.append((time.perf_counter() - began) * 1000)
        self.note("password auth beyond the hash, p50", median(logins) - median(alone), "ms", 3)

    async def _lists(self) -> None:
        root, busy = "/identity/v3", self.crowd.users[0]
        found = (await self.client.call("GET", f"{root}/role_assignments?effective&user.id={busy}"))["role_assignments"]
        print(f"    {len(found)} effective assignments of one user", flush=True)
        for what, path, bound in (
            (f"effective assignments of one user in {GROUPS} groups", f"role_assignments?effective&user.id={busy}", 10),
            ("the same with names", f"role_assignments?effective&include_names&user.id={busy}", 10),
            (
                "effective assignments on one project",
                f"role_assignments?effective&scope.project.id={self.crowd.projects[0]}",
                10,
            ),
            (f"{USERS} users, a page of 100", f"users?limit=100&marker={self.crowd.users[0]}", 10),
            (f"{USERS} users, name__contains", "users?name__contains=user-999", 15),
            ("user by name", "users?name=user-777", 2),
        ):
            await self._bytes(what, f"{root}/{path}", bound, 40)
        await self._bytes(f"all {USERS} users", f"{root}/users", 150, 8)

    async def _bytes(self, what: str, path: str, bound: float, times: int) -> None:
        async def call() -> None:
            headers = {"X-Auth-Token": self.client.token}
            async with self.client.session.get(self.client.url + path, headers=headers) as answer:
                await answer.read()

        self.note(what, await rows.median(call, times, warm=3), "ms", bound)

    async def _revocations(self) -> None:
        """How long a token is still good at another gateway after this one has said that it is not."""
        await self.second.start()
        await _rest(self.second)
        elsewhere = self.second.said.split()[1]
        took = []
        for _ in range(10 if self.quick else 40):
            identity = {"methods": ["token"], "token": {"id": self.client.token}}
            async with self.client.session.post(
                f"{self.client.url}/identity/v3/auth/tokens", json={"auth": {"identity": identity}}
            ) as answer:
                token = answer.headers["X-Subject-Token"]
            headers = {"X-Auth-Token": token}
            path = "/identity/v3/auth/projects"
            async with self.client.session.get(elsewhere + path, headers=headers) as answer:
                assert answer.status == 200
            await self.client.call("DELETE", "/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
            began = time.perf_counter()
            status = 200
            while status == 200:
                async with self.client.session.get(elsewhere + path, headers=headers) as answer:
                    status = answer.status
            took.append((time.perf_counter() - began) * 1000)
        self.note("a revocation reaches another gateway, at most", max(took), "ms", 100)


async def _rest(part: Part, patience: float = 60.0) -> None:
    """Return when what a start brings with it is over: tables are written."""
    end, before = time.monotonic() + patience, part.seconds()
    while time.monotonic() < end:
        await asyncio.sleep(1)
        now = part.seconds()
        if now - before < 0.1:
            return
        before = now


def lines() -> str:
    """The lines of the service on every floor, those of the kernel, and those of each resource."""
    root = Path(__file__).parent.parent

    def count(paths: Iterator[Path]) -> int:
        return sum(len(path.read_text().splitlines()) for path in paths)

    floors = ("events", "projections", "handlers", "gateway")
    service = {floor: count((root / floor / "identity").rglob("*.py")) for floor in floors}
    own = ("events/nats", "gateway/composition")  # the folders of the kernel that are no service's
    kernel = {
        floor: count(path for at in (floor, *own) if at.startswith(floor) for path in (root / at).glob("*.py"))
        for floor in floors
    }
    names = [one.__name__.rpartition(".")[2] for one in deciders() if one.__name__.startswith("events.identity.")]
    each = {
        name: count(path for floor in floors for path in (root / floor / "identity").rglob(f"{name}.py"))
        for name in names
    }
    table = [f"| {floor} | {service[floor]} | {kernel[floor]} |" for floor in floors]
    return "\n".join(
        [
            "| floor | identity | kernel |",
            "|---|---|---|",
            *table,
            f"| all | {sum(service.values())} | {sum(kernel.values())} |",
            f"\n{len(names)} resources, in their own files on all floors {median(each.values()):.0f} lines (median):",
            ", ".join(f"{name} {number}" for name, number in sorted(each.items(), key=lambda one: one[1])),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--lines", action="store_true", help="count lines, and measure nothing")
    options = parser.parse_args()
    if not options.lines:
        bench = Bench(options.quick)
        asyncio.run(bench.run())
        if options.markdown:
            print(rows.table(bench.rows))
        print(rows.verdict(bench.rows))
    print(lines())


if __name__ == "__main__":
    main()
