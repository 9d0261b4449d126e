"""Traces: what belongs to one, who is told, and how it is drawn."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as xml
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from events.chronicle import JournalChronicle
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.guest import Taken
from events.compute.host import Capacity, JoinHost
from events.compute.server import Attachment, ReportServer
from events.envelope import CLOUD, Origin
from gateway import timeline, traces
from gateway.application import application
from gateway.trace_routes import routes
from gateway.traces import Moment, Said, Trace, trace
from tests.gateway.compute.clouds import HOST, boot, furnish, run
from tests.simulation.clouds import SimulatedCloud
from tests.simulation.moves import ask_for_network, ask_for_server
from tests.simulation.virtual import START
from tests.simulation.virtual import run as in_virtual_time
from tests.worlds import World, faces, world

SVG = "{http://www.w3.org/2000/svg}"


async def told(w: World, id: str, project: str | None = None) -> Trace:
    return await trace(JournalChronicle(w.execute.journal), id, w.fold, project)


def whole_story() -> Trace:
    """A server's trace in a simulated cloud with a network, as agents and handlers made it."""
    found: list[Trace] = []

    async def story() -> None:
        cloud = SimulatedCloud(3)
        cloud.dice.delay = 0.5
        await cloud.start()
        await asyncio.sleep(1)
        await ask_for_network(cloud.processes[0], "net", 1, 10)
        await ask_for_server(cloud.processes[0], "web", (Attachment(network="net"),), False)
        await asyncio.sleep(30)
        found.append(await trace(JournalChronicle(cloud.journal), "web"))
        await cloud.stop()

    in_virtual_time(story)
    return found[0]


def test_a_servers_trace_has_its_ports_addresses_room_and_what_its_agent_did() -> None:
    found = whole_story()
    kinds = {f"{moment.service}.{moment.resource}" for moment in found.moments}
    assert {
        "compute.server",
        "compute.quota",
        "compute.host_room",
        "network.port",
        "network.address",
    } <= kinds
    started = next(m for m in found.moments if any(said.type == "ServerStarted" for said in m.events))
    assert started.host is not None
    assert [step.step for step in started.steps] == ["order", "create"]
    create = started.steps[1]
    assert 0 < create.seconds <= 0.5
    assert START < create.at <= started.at - timedelta(seconds=create.seconds) + timedelta(milliseconds=1)


def test_a_trace_as_text_tells_times_between_steps() -> None:
    lines = traces.text(whole_story())
    assert lines[0].startswith("req-1  2026-01-01T")
    assert any("ServerPlaced (host=host-" in line for line in lines)
    agent = next(line for line in lines if "agent: create  took" in line)
    assert " ms" in agent
    assert all(line[0] in "├└│ " for line in lines[1:])


async def test_a_request_is_told_apart_from_others() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        other = await boot(w)
        server = w.fold.get(servers, id)
        assert server is not None
        request = server.request
        assert request is not None
        found = await told(w, request)
        assert {moment.request for moment in found.moments} == {request}
        assert other not in {moment.id for moment in found.moments}
        assert (await told(w, "req-unknown")).moments == ()


async def test_no_more_steps_of_an_agent_are_kept_than_set() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        steps = tuple(Taken(step=f"s{n}", at=START) for n in range(50))
        word = ReportServer(id=id, host=HOST, generation=1, seen="stopped", steps=steps)
        await w.execute(servers, word, Origin(actor=f"host:{HOST}"))
        last = (await told(w, id)).moments[-1]
        assert [step.step for step in last.steps] == [f"s{n}" for n in range(34, 50)]


async def test_of_a_resource_to_which_very_much_happened_only_so_much_is_kept() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        whole = (await told(w, id)).moments
        some = await trace(JournalChronicle(w.execute.journal), id, w.fold, most=2)
        assert 2 == len(some.moments) < len(whole)
        own = await trace(JournalChronicle(w.execute.journal), id, w.fold, "f" * 32, most=2)
        assert own.moments == ()


# Over HTTP


async def get(w: World, id: str, as_: str, **headers: str) -> httpx.Response:
    app = application(w.cloud, faces(), routes(w.cloud, JournalChronicle(w.execute.journal)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://cloud.test") as http:
        return await http.get(f"/trace/{id}", headers={"X-Auth-Token": as_, **headers})


async def test_a_project_is_told_of_its_own_and_not_of_hosts() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        await run(w, id)
        steps = (Taken(step="stop", at=START, seconds=1.0),)
        word = ReportServer(id=id, host=HOST, generation=1, seen="stopped", steps=steps)
        await w.execute(servers, word, Origin(actor=f"host:{HOST}"))
        mine = await get(w, id, "member")
        assert mine.status_code == 200
        moments = mine.json()["moments"]
        assert {moment["resource"] for moment in moments} >= {"server"}
        assert moments[-1]["steps"][0]["step"] == "stop"
        assert HOST not in mine.text
        assert HOST in (await get(w, id, "admin")).text
        assert (await get(w, id, "foreign")).status_code == 404
        assert (await get(w, id, "unscoped")).status_code == 403
        assert (await get(w, id, "nobody-at-all")).status_code == 401
        assert (await get(w, HOST, "member")).status_code == 404


async def test_a_page_is_drawn_for_who_reads_html() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        page = await get(w, id, "member", Accept="text/html,*/*")
        assert page.headers["content-type"].startswith("text/html")
        assert "<svg" in page.text
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


# The drawing


def test_what_is_drawn_stands_where_it_can_be_seen() -> None:
    story = whole_story()
    drawing = xml.fromstring(timeline.svg(story))
    width, height = float(drawing.get("width", 0)), float(drawing.get("height", 0))
    dots = [dot for dot in drawing.iter(f"{SVG}circle") if dot.find(f"{SVG}title") is not None]
    assert len(dots) == len(story.moments)
    for dot in dots:
        assert timeline.LEFT < float(dot.get("cx", 0)) < width
        assert 0 < float(dot.get("cy", 0)) < height
    for bar in drawing.iter(f"{SVG}rect"):
        assert float(bar.get("x", 0)) + float(bar.get("width", 0)) <= width
        assert float(bar.get("y", 0)) + float(bar.get("height", 0)) <= height
    titles = ["".join(title.itertext()) for title in drawing.iter(f"{SVG}title")]
    assert any(title.startswith("create: ") for title in titles)


def test_later_stands_further_right() -> None:
    story = whole_story()
    drawing = xml.fromstring(timeline.svg(story))
    places = {}
    for dot in drawing.iter(f"{SVG}circle"):
        title = dot.find(f"{SVG}title")
        if title is not None and title.text:
            places[int(title.text.rpartition(" ")[2])] = float(dot.get("cx", 0))
    for moments in story.requests().values():
        ordered = [places[moment.sequence] for moment in sorted(moments, key=lambda moment: moment.at)]
        assert ordered == sorted(ordered)


@pytest.mark.parametrize("gaps", [[], [0.0] * 5, [1e-6, 1e6], [0.001] * 300, [3600.0 * 24 * 400]])
def test_any_times_can_be_drawn(gaps: list[float]) -> None:
    at, moments = START, []
    for number, gap in enumerate([0.0, *gaps]):
        at += timedelta(seconds=gap)
        said = (Said(type="<Happened>", told={"name": '"quoted" & <b>bold</b>'}),)
        steps = (Taken(step="<i>", at=at - timedelta(seconds=gap), seconds=gap / 2, failure="no <way>"),)
        moments.append(_moment(number, at, said, steps))
    story = Trace(id="<script>alert(1)</script>", moments=tuple(moments))
    drawing = xml.fromstring(timeline.svg(story))
    assert len([d for d in drawing.iter(f"{SVG}circle") if d.find(f"{SVG}title") is not None]) == len(moments)
    assert "<script" not in timeline.page(story)
    assert "<b>" not in timeline.page(story)


def _moment(number: int, at: datetime, said: tuple[Said, ...], steps: tuple[Taken, ...]) -> Moment:
    return Moment(
        sequence=number + 1,
        at=at,
        service="compute",
        resource="server",
        id=f"id-{number % 20}",
        events=said,
        request=f"req-{number % 3}",
        host="h<1>",
        steps=steps,
    )


async def test_hosts_have_traces_too() -> None:
    async with world() as w:
        capacity: Any = Capacity(vcpus=8, ram=8192, disk=100, hypervisor_type="simulated")
        await w.execute(hosts, JoinHost(id="odd host", zone="nova", capacity=capacity), CLOUD)
        (moment,) = (await told(w, "odd host")).moments
        assert (moment.resource, moment.id, moment.request) == ("host", "odd host", None)
        assert traces.text(Trace(id="odd host", moments=(moment,)))[0].startswith("(nobody’s request)")
