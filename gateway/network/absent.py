"""Collections that are empty: what this cloud does not have, and clients ask for nevertheless."""

from __future__ import annotations

from events.refusals import NotFound
from gateway.network.documents import Document
from gateway.serving import Call


async def routers(call: Call) -> Document:
    """No routers."""
    return {"routers": call.sees(call.operation, (), lambda one: {})}


async def floating_ips(call: Call) -> Document:
    """No floating addresses."""
    return {"floatingips": call.sees(call.operation, (), lambda one: {})}


async def subnet_pools(call: Call) -> Document:
    """No pools of subnets."""
    return {"subnetpools": call.sees(call.operation, (), lambda one: {})}


async def subnet_pool(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound(f"Subnet pool {call.path['id']} could not be found.", kind="SubnetPoolNotFound")


async def agents(call: Call) -> Document:
    """No agents of the network service: hosts have one agent each, which compute lists."""
    return {"agents": call.sees(call.operation, (), lambda one: {})}


async def agent(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound(f"Agent {call.path['id']} could not be found.", kind="AgentNotFound")


async def router(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound(f"Router {call.path['id']} could not be found", kind="RouterNotFound")


async def floating_ip(call: Call) -> None:
    """Raises NotFound."""
    raise NotFound(f"Floating IP {call.path['id']} could not be found", kind="FloatingIPNotFound")


async def nowhere(call: Call) -> None:
    """Raises NotFound: there is nothing to be written."""
    raise NotFound("The resource could not be found.")


async def zones(call: Call) -> Document:
    """No zones of networks: each is served on every host."""
    return {"availability_zones": []}
