"""What compute says of itself, and what it had once. Source: Compute API reference, "API versions", "Extensions"."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from events.refusals import Gone, NotFound
from gateway.microversions import name as version_name
from gateway.serving import Call

UPDATED = "2013-07-23T11:33:21Z"


class VersionLink(Struct):
    rel: str
    href: str
    type: str | UnsetType = UNSET


class MediaType(Struct):
    base: str
    type: str


class VersionView(Struct, kw_only=True):
    id: str
    status: str
    version: str
    min_version: str
    updated: str
    links: list[VersionLink]
    media_types: list[MediaType] | UnsetType = field(name="media-types", default=UNSET)


class VersionList(Struct):
    versions: list[VersionView]


class VersionAnswer(Struct):
    version: VersionView


def _version(call: Call) -> VersionView:
    versions = call.face.versions
    assert versions is not None
    return VersionView(
        id="v2.1",
        status="CURRENT",
        version=version_name(versions.maximum),
        min_version=version_name(versions.minimum),
        updated=UPDATED,
        links=[VersionLink("self", f"{call.root}/v2.1/")],
    )


async def versions(call: Call) -> VersionList:
    return VersionList([_version(call)])


async def version(call: Call) -> VersionAnswer:
    found = _version(call)
    found.links.append(VersionLink("describedby", "http://docs.openstack.org/", "text/html"))
    found.media_types = [MediaType("application/json", "application/vnd.openstack.compute+json;version=2.1")]
    return VersionAnswer(found)


class Extension(Struct):
    alias: str
    name: str
    description: str
    updated: str = "2014-12-03T00:00:00Z"
    namespace: str = "http://docs.openstack.org/compute/ext/fake_xml"
    links: list[Any] = []


class ExtensionList(Struct):
    extensions: list[Extension]


class ExtensionAnswer(Struct):
    extension: Extension


EXTENSIONS = {
    alias: Extension(alias, name, description)
    for alias, name, description in (
        ("OS-DCF", "DiskConfig", "How a server's disk is divided."),
        ("OS-EXT-AZ", "ExtendedAvailabilityZone", "A server's availability zone."),
        ("OS-EXT-IPS", "ExtendedIps", "Whether an address is fixed or floating."),
        ("OS-EXT-IPS-MAC", "ExtendedIpsMac", "The MAC address beside an IP address."),
        ("OS-EXT-SRV-ATTR", "ExtendedServerAttributes", "For admins: where a server is."),
        ("OS-EXT-STS", "ExtendedStatus", "What is being done with a server."),
        ("OS-FLV-DISABLED", "FlavorDisabled", "Whether a flavor may be used."),
        ("OS-FLV-EXT-DATA", "FlavorExtraData", "A flavor's ephemeral disk."),
        ("OS-SCH-HNT", "SchedulerHints", "Hints for the scheduler."),
        ("OS-SRV-USG", "ServerUsage", "When a server began and ended."),
        ("os-access-ips", "AccessIPs", "Addresses by which a server is reached."),
        ("os-admin-actions", "AdminActions", "Actions of admins."),
        ("os-attach-interfaces", "AttachInterfaces", "A server's interfaces."),
        ("os-availability-zone", "AvailabilityZone", "Availability zones."),
        ("os-block-device-mapping-v2-boot", "BlockDeviceMappingV2Boot", "What a server boots from."),
        ("os-config-drive", "ConfigDrive", "A disk with a server's metadata."),
        ("os-console-output", "ConsoleOutput", "The text of a server's console."),
        ("os-extended-volumes", "ExtendedVolumes", "A server's volumes."),
        ("os-flavor-access", "FlavorAccess", "Who may use a private flavor."),
        ("os-flavor-extra-specs", "FlavorExtraSpecs", "A flavor's extra specs."),
        ("os-flavor-manage", "FlavorManage", "Making and deleting flavors."),
        ("os-flavor-rxtx", "FlavorRxtx", "A flavor's share of the network."),
        ("os-flavor-swap", "FlavorSwap", "A flavor's swap."),
        ("os-hypervisors", "Hypervisors", "Hypervisors."),
        ("os-instance-actions", "InstanceActions", "What was done with a server."),
        ("os-keypairs", "Keypairs", "Key pairs."),
        ("os-lock-server", "LockServer", "Locking servers."),
        ("os-multiple-create", "MultipleCreate", "Several servers by one request."),
        ("os-quota-sets", "Quotas", "Quotas."),
        ("os-security-groups", "SecurityGroups", "A server's security groups."),
        ("os-server-sort-keys", "ServerSortKeys", "Sorted lists of servers."),
        ("os-server-start-stop", "ServerStartStop", "Starting and stopping servers."),
        ("os-services", "Services", "Compute services."),
        ("os-simple-tenant-usage", "SimpleTenantUsage", "What projects have used."),
        ("os-used-limits", "UsedLimits", "What of the limits is used."),
        ("os-user-data", "UserData", "What a server reads when it first boots."),
    )
}


async def extensions(call: Call) -> ExtensionList:
    return ExtensionList(list(EXTENSIONS.values()))


async def extension(call: Call) -> ExtensionAnswer:
    """One extension. Raises NotFound."""
    found = EXTENSIONS.get(call.path["alias"])
    if found is None:
        raise NotFound("The resource could not be found.")
    return ExtensionAnswer(found)


async def gone(call: Call) -> None:
    """It existed in older releases. Raises Gone."""
    raise Gone("This resource is no longer available. No forwarding address is given.")


class MigrationList(Struct):
    migrations: list[Any]


async def migrations(call: Call) -> MigrationList:
    """Servers stay where they are: there are none."""
    return MigrationList([])


class AggregateList(Struct):
    aggregates: list[Any]


async def aggregates(call: Call) -> AggregateList:
    """Hosts are not put together here yet: there are none."""
    return AggregateList([])


class GroupList(Struct):
    server_groups: list[Any]


async def server_groups(call: Call) -> GroupList:
    """Servers are not put together here yet: there are none."""
    return GroupList([])
