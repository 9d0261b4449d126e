"""Measures what README's table has. `--quick`: fewer and smaller; `--markdown`: as a table for README."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from benchmarks import rows
from benchmarks.clouds import Client, Measured
from benchmarks.people import Person
from benchmarks.rows import Row

MIB = 1 << 20


class Bench:
    """One run over one cloud."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.rows: list[Row] = []
        self.client: Client
        self.person: Person

    def note(self, what: str, value: float, unit: str, bound: float, *, least: bool = False) -> None:
        row = Row(what, value, unit, bound, least)
        self.rows.append(row)
        print(row.line(), flush=True)

    async def median(self, what: str, call: Callable[[], Awaitable[object]], bound: float) -> None:
        """The median of many calls, one after the other, in ms."""
        self.note(what, await rows.median(call, 100 if self.quick else 500), "ms", bound)

    async def run(self) -> None:
        async with Measured(None, "--driver", "simulated", "--hosts", "50") as cloud:
            self.note("up to ready, empty", cloud.seconds_to_ready, "s", 1.5)
            await asyncio.sleep(5)
            self.note("memory of all processes, idle (PSS)", cloud.memory(), "MiB", 200)
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                self.client = Client(session, cloud)
                self.person = Person(self.client)
                await self.person.begin()
                await self._tokens()
                await self._servers()
                await self._reads()
                await self._images()
                await self._lists()
            await self._restart(cloud)

    async def _put(self, image: str, data: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        await self.client.call("PUT", f"/image/v2/images/{image}/file", data=_pieces(data), headers=headers)

    async def _tokens(self) -> None:
        client = self.client
        subject = {"X-Subject-Token": client.token}
        await self.median(
            "token validate, p50",
            lambda: client.call("GET", "/identity/v3/auth/tokens?nocatalog", headers=subject),
            1.2,
        )
        body = {
            "auth": {
                "identity": {"methods": ["token"], "token": {"id": client.token}},
                "scope": {"project": {"id": client.project}},
            }
        }
        await self.median("token from token, p50", lambda: client.call("POST", "/identity/v3/auth/tokens", body), 2)

    async def _servers(self) -> None:
        answered, active = [], []
        for i in range(20 if self.quick else 60):
            one = await self.person.one(f"one-{i}")
            answered.append(one[0])
            active.append(one[1])
        self.note("POST /servers answered, p50", statistics.median(answered), "ms", 5)
        self.note("server create -> ACTIVE, p50", statistics.median(active), "ms", 40)
        for count, bound in ((50, 1.0), (200, 4.0)):
            self.note(f"{count} servers at concurrency 8, all ACTIVE", await self._bulk(count, 8), "s", bound)

    async def _bulk(self, count: int, at_once: int) -> float:
        began = time.perf_counter()
        await self.person.many(count, at_once)
        return time.perf_counter() - began

    async def _reads(self) -> None:
        client = self.client
        servers = (await client.call("GET", "/compute/v2.1/servers?limit=1"))["servers"]
        path = f"/compute/v2.1/servers/{servers[0]['id']}"
        await self.median("show server, p50", lambda: client.call("GET", path), 1.5)
        await self.median("flavors/detail (10), p50", lambda: client.call("GET", "/compute/v2.1/flavors/detail"), 1.5)

    async def _images(self) -> None:
        data, up, down = os.urandom(64 * MIB), [], []
        for i in range(9):
            image = {"name": f"big-{i}", "disk_format": "raw", "container_format": "bare"}
            id = (await self.client.call("POST", "/image/v2/images", image))["id"]
            began = time.perf_counter()
            await self._put(id, data)
            up.append(64 * 1.048576 / (time.perf_counter() - began))
            down.append(await self._download(f"/image/v2/images/{id}/file"))
            await self.client.call("DELETE", f"/image/v2/images/{id}")
        self.note("image 64 MiB up", statistics.median(up), "MB/s", 250, least=True)
        self.note("image 64 MiB down", statistics.median(down), "MB/s", 950, least=True)

    async def _download(self, path: str) -> float:
        """MB/s, as bytes come off the socket: what a client does with them is not measured."""
        url = self.client.url.removeprefix("http://")
        host, _, port = url.partition(":")
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(host, int(port), limit=4 * MIB)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {url}\r\nX-Auth-Token: {self.client.token}\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        size = 0
        while chunk := await reader.read(MIB):
            size += len(chunk)
        writer.close()
        return size / 1e6 / (time.perf_counter() - began)

    async def _lists(self) -> None:
        have = 310 if not self.quick else 270
        while have < 1000:
            await self.person.create("many", min(100, 1000 - have))
            have += 100
        await self.person.settled()
        path = "/compute/v2.1/servers/detail?limit=1000"
        took = []
        for _ in range(10):
            began = time.perf_counter()
            async with self.client.session.get(
                self.client.url + path, headers={"X-Auth-Token": self.client.token}
            ) as answer:
                await answer.read()
            took.append((time.perf_counter() - began) * 1000)
        self.note("list 1 000 servers in detail", statistics.median(took), "ms", 60)

    async def _restart(self, cloud: Measured) -> None:
        total = 1000 if self.quick else 10_000
        async with aiohttp.ClientSession() as session:
            self.person.client = self.client = Client(session, cloud)
            await self.client.login()
            have = 1000
            while have < total:
                await self.person.create("more", 100)
                have += 100
            await self.person.settled()
        await cloud.stop()
        await cloud.start()
        self.note(f"up to ready, {total} servers in the log", cloud.seconds_to_ready, "s", 3)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """As a client sends a file."""
    for start in range(0, len(data), MIB // 4):
        yield data[start : start + MIB // 4]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    bench = Bench(options.quick)
    asyncio.run(bench.run())
    if options.markdown:
        print(rows.table(bench.rows))
    print(rows.verdict(bench.rows))


if __name__ == "__main__":
    main()
