"""What most tests of compute begin with: a flavor, an image with bytes, and a host that a server can be on."""

from __future__ import annotations

from typing import Any

from events.compute import flavor as flavors
from events.compute import host as hosts
from events.compute import server as servers
from events.compute.flavor import CreateFlavor
from events.compute.host import Capacity, JoinHost
from events.compute.server import ForgetServer, PlaceServer, ReportServer
from events.envelope import CLOUD
from events.image import image as images
from events.image.image import Bytes, CreateImage, FinishUpload, StartUpload
from tests.worlds import PROJECT, World

IMAGE = "9e2d5ad5-152a-4a7d-a325-000000000001"
QUEUED = "9e2d5ad5-152a-4a7d-a325-000000000002"
NOBODY = "9e2d5ad5-152a-4a7d-a325-00000000dead"
HOST = "host-1"
SERVERS = "/compute/v2.1/servers"


async def furnish(world: World) -> None:
    """A flavor `1`, IMAGE that is active, QUEUED that is not, and HOST."""
    await world.execute(flavors, CreateFlavor(id="1", name="tiny", ram=64, vcpus=1, disk=1), CLOUD)
    for id in (IMAGE, QUEUED):
        made = CreateImage(id=id, project=PROJECT, disk_format="raw", container_format="bare", properties={"os": "x"})
        await world.execute(images, made, CLOUD)
    await fill(world, IMAGE)
    capacity = Capacity(vcpus=8, ram=8192, disk=100, hypervisor_type="simulated")
    await world.execute(hosts, JoinHost(id=HOST, zone="nova", capacity=capacity), CLOUD)


async def fill(world: World, image: str) -> None:
    """Give an image its bytes."""
    found = Bytes(size=100, checksum="0" * 32, hash="0" * 128)
    await world.execute(images, StartUpload(id=image, upload="u", store="s"), CLOUD)
    await world.execute(images, FinishUpload(id=image, upload="u", bytes=found), CLOUD)


def body(**changes: Any) -> dict[str, Any]:
    """The body of a request for a server; `...` takes a member away."""
    server = {"name": "web", "imageRef": IMAGE, "flavorRef": "1", "networks": "none", **changes}
    return {"server": {name: value for name, value in server.items() if value is not ...}}


async def boot(world: World, *, as_: str = "member", **changes: Any) -> str:
    """The id of a server that was just asked for."""
    answer = await world.call("POST", SERVERS, body(**changes), as_=as_, version="2.100")
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["server"]["id"]
    return id


async def run(world: World, id: str) -> None:
    """What handlers and agents do: the server runs on HOST."""
    await world.execute(servers, PlaceServer(id=id, host=HOST), CLOUD)
    await world.execute(servers, ReportServer(id=id, host=HOST, generation=1, seen="running"), CLOUD)


async def bury(world: World, id: str) -> None:
    """What handlers and agents do once it is to be gone."""
    await world.execute(servers, ReportServer(id=id, host=HOST, generation=99, seen="gone"), CLOUD)
    await world.execute(servers, ForgetServer(id=id), CLOUD)
