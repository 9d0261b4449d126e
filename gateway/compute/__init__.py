"""Compute over HTTP: every URL of the service, what answers it, the rule that says who may call it.

Source: Compute API reference; microversions 2.1 to 2.100.
"""

from __future__ import annotations

from msgspec.structs import replace

from events.refusals import UnsupportedMedia
from gateway import faults
from gateway.compute import (
    about,
    flavor,
    flavor_more,
    host,
    hypervisor,
    keypair,
    quota_set,
    server,
    server_action,
    server_history,
    server_inside,
    server_list,
    server_parts,
    usage,
    words,
)
from gateway.compute.policies import FORMER, RULES
from gateway.microversions import Range
from gateway.policy import ANYONE
from gateway.serving import Face, Route

_SERVER = "/v2.1/servers/{id}"
_API = "os_compute_api:"
_SERVERS = _API + "servers:"
_TAGS = _API + "os-server-tags:"
_INTERFACES = _API + "os-attach-interfaces:"
_VOLUMES = _API + "os-volumes-attachments:"
_HYPERVISORS = _API + "os-hypervisors:"

_OF_SERVERS = (
    Route("GET", "/v2.1/servers", server_list.brief, _SERVERS + "index"),
    Route("GET", "/v2.1/servers/detail", server_list.detailed, _SERVERS + "detail"),
    Route("POST", "/v2.1/servers", server.create, _SERVERS + "create", 202),
)
_OF_SERVER = (
    Route("GET", _SERVER, server.show, _SERVERS + "show"),
    Route("PUT", _SERVER, server.update, _SERVERS + "update"),
    Route("DELETE", _SERVER, server.delete, _SERVERS + "delete", 204),
    Route("POST", _SERVER + "/action", server_action.act, _SERVERS + "action", 202),
)
_OF_PARTS = (
    Route("GET", _SERVER + "/metadata", server_parts.metadata, _API + "server-metadata:index"),
    Route("POST", _SERVER + "/metadata", server_parts.add_metadata, _API + "server-metadata:create"),
    Route("PUT", _SERVER + "/metadata", server_parts.set_metadata, _API + "server-metadata:update_all"),
    Route("GET", _SERVER + "/metadata/{key}", server_parts.item, _API + "server-metadata:show"),
    Route("PUT", _SERVER + "/metadata/{key}", server_parts.set_item, _API + "server-metadata:update"),
    Route("DELETE", _SERVER + "/metadata/{key}", server_parts.remove_item, _API + "server-metadata:delete", 204),
    Route("GET", _SERVER + "/tags", server_parts.tags, _TAGS + "index", first=(2, 26)),
    Route("PUT", _SERVER + "/tags", server_parts.set_tags, _TAGS + "update_all", first=(2, 26)),
    Route("DELETE", _SERVER + "/tags", server_parts.remove_tags, _TAGS + "delete_all", 204, first=(2, 26)),
    Route("GET", _SERVER + "/tags/{tag}", server_parts.has_tag, _TAGS + "show", 204, first=(2, 26)),
    Route("PUT", _SERVER + "/tags/{tag}", server_parts.add_tag, _TAGS + "update", first=(2, 26)),
    Route("DELETE", _SERVER + "/tags/{tag}", server_parts.remove_tag, _TAGS + "delete", 204, first=(2, 26)),
)
_OF_INSIDE = (
    Route("GET", _SERVER + "/ips", server_inside.ips, _API + "ips:index"),
    Route("GET", _SERVER + "/ips/{network}", server_inside.ips_of, _API + "ips:show"),
    Route("GET", _SERVER + "/os-interface", server_inside.interfaces, _INTERFACES + "list"),
    Route("POST", _SERVER + "/os-interface", server_inside.attach_interface, _INTERFACES + "create"),
    Route("GET", _SERVER + "/os-interface/{port}", server_inside.interface, _INTERFACES + "show"),
    Route("DELETE", _SERVER + "/os-interface/{port}", server_inside.detach_interface, _INTERFACES + "delete", 202),
    Route("GET", _SERVER + "/os-security-groups", server_inside.security_groups, _API + "os-security-groups:list"),
    Route("GET", _SERVER + "/os-volume_attachments", server_inside.volumes, _VOLUMES + "index"),
    Route("POST", _SERVER + "/os-volume_attachments", server_inside.attach_volume, _VOLUMES + "create"),
    Route("GET", _SERVER + "/os-volume_attachments/{volume}", server_inside.volume, _VOLUMES + "show"),
    Route("DELETE", _SERVER + "/os-volume_attachments/{volume}", server_inside.volume, _VOLUMES + "delete", 202),
    Route("GET", _SERVER + "/os-server-password", server_inside.password, _API + "os-server-password:show"),
    Route(
        "DELETE", _SERVER + "/os-server-password", server_inside.clear_password, _API + "os-server-password:clear", 204
    ),
    Route("GET", _SERVER + "/topology", server_inside.topology, "compute:server:topology:index", first=(2, 78)),
    Route("GET", _SERVER + "/migrations", server_inside.migrations, _SERVERS + "migrations:index", first=(2, 23)),
    Route("GET", _SERVER + "/diagnostics", server_inside.diagnostics, _API + "os-server-diagnostics"),
    Route("POST", _SERVER + "/remote-consoles", server_inside.console, _API + "os-remote-consoles", first=(2, 6)),
)
_OF_HISTORY = (
    Route("GET", _SERVER + "/os-instance-actions", server_history.every, _API + "os-instance-actions:list"),
    Route("GET", _SERVER + "/os-instance-actions/{request}", server_history.one, _API + "os-instance-actions:show"),
)
_FLAVOR = "/v2.1/flavors/{id}"
_SPECS = _API + "os-flavor-extra-specs:"
_OF_FLAVORS = (
    Route("GET", "/v2.1/flavors", flavor.list_brief, _API + "flavors:index"),
    Route("GET", "/v2.1/flavors/detail", flavor.list_detailed, _API + "flavors:index"),
    Route("POST", "/v2.1/flavors", flavor.create, _API + "os-flavor-manage:create"),
    Route("GET", _FLAVOR, flavor.show, _API + "flavors:show"),
    Route("PUT", _FLAVOR, flavor.update, _API + "os-flavor-manage:update", first=(2, 55)),
    Route("DELETE", _FLAVOR, flavor.delete, _API + "os-flavor-manage:delete", 202),
    Route("GET", _FLAVOR + "/os-flavor-access", flavor_more.access, _API + "os-flavor-access"),
    Route("POST", _FLAVOR + "/action", flavor_more.act, _API + "os-flavor-access:add_tenant_access"),
    Route("GET", _FLAVOR + "/os-extra_specs", flavor_more.specs, _SPECS + "index"),
    Route("POST", _FLAVOR + "/os-extra_specs", flavor_more.add_specs, _SPECS + "create"),
    Route("GET", _FLAVOR + "/os-extra_specs/{key}", flavor_more.spec, _SPECS + "show"),
    Route("PUT", _FLAVOR + "/os-extra_specs/{key}", flavor_more.set_spec, _SPECS + "update"),
    Route("DELETE", _FLAVOR + "/os-extra_specs/{key}", flavor_more.remove_spec, _SPECS + "delete"),
)
_OF_KEYS = (
    Route("GET", "/v2.1/os-keypairs", keypair.list_, _API + "os-keypairs:index"),
    Route("POST", "/v2.1/os-keypairs", keypair.create, _API + "os-keypairs:create"),
    Route("GET", "/v2.1/os-keypairs/{name}", keypair.show, _API + "os-keypairs:show"),
    Route("DELETE", "/v2.1/os-keypairs/{name}", keypair.delete, _API + "os-keypairs:delete"),
)
_QUOTAS = "/v2.1/os-quota-sets/{project}"
_OF_QUOTAS = (
    Route("GET", _QUOTAS, quota_set.show, _API + "os-quota-sets:show"),
    Route("GET", _QUOTAS + "/defaults", quota_set.defaults, _API + "os-quota-sets:defaults"),
    Route("GET", _QUOTAS + "/detail", quota_set.detail, _API + "os-quota-sets:detail"),
    Route("PUT", _QUOTAS, quota_set.update, _API + "os-quota-sets:update"),
    Route("DELETE", _QUOTAS, quota_set.reset, _API + "os-quota-sets:delete", 202),
    Route("GET", "/v2.1/os-quota-class-sets/{name}", quota_set.class_show, _API + "os-quota-class-sets:show"),
)
_OF_HOSTS = (
    Route("GET", "/v2.1/os-availability-zone", host.zones, _API + "os-availability-zone:list"),
    Route("GET", "/v2.1/os-availability-zone/detail", host.zones_detailed, _API + "os-availability-zone:detail"),
    Route("GET", "/v2.1/os-services", host.services, _API + "os-services:list"),
    Route("PUT", "/v2.1/os-services/{id}", host.change_service_by_name, _API + "os-services:update", last=(2, 52)),
    Route("PUT", "/v2.1/os-services/{id}", host.change_service, _API + "os-services:update", first=(2, 53)),
    Route("DELETE", "/v2.1/os-services/{id}", host.delete_service, _API + "os-services:delete", 204),
    Route("GET", "/v2.1/os-hypervisors", hypervisor.list_brief, _HYPERVISORS + "list"),
    Route("GET", "/v2.1/os-hypervisors/detail", hypervisor.list_detailed, _HYPERVISORS + "list-detail"),
    Route("GET", "/v2.1/os-hypervisors/statistics", hypervisor.statistics, _HYPERVISORS + "statistics", last=(2, 87)),
    Route("GET", "/v2.1/os-hypervisors/{id}", hypervisor.show, _HYPERVISORS + "show"),
    Route("GET", "/v2.1/os-hypervisors/{id}/uptime", hypervisor.uptime, _HYPERVISORS + "uptime", last=(2, 87)),
    Route("GET", "/v2.1/os-hypervisors/{id}/search", hypervisor.search, _HYPERVISORS + "search", last=(2, 52)),
    Route("GET", "/v2.1/os-hypervisors/{id}/servers", hypervisor.of_servers, _HYPERVISORS + "servers", last=(2, 52)),
)
_OF_ALL = (
    Route("GET", "/", about.versions, ANYONE, fences=False),
    Route("GET", "/v2.1", about.version, ANYONE, fences=False),
    Route("GET", "/v2.1/", about.version, ANYONE, fences=False),
    Route("GET", "/v2.1/extensions", about.extensions, _API + "extensions"),
    Route("GET", "/v2.1/extensions/{alias}", about.extension, _API + "extensions"),
    Route("GET", "/v2.1/os-simple-tenant-usage", usage.every, _API + "os-simple-tenant-usage:list"),
    Route("GET", "/v2.1/os-simple-tenant-usage/{project}", usage.one, _API + "os-simple-tenant-usage:show"),
    Route("GET", "/v2.1/os-migrations", about.migrations, _API + "os-migrations:index"),
    Route("GET", "/v2.1/os-aggregates", about.aggregates, _API + "os-aggregates:index"),
    Route("GET", "/v2.1/limits", quota_set.limits, _API + "limits"),
    Route("GET", "/v2.1/os-server-groups", about.server_groups, _API + "os-server-groups:index"),
)
_GONE = (
    *("os-agents", "os-cells", "os-cells/detail", "os-cells/{id}", "os-cloudpipe", "os-fixed-ips/{id}"),
    *("os-floating-ip-dns", "os-floating-ips-bulk", "os-fping", "os-security-group-default-rules"),
    *("servers/{id}/consoles", "servers/{id}/os-virtual-interfaces"),
)


def _found(routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Routes whose functions put to the rule whose the thing is."""
    return tuple(replace(route, target="found") for route in routes)


ROUTES = (
    *_OF_SERVERS,
    *_found((*_OF_SERVER, *_OF_PARTS, *_OF_INSIDE, *_OF_HISTORY, *_OF_KEYS, *_OF_QUOTAS)),
    *_OF_FLAVORS,
    *_OF_HOSTS,
    *_OF_ALL,
    *(Route("GET", f"/v2.1/{path}", about.gone, _API + "extensions") for path in _GONE),
)

FACE = Face(
    name="compute",
    path="/compute",
    routes=ROUTES,
    format=faults.compute,
    versions=Range(service="compute", legacy="X-OpenStack-Nova-API-Version", minimum=(2, 1), maximum=(2, 100)),
    explain=words.explain,
    statuses={UnsupportedMedia: 400},
    rules=RULES,
    former=FORMER,
)
