"""What is done with servers, their metadata, tags, interfaces and history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from events.compute import server as servers
from events.compute.server import FailServer, ReportServer
from events.envelope import CLOUD
from gateway.compute.server_history import told
from gateway.consoles import Consoles
from projections.projector import Projector
from tests.gateway.compute.clouds import HOST, NOBODY, SERVERS, boot, furnish, run
from tests.worlds import World, world


async def act(w: World, id: str, action: Any, *, as_: str = "member", version: str = "2.100") -> Any:
    return await w.call("POST", f"{SERVERS}/{id}/action", action, as_=as_, version=version)


async def running(w: World) -> str:
    await furnish(w)
    id = await boot(w)
    await run(w, id)
    return id


async def test_a_server_is_stopped_and_started() -> None:
    async with world() as w:
        id = await running(w)
        assert (await act(w, id, {"os-stop": None})).status_code == 202
        await w.execute(servers, ReportServer(id=id, host=HOST, generation=2, seen="stopped"), CLOUD)
        again = await act(w, id, {"os-stop": None})
        assert again.json()["conflictingRequest"]["message"] == (
            f"Cannot 'stop' instance {id} while it is in vm_state stopped"
        )
        assert (await act(w, id, {"os-start": None})).status_code == 202


async def test_what_is_building_is_not_rebooted() -> None:
    async with world() as w:
        await furnish(w)
        id = await boot(w)
        answer = await act(w, id, {"reboot": {"type": "HARD"}})
        assert answer.status_code == 409
        assert "vm_state building" in answer.json()["conflictingRequest"]["message"]


async def test_a_locked_server_is_changed_by_admins_alone() -> None:
    async with world() as w:
        id = await running(w)
        assert (await act(w, id, {"lock": {"locked_reason": "mine"}}, as_="admin")).status_code == 202
        shown = (await w.call("GET", f"{SERVERS}/{id}", as_="member", version="2.73")).json()["server"]
        assert (shown["locked"], shown["locked_reason"]) == (True, "mine")
        for answer in (
            await act(w, id, {"os-stop": None}),
            await act(w, id, {"forceDelete": None}),
            await w.call("DELETE", f"{SERVERS}/{id}", as_="member"),
            await w.call("POST", f"{SERVERS}/{id}/metadata", {"metadata": {"a": "b"}}, as_="member"),
        ):
            assert answer.status_code == 409
            assert answer.json()["conflictingRequest"]["message"] == f"Instance {id} is locked"
        assert (await act(w, id, {"unlock": None})).status_code == 403
        assert (await act(w, id, {"os-stop": None}, as_="admin")).status_code == 202
        assert (await act(w, id, {"unlock": None}, as_="admin")).status_code == 202


async def test_an_owner_unlocks_what_an_owner_locked() -> None:
    async with world() as w:
        id = await running(w)
        assert (await act(w, id, {"lock": None})).status_code == 202
        assert (await act(w, id, {"unlock": None})).status_code == 202


@pytest.mark.parametrize(
    ("action", "status", "message"),
    [
        ({}, 400, "Malformed request body"),
        ({"os-start": None, "os-stop": None}, 400, "Malformed request body"),
        ({"explode": None}, 400, "There is no such action: explode"),
        ({"reboot": {}}, 400, "Invalid input for field/attribute reboot. Value: {}. 'type' is a required property"),
        ({"reboot": None}, 400, "Invalid input for field/attribute reboot. Value: None. None is not of type 'object'"),
        ({"reboot": {"type": "COLD"}}, 400, "'COLD' is not one of ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']"),
        ({"reboot": {"type": 1}}, 400, "Invalid input for field/attribute type. Value: 1. 1 is not of type 'string'"),
        ({"os-resetState": {"state": "x"}}, 403, "os_compute_api:os-admin-actions:reset_state"),
        ({"os-getConsoleOutput": {"length": "x"}}, 400, "'x' does not match '^-?[0-9]+$'"),
        ({"os-getConsoleOutput": {"length": -2}}, 400, "-2 is less than the minimum of -1"),
        ({"lock": {"locked_reason": ""}}, 400, "'' should be non-empty"),
        ({"os-getVNCConsole": {"type": "novnc"}}, 404, "The resource could not be found."),
        ({"unpause": None}, 409, "Cannot 'unpause' instance"),
        ({"resize": {"flavorRef": "1"}}, 501, "This cloud cannot resize a server yet."),
    ],
)
async def test_an_action_that_cannot_be_is_refused(action: Any, status: int, message: str) -> None:
    async with world() as w:
        answer = await act(w, await running(w), action)
        assert answer.status_code == status, answer.text
        assert message in next(iter(answer.json().values()))["message"]


async def test_an_admin_resets_the_state() -> None:
    async with world() as w:
        id = await running(w)
        assert (await act(w, id, {"os-resetState": {"state": "error"}}, as_="admin")).status_code == 202
        assert (await w.call("GET", f"{SERVERS}/{id}")).json()["server"]["status"] == "ERROR"


class Screen:
    """A console that says how much was asked for."""

    async def output(self, host: str, server: str, lines: int | None) -> str:
        return f"{lines} lines on {host}"


async def test_a_console_is_read_once_there_is_a_host() -> None:
    async with world() as w:
        w.cloud.parts[Consoles] = Screen()
        await furnish(w)
        id = await boot(w)
        waiting = await act(w, id, {"os-getConsoleOutput": {}})
        assert waiting.json()["conflictingRequest"]["message"] == f"Instance {id} is not ready"
        await run(w, id)
        for length, lines in ((None, None), ("10", 10), (-1, None)):
            answer = await act(w, id, {"os-getConsoleOutput": {"length": length}})
            assert answer.json() == {"output": f"{lines} lines on {HOST}"}


async def test_there_are_no_graphical_consoles() -> None:
    async with world() as w:
        id = await running(w)
        wanted = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        answer = await w.call("POST", f"{SERVERS}/{id}/remote-consoles", wanted, as_="member", version="2.6")
        assert answer.json()["badRequest"]["message"] == "Unavailable console type novnc."


async def test_metadata_is_read_and_changed() -> None:
    async with world() as w:
        id = await running(w)
        here = f"{SERVERS}/{id}/metadata"

        async def call(method: str, path: str, data: Any = None) -> Any:
            return await w.call(method, here + path, data, as_="member")

        assert (await call("POST", "", {"metadata": {"a": "b", "c": "d"}})).json()["metadata"] == {"a": "b", "c": "d"}
        assert (await call("GET", "/a")).json() == {"meta": {"a": "b"}}
        assert (await call("PUT", "/a", {"meta": {"a": "x"}})).json() == {"meta": {"a": "x"}}
        assert (await call("PUT", "/a", {"meta": {"b": "x"}})).status_code == 400
        assert (await call("PUT", "/a", {"meta": {}})).status_code == 400
        assert (await call("DELETE", "/a")).status_code == 204
        assert (await call("DELETE", "/a")).status_code == 404
        assert (await call("PUT", "", {"metadata": {"e": "f"}})).json()["metadata"] == {"e": "f"}
        assert (await call("POST", "", {"metadata": {"a": None}})).status_code == 400
        most = {"metadata": {str(i): "x" for i in range(129)}}
        assert (await call("POST", "", most)).status_code == 403


async def test_tags_are_read_and_changed() -> None:
    async with world() as w:
        id = await running(w)

        async def call(method: str, path: str, data: Any = None) -> Any:
            return await w.call(method, f"{SERVERS}/{id}/tags{path}", data, as_="member", version="2.26")

        assert (await call("PUT", "/red")).status_code == 201
        assert (await call("PUT", "/red")).status_code == 204
        assert (await call("GET", "/red")).status_code == 204
        assert (await call("GET", "/blue")).status_code == 404
        assert (await call("PUT", "", {"tags": ["a", "b", "a"]})).json() == {"tags": ["a", "b"]}
        assert (await call("DELETE", "/a")).status_code == 204
        assert (await call("DELETE", "/a")).status_code == 404
        assert (await call("DELETE", "")).status_code == 204
        assert (await call("GET", "")).json() == {"tags": []}
        assert (await call("PUT", "", {"tags": ["a/b"]})).status_code == 400
        assert (await w.call("GET", f"{SERVERS}/{id}/tags", version="2.25")).status_code == 404


async def test_a_server_without_ports_has_no_addresses() -> None:
    async with world() as w:
        id = await running(w)
        for path, empty in (
            ("ips", {"addresses": {}}),
            ("os-interface", {"interfaceAttachments": []}),
            ("os-security-groups", {"security_groups": []}),
            ("os-volume_attachments", {"volumeAttachments": []}),
            ("os-server-password", {"password": ""}),
        ):
            assert (await w.call("GET", f"{SERVERS}/{id}/{path}", as_="member")).json() == empty
        assert (await w.call("GET", f"{SERVERS}/{id}/ips/net", as_="member")).status_code == 404
        assert (await w.call("GET", f"{SERVERS}/{id}/os-interface/{NOBODY}", as_="member")).status_code == 404


async def test_the_history_tells_what_was_asked_for_and_what_came_of_it(tmp_path: Path) -> None:
    async with world() as w:
        tables = Projector(w.fold, tmp_path / "tables")
        await tables.open()
        await tables.load(w.cloud.clock.now(), await w.execute.journal.last())
        w.cloud.put(tables)
        id = await running(w)
        await act(w, id, {"os-stop": None})
        await w.execute(
            servers, FailServer(id=id, phase="stop", generation=2, message="It did not stop.", details="why"), CLOUD
        )
        found = (await w.call("GET", f"{SERVERS}/{id}/os-instance-actions", as_="member", version="2.84")).json()
        assert [one["action"] for one in found["instanceActions"]] == ["stop", "create"]
        assert [one["message"] for one in found["instanceActions"]] == ["Error", None]
        request = found["instanceActions"][0]["request_id"]
        path = f"{SERVERS}/{id}/os-instance-actions/{request}"
        mine = (await w.call("GET", path, as_="member", version="2.84")).json()["instanceAction"]["events"][0]
        assert (mine["event"], mine["result"], mine["details"]) == (
            "compute_stop_instance",
            "Error",
            "It did not stop.",
        )
        assert "traceback" not in mine
        admins = (await w.call("GET", path, version="2.84")).json()["instanceAction"]["events"][0]
        assert (admins["traceback"], admins["host"]) == ("why", HOST)
        assert (await w.call("GET", f"{SERVERS}/{id}/os-instance-actions/req-x", as_="member")).status_code == 404
        page = await w.call("GET", f"{SERVERS}/{id}/os-instance-actions?limit=1", as_="member", version="2.58")
        assert len(page.json()["instanceActions"]) == 1
        assert f"marker={request}" in page.json()["links"][0]["href"]
        await tables.stop()


def test_a_history_without_a_beginning_tells_nothing() -> None:
    server = servers.Server(
        id="s",
        project="p",
        user="u",
        name="n",
        hostname="n",
        size=servers.Size(id="1", name="f", vcpus=1, ram=1, disk=1),
    )
    assert told(server, [], details=True) == []
