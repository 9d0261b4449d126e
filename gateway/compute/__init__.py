"""Compute over HTTP: every URL of the service, what answers it, the least persona that may call it.

Source: Compute API reference; microversions 2.1 to 2.100.
"""

from __future__ import annotations

from gateway import faults
from gateway.compute import flavor, server, server_action, server_inside, server_list, server_parts, words
from gateway.microversions import Range
from gateway.policy import ADMIN, MEMBER, READER
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
_OF_FLAVORS = (
    Route("POST", "/v2.1/flavors", flavor.create, ADMIN, policy=_API + "os-flavor-manage:create"),
    Route("GET", "/v2.1/flavors/{id}", flavor.show, READER),
    Route("DELETE", "/v2.1/flavors/{id}", flavor.delete, ADMIN, 202, policy=_API + "os-flavor-manage:delete"),
)

ROUTES = (*_OF_SERVERS, *_OF_PARTS, *_OF_INSIDE, *_OF_FLAVORS)

FACE = Face(
    name="compute",
    path="/compute",
    routes=ROUTES,
    format=faults.compute,
    versions=Range(service="compute", legacy="X-OpenStack-Nova-API-Version", minimum=(2, 1), maximum=(2, 100)),
    explain=words.explain,
)
