"""What a program does with openstacksdk; run by a client's own Python. Prints what it met as JSON."""

from __future__ import annotations

import json
import sys

import openstack


def visit(name: str, picture: str) -> dict[str, object]:
    """An image, a network and a server, made and taken away."""
    met: dict[str, object] = {}
    conn = openstack.connect()
    image = conn.create_image(name, filename=picture, disk_format="raw", container_format="bare", wait=True)
    met["image"] = conn.get_image(image.id).status
    flavor = conn.create_flavor(name, ram=64, vcpus=1, disk=1)
    network = conn.create_network(name)
    subnet = conn.create_subnet(network.id, cidr="10.2.0.0/24", subnet_name=name)
    key = conn.create_keypair(name)
    met["private key"] = "PRIVATE KEY" in key.private_key
    server = conn.create_server(
        name, image=image.id, flavor=flavor.id, network=network.id, key_name=name, wait=True, auto_ip=False, timeout=60
    )
    met["server"] = server.status
    met["private"] = server.private_v4
    (listed,) = (one for one in conn.list_servers(detailed=True) if one.id == server.id)
    met["addresses"] = [address["addr"] for address in listed.addresses[name]]
    met["ports"] = len(list(conn.network.ports(device_id=server.id)))
    met["limits"] = conn.get_compute_limits().total_instances_used > 0
    met["console"] = bool(conn.get_server_console(server.id))
    conn.compute.stop_server(server.id)
    met["stopped"] = conn.compute.wait_for_server(conn.compute.get_server(server.id), "SHUTOFF", wait=30).status
    met["deleted"] = conn.delete_server(server.id, wait=True, timeout=60)
    met["gone"] = conn.get_server(server.id) is None
    met["ports after"] = len(list(conn.network.ports(network_id=network.id)))
    conn.delete_keypair(name)
    conn.delete_subnet(subnet.id)
    met["network deleted"] = conn.delete_network(network.id)
    conn.delete_flavor(flavor.id)
    met["image deleted"] = conn.delete_image(image.id, wait=True)
    return met


if __name__ == "__main__":
    print(json.dumps(visit(*sys.argv[1:])))
