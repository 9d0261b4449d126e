"""What a network's dnsmasq is told, and what its guests are told by it."""

from __future__ import annotations

from agents.network import dhcp
from agents.network.ports import Network, Port
from events.compute.guest import Address, Interface

FIRST = Address(ip="10.0.0.5", prefix=24, subnet="one", gateway="10.0.0.1", dns=("9.9.9.9", "2620:fe::fe"),
                routes=(("172.16.0.0/12", "10.0.0.9"),))  # fmt: skip
SECOND = Address(ip="10.1.0.5", prefix=16, subnet="two")


def told(*addresses: Address, hostname: str = "web", dhcp_ip: str | None = "10.0.0.2") -> tuple[list[str], list[str]]:
    """The options and the hosts."""
    interface = Interface(
        port="p", mac="fa:16:3e:00:00:05", network="n", mtu=1400, dhcp_ip=dhcp_ip, addresses=addresses
    )
    network = Network("n", {"p": Port("s", hostname, interface)})
    return list(dhcp.options(network)), [host for host in map(dhcp.host, network.ports.values()) if host]


def test_routes_lead_to_metadata_and_to_the_gateway() -> None:
    options, hosts = told(FIRST)
    routes = "169.254.169.254/32,10.0.0.2,172.16.0.0/12,10.0.0.9,0.0.0.0/0,10.0.0.1"
    assert options == [
        "option:mtu,1400",
        f"tag:sone,option:classless-static-route,{routes}",
        "tag:sone,option:router,10.0.0.1",
        "tag:sone,option:dns-server,9.9.9.9",
    ]
    assert hosts == ["fa:16:3e:00:00:05,10.0.0.5,web,24h"]


def test_without_a_gateway_no_router_is_named() -> None:
    options, _ = told(SECOND, dhcp_ip="10.1.0.2")
    assert "tag:stwo,option:router" in options
    assert not any("0.0.0.0/0" in option for option in options)


def test_a_subnet_without_the_server_reaches_metadata_on_the_wire() -> None:
    options, _ = told(SECOND, FIRST)
    assert "tag:stwo,option:classless-static-route,169.254.169.254/32,0.0.0.0" in options


def test_a_hostname_cannot_write_another_line() -> None:
    _, hosts = told(FIRST, hostname="a\nb,c=Ü.example")
    assert hosts == ["fa:16:3e:00:00:05,10.0.0.5,a-b-c,24h"]


def test_without_an_address_of_its_own_dhcp_is_served_from_the_metadatas() -> None:
    address = Address(ip="10.0.0.5", prefix=24, subnet="s4")
    interface = Interface(port="p", mac="fa:16:3e:00:00:05", network="n", addresses=(address,))
    assert Network("n", {"p": Port("s", "h", interface)}).leg() == "169.254.169.254/32"


def test_a_network_whose_subnets_have_no_dhcp_has_no_server() -> None:
    address = Address(ip="10.0.0.5", prefix=24, subnet="s4", dhcp=False)
    interface = Interface(port="p", mac="fa:16:3e:00:00:05", network="n", addresses=(address,))
    assert Network("n", {"p": Port("s", "h", interface)}).leg() is None
