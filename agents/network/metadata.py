"""What the metadata service tells a guest about itself: the tree of documents of one server.

Source: Nova user guide, "Metadata"; Amazon EC2 user guide, "Instance metadata and user data".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from agents.network.ports import ANYWHERE, Port, is_v4, subnet_of
from events.compute.metadata import Metadata

# The versions whose documents have something of their own; a guest takes the newest it knows.
OPENSTACK = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22",
             "2018-08-27", "2020-10-14", "latest")  # fmt: skip
EC2 = ("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
       "2009-04-04", "latest")  # fmt: skip


# (server) -> its metadata; None if there is none. May raise HostError.
AskMetadata = Callable[[str], Awaitable[Metadata | None]]


def answer(path: str, metadata: Metadata, ports: list[Port]) -> bytes | None:
    """The document at `path`, or the names below it; None if there is no such thing."""
    parts = [part for part in path.split("?")[0].split("/") if part]
    if not parts:
        return _listing([*EC2, "openstack"])
    if parts == ["openstack"]:
        return _listing(OPENSTACK)
    if parts[0] == "openstack" and parts[1] in OPENSTACK:
        return _below(_openstack(metadata, ports), parts[2:])
    if parts[0] in EC2:
        if parts[1:] == ["meta-data", "public-keys"] and metadata.keys:
            return _listing(f"{number}={name}" for number, name in enumerate(metadata.keys))
        return _below(_ec2(metadata, ports), parts[1:])
    return None


def _below(tree: Any, parts: list[str]) -> bytes | None:
    for part in parts:
        tree = tree.get(part) if isinstance(tree, dict) else None
    if isinstance(tree, dict):
        return _listing(f"{name}/" if isinstance(below, dict) else name for name, below in tree.items())
    return tree if tree is None or isinstance(tree, bytes) else str(tree).encode()


def _listing(names: Iterable[str]) -> bytes:
    return "\n".join(names).encode()


def _openstack(metadata: Metadata, ports: list[Port]) -> dict[str, bytes]:
    documents = {
        "meta_data.json": _json(_meta_data(metadata)),
        "network_data.json": _json(_network_data(ports)),
        "vendor_data.json": _json(metadata.vendor_data),
        "vendor_data2.json": _json({}),
    }
    if metadata.user_data is not None:
        documents["user_data"] = metadata.user_data
    return documents


def _meta_data(metadata: Metadata) -> dict[str, Any]:
    keys = metadata.keys.items()
    document: dict[str, Any] = {
        "uuid": metadata.id,
        "name": metadata.name,
        "hostname": metadata.hostname,
        "project_id": metadata.project,
        "availability_zone": metadata.availability_zone,
        "launch_index": metadata.launch_index,
        "public_keys": dict(keys),
        "keys": [{"name": name, "type": "ssh", "data": key} for name, key in keys],
        "meta": metadata.meta,
        "devices": [],
        "dedicated_cpus": [],
    }
    if metadata.random_seed is not None:
        document["random_seed"] = metadata.random_seed
    if metadata.admin_password is not None:
        document["admin_pass"] = metadata.admin_password
    return document


def _network_data(ports: list[Port]) -> dict[str, Any]:
    """Source: Nova, "network_data.json" schema: links, networks, services."""
    links, networks, services = [], [], []
    for number, interface in enumerate(port.interface for port in ports):
        link = f"tap{interface.port[:11]}"
        links.append({"id": link, "vif_id": interface.port, "type": "bridge", "mtu": interface.mtu,
                      "ethernet_mac_address": interface.mac})  # fmt: skip
        for place, address in enumerate(interface.addresses):
            v4 = is_v4(address.ip)
            kind = ("ipv4" if v4 else "ipv6") + ("_dhcp" if address.dhcp else "")
            entry: dict[str, Any] = {"id": f"network{number}_{place}", "type": kind, "link": link}
            entry["network_id"] = interface.network
            if not address.dhcp:
                netmask, anywhere = str(subnet_of(address).netmask), (ANYWHERE if v4 else "::")
                route = {"network": anywhere, "netmask": anywhere, "gateway": address.gateway}
                entry |= {"ip_address": address.ip, "netmask": netmask, "routes": [route] if address.gateway else []}
                entry["services"] = [{"type": "dns", "address": ip} for ip in address.dns]
            networks.append(entry)
            services += [{"type": "dns", "address": ip} for ip in address.dns]
    return {"links": links, "networks": networks, "services": services}


def _ec2(metadata: Metadata, ports: list[Port]) -> dict[str, Any]:
    addresses = [address.ip for port in ports for address in port.interface.addresses if is_v4(address.ip)]
    identity = f"i-{metadata.id.replace('-', '')[-8:]}"
    described: dict[str, Any] = {
        "ami-id": metadata.image or "ami-00000000",
        "ami-launch-index": str(metadata.launch_index),
        "block-device-mapping": {"ami": "vda", "root": "/dev/vda"},
        "hostname": metadata.hostname,
        "instance-action": "none",
        "instance-id": identity,
        "instance-type": metadata.flavor,
        "local-hostname": metadata.hostname,
        "local-ipv4": next(iter(addresses), ""),
        "placement": {"availability-zone": metadata.availability_zone},
        "public-hostname": metadata.hostname,
        "public-ipv4": "",
        "reservation-id": metadata.reservation,
        "security-groups": "\n".join(metadata.security_groups),
    }
    if metadata.keys:
        keys = enumerate(metadata.keys.values())
        described["public-keys"] = {str(number): {"openssh-key": key} for number, key in keys}
    tree: dict[str, Any] = {"meta-data": described}
    if metadata.user_data is not None:
        tree["user-data"] = metadata.user_data
    return tree


def _json(document: Any) -> bytes:
    return msgspec.json.encode(document)
