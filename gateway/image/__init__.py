"""Image over HTTP: every URL of the service, what answers it, the rule that says who may call it.

Source: Image API reference, version 2.17.
"""

from __future__ import annotations

from gateway import faults
from gateway.image import data, image, info, listing, member, schema, versions
from gateway.image.data import OutOfRange
from gateway.image.policies import RULES
from gateway.policy import ANYONE
from gateway.serving import Face, Route

_IMAGE = "/v2/images/{id}"

ROUTES = (
    Route("GET", "/v2/images", listing.list_, "get_images", target="own"),
    Route("GET", _IMAGE, image.show, "get_image"),
    Route("POST", "/v2/images", image.create, "add_image", 201),
    Route("PATCH", _IMAGE, image.update, "modify_image"),
    Route("DELETE", _IMAGE, image.delete, "delete_image", 204),
    Route("GET", f"{_IMAGE}/file", data.download, "download_image", past=False),
    Route("PUT", f"{_IMAGE}/file", data.upload, "upload_image", 204, timed=False),
    Route("PUT", f"{_IMAGE}/stage", data.stage, "modify_image", 204, timed=False),
    Route("POST", f"{_IMAGE}/import", data.import_, "modify_image", 202),
    Route("POST", f"{_IMAGE}/actions/deactivate", image.deactivate, "deactivate", 204),
    Route("POST", f"{_IMAGE}/actions/reactivate", image.reactivate, "reactivate", 204),
    Route("PUT", f"{_IMAGE}/tags/{{tag}}", image.tag, "modify_image", 204),
    Route("DELETE", f"{_IMAGE}/tags/{{tag}}", image.untag, "modify_image", 204),
    Route("GET", f"{_IMAGE}/members", member.list_, "get_members"),
    Route("POST", f"{_IMAGE}/members", member.add, "add_member"),
    Route("GET", f"{_IMAGE}/members/{{member}}", member.show, "get_member"),
    Route("PUT", f"{_IMAGE}/members/{{member}}", member.answer, "modify_member"),
    Route("DELETE", f"{_IMAGE}/members/{{member}}", member.remove, "delete_member", 204),
    Route("GET", f"{_IMAGE}/locations", info.locations, "fetch_image_location", past=False),
    Route("POST", f"{_IMAGE}/locations", info.add_location, "add_image_location"),
    Route("GET", f"{_IMAGE}/tasks", info.image_tasks, "get_image"),
    Route("GET", "/v2/info/import", info.methods, "get_stores", target="own", past=False),
    Route("GET", "/v2/info/stores", info.stores, "get_stores", target="own", past=False),
    Route("GET", "/v2/info/stores/detail", info.stores_in_detail, "stores_info_detail", past=False),
    Route("GET", "/v2/info/usage", info.usage, "get_usage", target="own"),
    Route("DELETE", "/v2/stores/{store}/{id}", info.remove_from_store, "delete_image_location"),
    Route("GET", "/v2/schemas/{name}", schema.show, "get_schema", target="own", past=False),
    Route("GET", "/v2/tasks", info.tasks, "tasks_api_access"),
    Route("GET", "/v2/tasks/{id}", info.task, "tasks_api_access"),
    Route("GET", "/v2/metadefs/namespaces", info.namespaces, "get_metadef_namespaces", target="own", past=False),
    Route("GET", "/v2/metadefs/namespaces/{id}", info.namespace, "get_metadef_namespace", target="own", past=False),
    Route(
        "GET",
        "/v2/metadefs/resource_types",
        info.resource_types,
        "list_metadef_resource_types",
        target="own",
        past=False,
    ),
    Route("GET", "/v2/cache", info.cache, "cache_list", past=False),
    Route("DELETE", "/v2/cache", info.cache, "cache_delete"),
    Route("GET", "/v2", versions.forward, "get_schema", target="own", past=False),
    Route("GET", "/", versions.show, ANYONE, 300, fences=False),
    Route("GET", "/versions", versions.show, ANYONE, fences=False),
    # Whoever asks for a version that there is not is told which there are.
    *(
        Route("GET", f"/v{other}/{{rest:path}}", versions.show, ANYONE, 300, fences=False)
        for other in (1, 3, 4, 5, 6, 7, 8, 9)
    ),
)

FACE = Face(
    name="image",
    path="/image",
    routes=ROUTES,
    format=faults.image,
    negotiate=faults.image_for,
    statuses={OutOfRange: 416},
    rules=RULES,
    target="found",
    describe=lambda route: {**schema.IMAGE, "type": "object"} if route.function is image.create else None,
    denial="You are not authorized to complete {operation} action.",
)
