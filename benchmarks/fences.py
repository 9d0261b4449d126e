"""What a fence costs, and how long a token that has ended is still good elsewhere: `python -m benchmarks.fences`.

Three gateways over three NATS servers, all on this machine; once with fences and once without, in turns, for other work
on the machine changes. Target: a token ends everywhere within 100 ms, whatever ends it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp

from benchmarks.split import processor
from events.process import remembered
from tests.histories.gateways import Gateways, gateways
from tests.histories.revocations import WAYS, revocation

READS = 1000
ROUNDS = 2  # with fences and without
REVOCATIONS = 10  # of each way
BOUND = 100.0  # ms


class Reads(NamedTuple):
    """What many reads took."""

    time: float  # ms, the median
    rate: float  # a second
    gateway: float  # ms of the processor for each, in the gateway
    servers: float  # and in the servers of NATS


def processors(pids: Iterable[int]) -> float:
    """Seconds that processes have had of the processors."""
    return sum(map(processor, pids))


async def reads(cloud: Gateways, clients: int) -> Reads:
    """Reads by so many clients at once at one gateway."""
    headers = {"X-Auth-Token": await cloud.login()}
    url = f"{cloud.all[1].url}/identity/v3/projects/{cloud.project}"
    own = [cloud.all[1].process.pid]
    nats = [found.pid for node in cloud.cluster.nodes if (found := remembered(node.directory / "nats.pid"))]
    times: list[float] = []

    async def client(http: aiohttp.ClientSession) -> None:
        while len(times) < READS:
            begin = time.perf_counter()
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            times.append(time.perf_counter() - begin)

    async with aiohttp.ClientSession() as http:
        begin, gateway, servers = time.perf_counter(), processors(own), processors(nats)
        await asyncio.gather(*(client(http) for _ in range(clients)))
        passed, count = time.perf_counter() - begin, len(times)
        each = (processors(own) - gateway) * 1000 / count, (processors(nats) - servers) * 1000 / count
    return Reads(median(times) * 1000, count / passed, *each)


async def main() -> None:
    found: dict[tuple[bool, int], list[Reads]] = {}
    late: dict[str, list[float]] = {way: [] for way in WAYS}
    for round in range(ROUNDS):
        for fenced in (True, False):
            with tempfile.TemporaryDirectory() as directory:
                async with gateways(Path(directory) / "cloud", 3, fenced=fenced) as cloud:
                    for clients in (1, 16):
                        await reads(cloud, clients)  # to warm up
                        found.setdefault((fenced, clients), []).append(await reads(cloud, clients))
                    if fenced and not round:
                        token = await cloud.login()
                        for _ in range(REVOCATIONS):
                            for way, times in late.items():
                                times.append(await revocation(cloud, token, way) * 1000)
    for clients in (1, 16):
        print(f"show, {clients} at once:       ms   a second   processor ms: gateway   NATS")
        for fenced, word in ((True, "with a fence"), (False, "without")):
            one = Reads(*map(median, zip(*found[fenced, clients], strict=True)))
            print(f"{word:>17} {one.time:10.2f} {one.rate:10.0f} {one.gateway:23.2f} {one.servers:6.2f}")
    for way, times in late.items():
        print(
            f"no gateway takes a token any more, when {way}, after {median(times):.1f} ms; at most {max(times):.1f} ms"
        )
    worst = max(max(times) for times in late.values())
    print(f"{'':17}at most {worst:.1f} ms <= {BOUND:g} ms{'' if worst <= BOUND else ': missed'}")


if __name__ == "__main__":
    asyncio.run(main())
