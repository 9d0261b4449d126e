"""The networks of a real host. Guests are namespaces here: a leg on the bridge under the tap's name is all they are."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec.structs import replace

from agents import names
from agents.commands import run, started_at
from agents.compute.hypervisor import Address, Interface, Rule
from agents.network import leftovers
from agents.network.host import LinuxNetwork, NetworkSettings
from agents.network.links import listen
from events.compute.metadata import Metadata

pytestmark = pytest.mark.asyncio(loop_scope="module")

EGRESS = Rule(direction="egress")
SSH = Rule(direction="ingress", protocol="tcp", port_min=22, port_max=22)
TRY = """
import socket, sys
path, source, target, port = sys.argv[1:]
with socket.socket() as caller:
    caller.settimeout(1)
    caller.bind((source, 0))
    caller.connect((target, int(port)))
    caller.sendall(b"GET %s HTTP/1.1\\r\\nHost: metadata\\r\\nConnection: close\\r\\n\\r\\n" % path.encode())
    answer = b""
    while part := caller.recv(65536):
        answer += part
    print(answer.decode(errors="replace"), end="")
"""


class Wire:
    """A guest that is nothing but its interface."""

    def __init__(self, cloud: str, number: int, network: str, *rules: Rule) -> None:
        self.server = f"server-{network}-{number}"
        self.ip = f"10.9.0.{number}"
        self.interface = Interface(
            port=str(uuid.uuid4()),
            mac=f"fa:16:3e:09:00:{number:02x}",
            network=network,
            dhcp_ip="10.9.0.2",
            addresses=(Address(ip=self.ip, prefix=24, subnet="s", gateway="10.9.0.1"),),
            rules=rules,
        )
        self.tap = names.tap(cloud, self.interface.port)
        self.bridge = names.bridge(cloud, network)
        self.namespace = f"test-{self.interface.port[:8]}"

    async def up(self) -> None:
        await run(
            "ip",
            "-batch",
            "-",
            stdin=f"""netns add {self.namespace}
link add {self.tap} type veth peer name ns0 address {self.interface.mac} netns {self.namespace}
link set {self.tap} master {self.bridge} up
""".encode(),
        )
        await run(
            "ip",
            "-n",
            self.namespace,
            "-batch",
            "-",
            stdin=f"""link set ns0 up
addr add {self.ip}/24 dev ns0
route add 169.254.169.254 dev ns0
""".encode(),
        )

    async def down(self) -> None:
        await run("ip", "netns", "del", self.namespace)

    async def ask(self, path: str, target: str, port: int = 80, source: str | None = None) -> str | None:
        """What is answered; None if nobody does within a second."""
        argv = ("ip", "netns", "exec", self.namespace, sys.executable, "-c", TRY, path, source or self.ip, target)
        caller = await asyncio.create_subprocess_exec(
            *argv, str(port), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        output, _ = await caller.communicate()
        return None if caller.returncode else output.decode()

    @contextlib.asynccontextmanager
    async def serving(self, *ports: int) -> AsyncIterator[None]:
        """Answers at `ports` meanwhile."""

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")  # what is unread at the end would reset the connection
            writer.write(b"here")
            writer.close()

        async with contextlib.AsyncExitStack() as stack:
            for port in ports:
                listening = await listen(self.namespace, self.ip, port)
                await stack.enter_async_context(await asyncio.start_server(answer, sock=listening))
            yield


class Hosted:
    """Two networks with the same addresses, and three guests."""

    def __init__(self, cloud: str) -> None:
        self.cloud = cloud
        self.network = self.new_network()
        group = replace(SSH, remote=("10.9.0.11/32",))
        self.a = Wire(cloud, 11, "one", EGRESS)
        self.b = Wire(cloud, 12, "one", EGRESS, group)
        self.other = Wire(cloud, 11, "two", EGRESS, Rule(direction="ingress"))

    def new_network(self) -> LinuxNetwork:
        return LinuxNetwork(NetworkSettings(cloud=self.cloud), self.metadata)

    async def metadata(self, server: str) -> Metadata | None:
        return Metadata(id=server, name=server, hostname=server, project="p", user_data=b"\x00\xff")

    async def plug(self, *wires: Wire) -> None:
        for wire in wires:
            await self.network.plug(wire.server, "guest", [wire.interface])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(cloud: str, state: Path) -> AsyncIterator[Hosted]:
    host = Hosted(cloud)
    await host.network.open()
    wires = (host.a, host.b, host.other)
    await host.plug(*wires)
    for wire in wires:
        await wire.up()
    yield host
    for wire in wires:
        await wire.down()
        await host.network.unplug(wire.server)
    await host.network.close()


async def test_metadata_knows_who_asks_by_network_and_address(host: Hosted) -> None:
    for wire in (host.a, host.b, host.other):
        answer = await wire.ask("/openstack/latest/meta_data.json", "169.254.169.254")
        assert answer is not None
        assert json.loads(answer.partition("\r\n\r\n")[2])["uuid"] == wire.server


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/openstack", 200), ("/openstack/latest/user_data", 200),
                                              ("/openstack/latest/nothing", 404), ("/latest/meta-data/", 200),
                                              ("/" + "x" * 9000, 400)])  # fmt: skip
async def test_metadata_answers_what_there_is(host: Hosted, path: str, status: int) -> None:
    answer = await host.a.ask(path, "169.254.169.254")
    assert answer is not None
    assert answer.startswith(f"HTTP/1.1 {status} ")


async def test_a_group_lets_in_whom_it_names_and_nobody_else(host: Hosted) -> None:
    async with host.b.serving(22, 80), host.a.serving(22):
        assert await host.a.ask("/", host.b.ip, 22) == "here"
        assert await host.a.ask("/", host.b.ip, 80) is None
        assert await host.b.ask("/", host.a.ip, 22) is None


async def test_rules_change_under_a_running_guest(host: Hosted) -> None:
    web = replace(SSH, port_min=80, port_max=80)
    async with host.b.serving(80):
        for rules, answer in (((EGRESS, web), "here"), ((EGRESS,), None)):
            await host.network.plug(host.b.server, "guest", [replace(host.b.interface, rules=rules)])
            assert await host.a.ask("/", host.b.ip, 80) == answer
    await host.plug(host.b)


async def test_without_egress_rules_nothing_leaves(host: Hosted) -> None:
    async with host.b.serving(22):
        await host.network.plug(host.a.server, "guest", [replace(host.a.interface, rules=())])
        assert await host.a.ask("/", host.b.ip, 22) is None
        await host.plug(host.a)
        assert await host.a.ask("/", host.b.ip, 22) == "here"


async def test_nobody_sends_with_anothers_address(host: Hosted) -> None:
    everybody = replace(host.b.interface, rules=(EGRESS, SSH))
    await host.network.plug(host.b.server, "guest", [everybody])
    await run("ip", "-n", host.a.namespace, "addr", "add", "10.9.0.99/24", "dev", "ns0")
    async with host.b.serving(22):
        assert await host.a.ask("/", host.b.ip, 22, source="10.9.0.99") is None
        pair = replace(host.a.interface, allowed=((host.a.interface.mac, "10.9.0.99/32"),))
        await host.network.plug(host.a.server, "guest", [pair])
        assert await host.a.ask("/", host.b.ip, 22, source="10.9.0.99") == "here"
    await host.plug(host.a, host.b)


async def test_the_host_itself_is_out_of_reach_even_on_the_bridge(host: Hosted) -> None:
    await run("ip", "addr", "add", "10.9.0.200/24", "dev", host.a.bridge)
    with socket.create_server(("10.9.0.200", 0)) as listening:
        assert await host.a.ask("/", "10.9.0.200", listening.getsockname()[1]) is None
    await run("ip", "addr", "del", "10.9.0.200/24", "dev", host.a.bridge)


async def test_the_next_agent_takes_up_what_is_plugged_in(host: Hosted) -> None:
    before = await leftovers.processes(host.cloud)
    await host.network.close()
    host.network = host.new_network()
    await host.network.open()
    await host.network.keep({host.a.server, host.b.server, host.other.server})
    assert await leftovers.processes(host.cloud) == before
    assert await host.a.ask("/openstack", "169.254.169.254") is not None


async def test_dhcp_that_was_killed_comes_back(host: Hosted) -> None:
    victim, *_ = await leftovers.processes(host.cloud)
    os.kill(victim, signal.SIGKILL)
    for _ in range(100):
        if started_at(victim) is None and len(await leftovers.processes(host.cloud)) == 2:
            return
        await asyncio.sleep(0.1)
    pytest.fail("dnsmasq was not started again")


async def test_the_last_port_takes_its_network_along(host: Hosted) -> None:
    await host.other.down()
    await host.network.unplug(host.other.server)
    assert names.namespace(host.cloud, "two") not in leftovers.namespaces(host.cloud)
    assert names.namespace(host.cloud, "one") in leftovers.namespaces(host.cloud)
    await host.plug(host.other)
    await host.other.up()
    assert await host.other.ask("/openstack", "169.254.169.254") is not None
