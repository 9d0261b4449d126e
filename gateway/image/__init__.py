"""Image over HTTP: every URL of the service, what answers it, the least persona that may call it.

Source: Image API reference, version 2.17.
"""

from __future__ import annotations

from gateway import faults
from gateway.image import data, image, info, listing, member, schema, versions
from gateway.image.data import OutOfRange
from gateway.policy import ADMIN, ANYONE, MEMBER, READER
from gateway.serving import Face, Route

_IMAGE = "/v2/images/{id}"

ROUTES = (
    Route("GET", "/v2/images", listing.list_, READER, policy="get_images"),
    Route("GET", _IMAGE, image.show, READER, policy="get_image"),
    Route("POST", "/v2/images", image.create, MEMBER, 201, policy="add_image"),
    Route("PATCH", _IMAGE, image.update, MEMBER, policy="modify_image"),
    Route("DELETE", _IMAGE, image.delete, MEMBER, 204, policy="delete_image"),
    Route("GET", f"{_IMAGE}/file", data.download, MEMBER, policy="download_image", past=False),
    Route("PUT", f"{_IMAGE}/file", data.upload, MEMBER, 204, policy="upload_image", timed=False),
    Route("PUT", f"{_IMAGE}/stage", data.stage, MEMBER, 204, policy="modify_image", timed=False),
    Route("POST", f"{_IMAGE}/import", data.import_, MEMBER, 202, policy="modify_image"),
    Route("POST", f"{_IMAGE}/actions/deactivate", image.deactivate, MEMBER, 204, policy="deactivate"),
    Route("POST", f"{_IMAGE}/actions/reactivate", image.reactivate, MEMBER, 204, policy="reactivate"),
    Route("PUT", f"{_IMAGE}/tags/{{tag}}", image.tag, MEMBER, 204, policy="modify_image"),
    Route("DELETE", f"{_IMAGE}/tags/{{tag}}", image.untag, MEMBER, 204, policy="modify_image"),
    Route("GET", f"{_IMAGE}/members", member.list_, READER, policy="get_members"),
    Route("POST", f"{_IMAGE}/members", member.add, MEMBER, policy="add_member"),
    Route("GET", f"{_IMAGE}/members/{{member}}", member.show, READER, policy="get_member"),
    Route("PUT", f"{_IMAGE}/members/{{member}}", member.answer, MEMBER, policy="modify_member"),
    Route("DELETE", f"{_IMAGE}/members/{{member}}", member.remove, MEMBER, 204, policy="delete_member"),
    Route("GET", f"{_IMAGE}/locations", info.locations, ADMIN, policy="fetch_image_location", past=False),
    Route("POST", f"{_IMAGE}/locations", info.add_location, MEMBER, policy="add_image_location"),
    Route("GET", f"{_IMAGE}/tasks", info.image_tasks, READER, policy="get_image"),
    Route("GET", "/v2/info/import", info.methods, READER, past=False),
    Route("GET", "/v2/info/stores", info.stores, READER, past=False),
    Route("GET", "/v2/info/stores/detail", info.stores_in_detail, ADMIN, policy="stores_info_detail", past=False),
    Route("GET", "/v2/info/usage", info.usage, READER),
    Route("DELETE", "/v2/stores/{store}/{id}", info.remove_from_store, ADMIN, policy="delete_image_location"),
    Route("GET", "/v2/schemas/{name}", schema.show, READER, past=False),
    Route("GET", "/v2/tasks", info.tasks, ADMIN, policy="tasks_api_access"),
    Route("GET", "/v2/tasks/{id}", info.task, ADMIN, policy="tasks_api_access"),
    Route("GET", "/v2/metadefs/namespaces", info.namespaces, READER, past=False),
    Route("GET", "/v2/metadefs/namespaces/{id}", info.namespace, READER, past=False),
    Route("GET", "/v2/metadefs/resource_types", info.resource_types, READER, past=False),
    Route("GET", "/v2/cache", info.cache, ADMIN, policy="cache_list", past=False),
    Route("DELETE", "/v2/cache", info.cache, ADMIN, policy="cache_delete"),
    Route("GET", "/v2", versions.forward, READER, past=False),
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
    denial="You are not authorized to complete {operation} action.",
)
