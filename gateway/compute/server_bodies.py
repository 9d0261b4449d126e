"""What a request for a server may hold at each microversion. Source: Compute API reference, "Create Server"."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from gateway.compute.words import Flag
from gateway.microversions import since, until

Text = Annotated[str, Meta(min_length=1, max_length=255)]
Name = Text
Description = Annotated[str, Meta(max_length=255)] | None
Host = Annotated[str, Meta(min_length=1, max_length=255)]
Hostname = Annotated[
    str, Meta(min_length=2, max_length=63, pattern=r"^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$")
]  # of an update
NewHostname = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9-_.]*$")]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^,/]*$")]
Tags = Annotated[list[Tag], Meta(max_length=50)]
Key = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9-_:. ]{1,255}$")]
Metadata = dict[Key, Annotated[str, Meta(max_length=255)]]
Count = Annotated[int, Meta(ge=1)] | Annotated[str, Meta(pattern=r"^[0-9]+$", max_length=9)]
Whole = Annotated[int, Meta(ge=-1)] | Annotated[str, Meta(pattern=r"^-?[0-9]+$", max_length=9)] | None
Given = str | UnsetType
DiskConfig = Literal["AUTO", "MANUAL"]


class WantedNetwork(Struct, kw_only=True, forbid_unknown_fields=True):
    uuid: str | UnsetType = UNSET
    port: str | UnsetType | None = UNSET
    fixed_ip: str | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, since(2, 42)] = UNSET


class WantedGroup(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET


class WantedDevice(Struct, kw_only=True, forbid_unknown_fields=True):
    """A block device of the second form."""

    uuid: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    source_type: Literal["volume", "image", "snapshot", "blank"] | UnsetType = UNSET
    destination_type: Literal["local", "volume"] | UnsetType | None = UNSET
    boot_index: Whole | UnsetType = UNSET
    delete_on_termination: Flag | UnsetType = UNSET
    volume_size: Whole | UnsetType = UNSET
    device_name: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    device_type: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    disk_bus: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    guest_format: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    no_device: Flag | UnsetType | None = UNSET
    volume_id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    snapshot_id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    image_id: Annotated[str, Meta(max_length=255)] | UnsetType | None = UNSET
    tag: Annotated[Tag | UnsetType, since(2, 42)] = UNSET
    volume_type: Annotated[Text | UnsetType | None, since(2, 67)] = UNSET


class WantedFile(Struct, forbid_unknown_fields=True):
    path: str
    contents: str


class NewServer(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name
    flavorRef: Annotated[str, Meta(min_length=1)] | int
    imageRef: Given = UNSET
    networks: str | Annotated[list[WantedNetwork], Meta(max_length=64)] | UnsetType = UNSET
    block_device_mapping: Annotated[list[dict[str, Any]], Meta(max_length=64)] | UnsetType = UNSET
    block_device_mapping_v2: Annotated[list[WantedDevice], Meta(max_length=64)] | UnsetType = UNSET
    metadata: Annotated[Metadata, Meta(max_length=1000)] = {}
    key_name: Name | UnsetType = UNSET
    user_data: Annotated[str, Meta(max_length=65535)] | UnsetType | None = UNSET
    personality: Annotated[Annotated[list[WantedFile], Meta(max_length=100)] | UnsetType, until(2, 56)] = UNSET
    config_drive: Flag = False
    security_groups: Annotated[list[WantedGroup], Meta(max_length=100)] | UnsetType = UNSET
    availability_zone: Name | UnsetType = UNSET
    min_count: Count | UnsetType = UNSET
    max_count: Count | UnsetType = UNSET
    return_reservation_id: Flag = False
    adminPass: Annotated[str, Meta(max_length=255)] | UnsetType = UNSET
    access_ipv4: Annotated[str, Meta(max_length=64)] | UnsetType = field(name="accessIPv4", default=UNSET)
    access_ipv6: Annotated[str, Meta(max_length=64)] | UnsetType = field(name="accessIPv6", default=UNSET)
    disk_config: DiskConfig | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    description: Annotated[Description | UnsetType, since(2, 19)] = UNSET
    tags: Annotated[Tags | UnsetType, since(2, 52)] = UNSET
    trusted_image_certificates: Annotated[
        Annotated[list[Text], Meta(min_length=1, max_length=50)] | UnsetType | None, since(2, 63)
    ] = UNSET
    host: Annotated[Host | UnsetType, since(2, 74)] = UNSET
    hypervisor_hostname: Annotated[Host | UnsetType, since(2, 74)] = UNSET
    hostname: Annotated[NewHostname | UnsetType, since(2, 90)] = UNSET


class CreateServer(Struct, forbid_unknown_fields=True):
    server: NewServer
    hints: dict[str, Any] | UnsetType = field(name="os:scheduler_hints", default=UNSET)
    old_hints: dict[str, Any] | UnsetType = field(name="OS-SCH-HNT:scheduler_hints", default=UNSET)


class ChangedServer(Struct, kw_only=True, forbid_unknown_fields=True):
    name: Name | UnsetType = UNSET
    access_ipv4: Annotated[str, Meta(max_length=64)] | UnsetType = field(name="accessIPv4", default=UNSET)
    access_ipv6: Annotated[str, Meta(max_length=64)] | UnsetType = field(name="accessIPv6", default=UNSET)
    disk_config: DiskConfig | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)
    description: Annotated[Description | UnsetType, since(2, 19)] = UNSET
    hostname: Annotated[Hostname | UnsetType, since(2, 90)] = UNSET


class UpdateServer(Struct, forbid_unknown_fields=True):
    server: ChangedServer


class MetadataBody(Struct, forbid_unknown_fields=True):
    metadata: Annotated[Metadata, Meta(max_length=1000)]


class MetadataItem(Struct, forbid_unknown_fields=True):
    meta: Annotated[Metadata, Meta(min_length=1, max_length=1)]


class TagsBody(Struct, forbid_unknown_fields=True):
    tags: Tags
