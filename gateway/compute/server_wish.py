"""From the body of a request for servers to the commands that ask for them, with all that the real service checks."""

from __future__ import annotations

import re
import secrets
import string
from base64 import b64decode
from binascii import Error as BadBase64
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from events.compute import flavor as flavors
from events.compute import host as hosts
from events.compute import keypair as keypairs
from events.compute.flavor import Flavor
from events.compute.keypair import Keypair
from events.compute.server import Attachment, RequestServer, Size
from events.ids import is_uuid
from events.refusals import Conflict, Invalid, OverQuota
from gateway.compute import images, networks, quota, words
from gateway.compute.images import Image
from gateway.compute.server_bodies import CreateServer, NewServer, WantedDevice, WantedFile, WantedNetwork
from gateway.serving import Call

_ALPHABET = string.ascii_lowercase + string.digits
_LETTERS = string.ascii_letters + string.digits
GIB = 1 << 30
MOST_HINTS = 50


class Wish(Struct, frozen=True, kw_only=True):
    """What one request asks for: servers that differ in id, name and index alone."""

    first: RequestServer  # without an id yet
    least: int
    most: int
    user_data: str | None
    hostname: str | None
    password: str
    groups: tuple[str, ...]


def of(call: Call, body: CreateServer) -> Wish:
    """What is asked for, checked. Raises Invalid, Forbidden, Conflict."""
    new = body.server
    name = checked_name(new.name)
    least, most = _counts(new)
    zone, host = _zone(call, new)
    hints = _hints(call, body)
    wanted = _attachments(call, new)
    networks.check(call, wanted)
    flavor = _flavor(call, str(new.flavorRef))
    image = _image(call, new, flavor)
    groups = tuple(dict.fromkeys(g.name for g in new.security_groups or () if g.name is not UNSET))
    networks.check_groups(call, groups)
    if new.hostname is not UNSET and most > 1:
        raise Invalid("Unable to allocate a single hostname to multiple instances")
    if new.trusted_image_certificates:
        raise Invalid("Image signature certificate validation is not supported by this cloud.")
    key = _key(call, new)
    first = RequestServer(
        id="",
        project=call.project,
        user=call.who.user,
        name=name,
        hostname="",
        size=size_of(flavor),
        request=call.id,
        description=(new.description or None) if call.version >= (2, 19) else name,
        image=image.id,
        image_properties={**image.properties, **image.facts},
        key_name=key.name if key else None,
        public_key=key.public_key if key else None,
        metadata=_metadata(call, new),
        tags=tuple(dict.fromkeys(new.tags or ())),
        config_drive=words.is_true(new.config_drive),
        zone=zone,
        requested_host=host,
        hints=hints,
        attachments=wanted,
        security_groups=groups,
        reservation="r-" + "".join(secrets.choice(_ALPHABET) for _ in range(8)),
        disk_config=new.disk_config or "MANUAL",
        access_ipv4=ipv4(new.access_ipv4),
        access_ipv6=ipv6(new.access_ipv6),
    )
    _files(call, new.personality)
    return Wish(
        first=first,
        least=least,
        most=most,
        user_data=_user_data(new.user_data),
        hostname=new.hostname or None,
        password=new.adminPass if new.adminPass is not UNSET else _password(),
        groups=groups,
    )


def checked_name(name: str) -> str:
    """A name that can be seen. Raises Invalid."""
    if name != name.strip() or not name.isprintable():
        raise Invalid(
            "An invalid 'name' value was provided. The name must be: printable characters. "
            "Can not start or end with whitespace."
        )
    return name


def hostname_of(name: str, id: str) -> str:
    """A host name made of a server's name."""
    made = re.sub(r"[^a-z0-9-]+", "", re.sub(r"[ ._]", "-", name.lower())).strip("-")[:63].strip("-")
    return made or f"server-{id}"


def ipv4(text: str | UnsetType) -> str:
    return _address("accessIPv4", text, "ipv4", IPv4Address)


def ipv6(text: str | UnsetType) -> str:
    return _address("accessIPv6", text, "ipv6", IPv6Address)


def _address(name: str, text: str | UnsetType, kind: str, type_: Any) -> str:
    if text is UNSET:
        return ""
    try:
        return str(type_(text))
    except ValueError as fault:
        raise _bad(name, text, f"is not a '{kind}'") from fault


def _bad(name: str, value: object, what: str) -> Invalid:
    return Invalid(f"Invalid input for field/attribute {name}. Value: {str(value)[:2000]}. {value!r:.2000} {what}")


def _password() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(12))


def _counts(new: NewServer) -> tuple[int, int]:
    least = 1 if new.min_count is UNSET else int(new.min_count)
    most = least if new.max_count is UNSET else int(new.max_count)
    if least < 1 or most < 1:
        raise _bad("min_count" if least < 1 else "max_count", 0, "is less than the minimum of 1")
    if least > most:
        raise Invalid("min_count must be <= max_count")
    return least, most


def _zone(call: Call, new: NewServer) -> tuple[str | None, str | None]:
    """The zone and the host that are asked for; `zone:host` and a host are for admins. Raises Invalid, Forbidden."""
    zone, host = (new.availability_zone or None), (new.host or new.hypervisor_hostname or None)
    if zone and ":" in zone:
        zone, _, forced = zone.partition(":")
        zone, host = zone or None, forced.partition(":")[0] or host
        call.require("os_compute_api:servers:create:forced_host")
    elif host is not None:
        call.require("compute:servers:create:requested_destination")
        if call.fold.get(hosts, host) is None:
            raise Invalid(f"Compute host {host} could not be found.")
    elif zone and zone != call.cloud.settings.compute.zone and not call.fold.count(hosts, "zone", zone):
        raise Invalid("The requested availability zone is not available")
    return zone, host


def _hints(call: Call, body: CreateServer) -> dict[str, tuple[str, ...]]:
    given = body.hints or body.old_hints or {}
    if len(given) > MOST_HINTS:
        raise Invalid(f"At most {MOST_HINTS} scheduler hints can be given.")
    found = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        if len(name) > 255 or len(values) > MOST_HINTS or any(len(str(one)) > 1024 for one in values):
            raise Invalid(f"The scheduler hint {name[:255]} is too long.")
        found[name] = tuple(str(one) for one in values)
    group = found.get("group")
    if group is not None:
        if not all(is_uuid(one) for one in group) or len(group) != 1:
            raise _bad("group", given["group"], "is not valid under any of the given schemas")
        raise Invalid(f"Instance group {group[0]} could not be found.")
    return found


def _attachments(call: Call, new: NewServer) -> tuple[Attachment, ...]:
    given = new.networks
    if call.version >= (2, 37):
        if given is UNSET:
            raise words.missing(call, "networks", "server")
        if given == "none":
            return ()
        if isinstance(given, str) and given != "auto":
            raise _bad("networks", given, "is not valid under any of the given schemas")
    elif isinstance(given, str):
        raise _bad("networks", given, "is not of type 'array'")
    if not given or isinstance(given, str):
        found = networks.automatic(call)
        if given == "auto" and not found:
            raise Invalid(f"Unable to automatically allocate a network for project {call.project}")
        return found
    return tuple(_attachment(one, given) for one in given)


def _attachment(wanted: WantedNetwork, all: list[WantedNetwork]) -> Attachment:
    network, port = (wanted.uuid or None), (wanted.port or None)
    if network is None and port is None:
        raise Invalid("Bad network format: missing 'uuid'")
    for id in (network, port):
        if id is not None and not is_uuid(id):
            raise Invalid(f"Bad networks format: network uuid is not in proper format ({id[:255]})")
    fixed_ip = wanted.fixed_ip or None
    if fixed_ip is not None:
        try:
            (IPv6Address if ":" in fixed_ip else IPv4Address)(fixed_ip)
        except ValueError as fault:
            raise Invalid(f"Invalid fixed IP address ({fixed_ip[:255]})") from fault
        if port is not None:
            raise Invalid(
                f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{port}': the two cannot be "
                "specified together."
            )
    return Attachment(network=None if port else network, port=port, fixed_ip=fixed_ip, tag=wanted.tag or None)


def _flavor(call: Call, id: str) -> Flavor:
    """The flavor; the last part of a link names it too. Raises Invalid."""
    flavor = call.fold.get(flavors, id.rsplit("/", 1)[-1])
    if flavor is None or not (flavor.public or call.is_admin or call.project in flavor.projects):
        raise Invalid(f"Flavor {id[:255]} could not be found.")
    return flavor


def size_of(flavor: Flavor) -> Size:
    return Size(
        id=flavor.id,
        name=flavor.name,
        vcpus=flavor.vcpus,
        ram=flavor.ram,
        disk=flavor.disk,
        ephemeral=flavor.ephemeral,
        swap=flavor.swap,
        extra_specs=flavor.extra_specs,
    )


def _image(call: Call, new: NewServer, flavor: Flavor) -> Image:
    id = new.imageRef or ""
    if id and not is_uuid(id):
        raise _bad("imageRef", id, "is not valid under any of the given schemas")
    _devices(new, id)
    if not id:
        raise Invalid("Missing imageRef attribute")
    image = images.find(call, id)
    if image is None:
        raise Invalid("Can not find requested image")
    if image.status != "active":
        raise Invalid(f"Image {id} is not active.")
    if image.min_ram > flavor.ram:
        raise Invalid("Flavor's memory is too small for requested image.")
    if flavor.disk:
        _check_disk(image, flavor.disk)
    return image


def _check_disk(image: Image, disk: int) -> None:
    size = image.size
    if size > disk * GIB:
        raise Invalid(
            f"Flavor's disk is too small for requested image. Flavor disk is {disk * GIB} bytes, image is {size} bytes."
        )
    if image.min_disk > disk:
        raise Invalid(
            "Flavor's disk is smaller than the minimum size specified in image metadata. "
            f"Flavor disk is {disk * GIB} bytes, minimum size is {image.min_disk * GIB} bytes."
        )


def _devices(new: NewServer, image: str) -> None:
    """Block devices: the image once more, as clients send it, is no second one. Raises Invalid."""
    if new.block_device_mapping and new.block_device_mapping_v2:
        raise Invalid("Using different block_device_mapping syntaxes is not allowed in the same request.")
    if new.block_device_mapping:
        raise _bad_device("this cloud has no volumes.")
    for device in new.block_device_mapping_v2 or ():
        _device(device, image)


def _device(device: WantedDevice, image: str) -> None:
    volume = "volume" in (device.source_type, device.destination_type) or device.source_type == "snapshot"
    if volume or device.volume_id or device.snapshot_id:
        raise _bad_device("this cloud has no volumes.")
    if device.source_type == "blank":
        raise _bad_device("this cloud has no blank disks.")
    if not device.uuid:
        raise _bad_device("Missing device UUID.")
    if device.uuid != image or str(device.boot_index) != "0":
        raise _bad_device("Mapping image to local is not supported.")


def _bad_device(why: str) -> Invalid:
    return Invalid(f"Block Device Mapping is Invalid: {why}")


def _key(call: Call, new: NewServer) -> Keypair | None:
    name = new.key_name or None
    key = call.fold.get(keypairs, (call.who.user, name)) if name else None
    if name is not None and key is None:
        raise Invalid("Invalid key_name provided.")
    return key


def _metadata(call: Call, new: NewServer) -> dict[str, str]:
    most = quota.limits(call, call.project)["metadata_items"]
    if 0 <= most < len(new.metadata):
        raise OverQuota(f"Maximum number of metadata items exceeds {most}")
    return new.metadata


def _user_data(text: str | UnsetType | None) -> str | None:
    if not text:
        return None
    try:
        b64decode(text, validate=True)
    except (BadBase64, ValueError) as fault:
        raise _bad("user_data", text, "is not a 'base64'") from fault
    return text


def _files(call: Call, files: list[WantedFile] | UnsetType) -> None:
    if not files:
        return
    most = quota.limits(call, call.project)["injected_files"]
    if 0 <= most < len(files):
        raise OverQuota("Personality file limit exceeded")
    raise Invalid("This cloud does not write files into servers: use user_data.")


__all__ = ["Conflict", "Wish", "checked_name", "hostname_of", "ipv4", "ipv6", "of", "size_of"]
