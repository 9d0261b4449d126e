"""The trace of one request in a large log, and what the index that finds it costs.

    python -m benchmarks.traces [--commits N]

Target: well under a second at 1 000 000 commits, of a recent request and of an old one, hot and archived.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.rebuild import fill
from events.envelope import Commit
from events.epochs import close
from events.fold import Fold
from events.nats.jetstream import JetStreamJournal
from events.nats.server import NatsServer
from events.nats.wire import Wire
from events.services import deciders
from gateway.traces import trace
from projections.archive import Archive, Chronicle
from projections.archiving import keep
from projections.cold import Directory
from projections.requests import NAME, Requests, asked_by, records

PLACES = (0.01, 0.5, 0.99)  # how far into the log are those that are asked for


async def asked(chronicle: Chronicle, last: int) -> list[str]:
    """The requests of some commits."""
    found = []
    for place in PLACES:
        async for entry in chronicle.entries(int(last * place) - 1, int(last * place)):
            found.append(asked_by(entry.data).request or "")
    return found


async def told(what: str, chronicle: Chronicle, requests: list[str], index: Requests | None) -> None:
    times, processor = [], time.process_time()
    for request in requests:
        began = time.perf_counter()
        found = await trace(chronicle, request, requests=index)
        times.append(time.perf_counter() - began)
        assert found.moments
    each = (time.process_time() - processor) / len(requests)
    told = ", ".join(f"{one * 1000:.0f}" for one in times)
    print(f"{what:45} {told} ms; median {median(times) * 1000:.0f}, processor {each * 1000:.0f} ms", flush=True)


def cost(entries: list[bytes]) -> float:
    """Microseconds of the processor for each commit that is heard."""
    decode = msgspec.json.Decoder(Commit[msgspec.Raw]).decode
    commits = [decode(data) for data in entries]
    began = time.process_time()
    for n, commit in enumerate(commits):
        records(commit, n)
    return (time.process_time() - began) * 1e6 / len(commits)


async def measure(commits: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        nats = NatsServer(path / "nats", sync="2m")
        await nats.start()
        wire = await Wire.connect(nats.urls, nats.access.cloud)
        journal = await JetStreamJournal.open(wire)
        archive = Archive(Directory(path / "archive"), path / "copies")
        chronicle = Chronicle(journal, archive)
        print(f"{await fill(wire, journal, commits // 19)} commits", flush=True)
        last = await journal.last()
        requests = await asked(chronicle, last)
        some = [entry.data async for entry in chronicle.entries(0, 20_000)]
        await told("the whole log is read", chronicle, requests[:1], None)
        fold = Fold(deciders())
        await fold.follow(journal)
        index = Requests(path / NAME)
        began, processor = time.perf_counter(), time.process_time()
        keeping = asyncio.create_task(index.run(fold, chronicle))
        while index.position < last:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        print(f"index made anew in {time.perf_counter() - began:.1f} s, beside other work", flush=True)
        print(
            f"{(path / NAME).stat().st_size / last:.1f} B a commit; {cost(some):.2f} us a commit that is heard, "
            f"{(time.process_time() - processor) * 1e6 / last:.1f} us one that is read again",
            flush=True,
        )
        await told("by the index, from the log", chronicle, requests, index)
        await told("by the index, from the log, again", chronicle, requests, index)
        await close(journal, fold)
        await keep(archive, journal, (await journal.epochs())[0], deciders())
        await journal.drop(1)
        await told("by the index, from the archive", chronicle, requests, index)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await fold.stop()
        await archive.close()
        await wire.close()
        await nats.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=1_000_000)
    asyncio.run(measure(parser.parse_args().commits))
