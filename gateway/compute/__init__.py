"""Compute over HTTP: every URL of the service, what answers it, the least persona that may call it.

Source: Compute API reference; microversions 2.1 to 2.100.
"""

from __future__ import annotations

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
from gateway.microversions import Range
from gateway.policy import ADMIN, ANY_TOKEN, ANYONE, MEMBER, READER
from gateway.serving import Face, Route

_SERVER = "/v2.1/servers/{id}"
_API = "os_compute_api:"
_SERVERS = _API + "servers:"

_OF_SERVERS = (
    Route("GET", "/v2.1/servers", server_list.brief, READER, policy=_SERVERS + "index"),
    Route("GET", "/v2.1/servers/detail", server_list.detailed, READER, policy=_SERVERS + "detail"),
    Route("POST", "/v2.1/servers", server.create, MEMBER, 202, policy=_SERVERS + "create"),
    Route("GET", _SERVER, server.show, READER, policy=_SERVERS + "show"),
    Route("PUT", _SERVER, server.update, MEMBER, policy=_SERVERS + "update"),
    Route("DELETE", _SERVER, server.delete, MEMBER, 204, policy=_SERVERS + "delete"),
    Route("POST", _SERVER + "/action", server_action.act, READER, 202, policy=_SERVERS + "action"),
)
_OF_PARTS = (
    Route("GET", _SERVER + "/metadata", server_parts.metadata, READER, policy=_API + "server-metadata:index"),
    Route("POST", _SERVER + "/metadata", server_parts.add_metadata, MEMBER, policy=_API + "server-metadata:create"),
    Route("PUT", _SERVER + "/metadata", server_parts.set_metadata, MEMBER, policy=_API + "server-metadata:update_all"),
    Route("GET", _SERVER + "/metadata/{key}", server_parts.item, READER, policy=_API + "server-metadata:show"),
    Route("PUT", _SERVER + "/metadata/{key}", server_parts.set_item, MEMBER, policy=_API + "server-metadata:update"),
    Route(
        "DELETE", _SERVER + "/metadata/{key}", server_parts.remove_item, MEMBER, 204, _API + "server-metadata:delete"
    ),
    Route("GET", _SERVER + "/tags", server_parts.tags, READER, policy=_API + "os-server-tags:index", first=(2, 26)),
    Route("PUT", _SERVER + "/tags", server_parts.set_tags, MEMBER, first=(2, 26)),
    Route("DELETE", _SERVER + "/tags", server_parts.remove_tags, MEMBER, 204, first=(2, 26)),
    Route("GET", _SERVER + "/tags/{tag}", server_parts.has_tag, READER, 204, first=(2, 26)),
    Route("PUT", _SERVER + "/tags/{tag}", server_parts.add_tag, MEMBER, first=(2, 26)),
    Route("DELETE", _SERVER + "/tags/{tag}", server_parts.remove_tag, MEMBER, 204, first=(2, 26)),
)
_OF_INSIDE = (
    Route("GET", _SERVER + "/ips", server_inside.ips, READER),
    Route("GET", _SERVER + "/ips/{network}", server_inside.ips_of, READER),
    Route("GET", _SERVER + "/os-interface", server_inside.interfaces, READER),
    Route("POST", _SERVER + "/os-interface", server_inside.attach_interface, MEMBER),
    Route("GET", _SERVER + "/os-interface/{port}", server_inside.interface, READER),
    Route("DELETE", _SERVER + "/os-interface/{port}", server_inside.detach_interface, MEMBER, 202),
    Route("GET", _SERVER + "/os-security-groups", server_inside.security_groups, READER),
    Route("GET", _SERVER + "/os-volume_attachments", server_inside.volumes, READER),
    Route("POST", _SERVER + "/os-volume_attachments", server_inside.attach_volume, MEMBER),
    Route("GET", _SERVER + "/os-volume_attachments/{volume}", server_inside.volume, READER),
    Route("DELETE", _SERVER + "/os-volume_attachments/{volume}", server_inside.volume, MEMBER, 202),
    Route("GET", _SERVER + "/os-server-password", server_inside.password, READER),
    Route("DELETE", _SERVER + "/os-server-password", server_inside.clear_password, MEMBER, 204),
    Route("GET", _SERVER + "/topology", server_inside.topology, READER, first=(2, 78)),
    Route("GET", _SERVER + "/migrations", server_inside.migrations, ADMIN, first=(2, 23)),
    Route("GET", _SERVER + "/diagnostics", server_inside.diagnostics, ADMIN),
    Route("POST", _SERVER + "/remote-consoles", server_inside.console, MEMBER, first=(2, 6)),
)
_OF_HISTORY = (
    Route("GET", _SERVER + "/os-instance-actions", server_history.every, READER),
    Route("GET", _SERVER + "/os-instance-actions/{request}", server_history.one, READER),
)
_FLAVOR = "/v2.1/flavors/{id}"
_SPECS = _API + "os-flavor-extra-specs:"
_OF_FLAVORS = (
    Route("GET", "/v2.1/flavors", flavor.list_brief, READER),
    Route("GET", "/v2.1/flavors/detail", flavor.list_detailed, READER),
    Route("POST", "/v2.1/flavors", flavor.create, ADMIN, policy=_API + "os-flavor-manage:create"),
    Route("GET", _FLAVOR, flavor.show, READER),
    Route("PUT", _FLAVOR, flavor.update, ADMIN, policy=_API + "os-flavor-manage:update", first=(2, 55)),
    Route("DELETE", _FLAVOR, flavor.delete, ADMIN, 202, policy=_API + "os-flavor-manage:delete"),
    Route("GET", _FLAVOR + "/os-flavor-access", flavor_more.access, ADMIN, policy=_API + "os-flavor-access"),
    Route("POST", _FLAVOR + "/action", flavor_more.act, ADMIN, policy=_API + "os-flavor-access:add_tenant_access"),
    Route("GET", _FLAVOR + "/os-extra_specs", flavor_more.specs, READER, policy=_SPECS + "index"),
    Route("POST", _FLAVOR + "/os-extra_specs", flavor_more.add_specs, ADMIN, policy=_SPECS + "create"),
    Route("GET", _FLAVOR + "/os-extra_specs/{key}", flavor_more.spec, READER, policy=_SPECS + "show"),
    Route("PUT", _FLAVOR + "/os-extra_specs/{key}", flavor_more.set_spec, ADMIN, policy=_SPECS + "update"),
    Route("DELETE", _FLAVOR + "/os-extra_specs/{key}", flavor_more.remove_spec, ADMIN, policy=_SPECS + "delete"),
)
_OF_KEYS = (
    Route("GET", "/v2.1/os-keypairs", keypair.list_, READER),
    Route("POST", "/v2.1/os-keypairs", keypair.create, READER),
    Route("GET", "/v2.1/os-keypairs/{name}", keypair.show, READER),
    Route("DELETE", "/v2.1/os-keypairs/{name}", keypair.delete, READER),
)
_QUOTAS = "/v2.1/os-quota-sets/{project}"
_OF_QUOTAS = (
    Route("GET", _QUOTAS, quota_set.show, READER, policy=_API + "os-quota-sets:show"),
    Route("GET", _QUOTAS + "/defaults", quota_set.defaults, READER, policy=_API + "os-quota-sets:defaults"),
    Route("GET", _QUOTAS + "/detail", quota_set.detail, READER, policy=_API + "os-quota-sets:detail"),
    Route("PUT", _QUOTAS, quota_set.update, ADMIN, policy=_API + "os-quota-sets:update"),
    Route("DELETE", _QUOTAS, quota_set.reset, ADMIN, 202, policy=_API + "os-quota-sets:delete"),
    Route("GET", "/v2.1/os-quota-class-sets/{name}", quota_set.class_show, ADMIN),
    Route("GET", "/v2.1/limits", quota_set.limits, READER, policy=_API + "limits"),
)
_OF_HOSTS = (
    Route("GET", "/v2.1/os-availability-zone", host.zones, READER),
    Route("GET", "/v2.1/os-availability-zone/detail", host.zones_detailed, ADMIN),
    Route("GET", "/v2.1/os-services", host.services, ADMIN),
    Route("PUT", "/v2.1/os-services/{id}", host.change_service_by_name, ADMIN, last=(2, 52)),
    Route("PUT", "/v2.1/os-services/{id}", host.change_service, ADMIN, first=(2, 53)),
    Route("DELETE", "/v2.1/os-services/{id}", host.delete_service, ADMIN, 204),
    Route("GET", "/v2.1/os-hypervisors", hypervisor.list_brief, ADMIN),
    Route("GET", "/v2.1/os-hypervisors/detail", hypervisor.list_detailed, ADMIN),
    Route("GET", "/v2.1/os-hypervisors/statistics", hypervisor.statistics, ADMIN, last=(2, 87)),
    Route("GET", "/v2.1/os-hypervisors/{id}", hypervisor.show, ADMIN),
    Route("GET", "/v2.1/os-hypervisors/{id}/uptime", hypervisor.uptime, ADMIN, last=(2, 87)),
    Route("GET", "/v2.1/os-hypervisors/{id}/search", hypervisor.search, ADMIN, last=(2, 52)),
    Route("GET", "/v2.1/os-hypervisors/{id}/servers", hypervisor.of_servers, ADMIN, last=(2, 52)),
)
_OF_ALL = (
    Route("GET", "/", about.versions, ANYONE, fences=False),
    Route("GET", "/v2.1", about.version, ANYONE, fences=False),
    Route("GET", "/v2.1/", about.version, ANYONE, fences=False),
    Route("GET", "/v2.1/extensions", about.extensions, ANY_TOKEN),
    Route("GET", "/v2.1/extensions/{alias}", about.extension, ANY_TOKEN),
    Route("GET", "/v2.1/os-simple-tenant-usage", usage.every, ADMIN),
    Route("GET", "/v2.1/os-simple-tenant-usage/{project}", usage.one, READER),
    Route("GET", "/v2.1/os-migrations", about.migrations, ADMIN),
    Route("GET", "/v2.1/os-aggregates", about.aggregates, ADMIN),
    Route("GET", "/v2.1/os-server-groups", about.server_groups, READER),
)
_GONE = (
    *("os-agents", "os-cells", "os-cells/detail", "os-cells/{id}", "os-cloudpipe", "os-fixed-ips/{id}"),
    *("os-floating-ip-dns", "os-floating-ips-bulk", "os-fping", "os-security-group-default-rules"),
    *("servers/{id}/consoles", "servers/{id}/os-virtual-interfaces"),
)

ROUTES = (
    *_OF_SERVERS,
    *_OF_PARTS,
    *_OF_INSIDE,
    *_OF_HISTORY,
    *_OF_FLAVORS,
    *_OF_KEYS,
    *_OF_QUOTAS,
    *_OF_HOSTS,
    *_OF_ALL,
    *(Route("GET", f"/v2.1/{path}", about.gone, ANY_TOKEN) for path in _GONE),
)

FACE = Face(
    name="compute",
    path="/compute",
    routes=ROUTES,
    format=faults.compute,
    versions=Range(service="compute", legacy="X-OpenStack-Nova-API-Version", minimum=(2, 1), maximum=(2, 100)),
    explain=words.explain,
    statuses={UnsupportedMedia: 400},
)
