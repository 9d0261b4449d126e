"""Image's policy: who may do what with images, their bytes and whom they are shared with.

Source: the Image service's policy reference.
"""

from __future__ import annotations

from gateway.policy import PROJECT, Rule, rules

ADMIN = "rule:context_is_admin"
_OPEN = (
    "(project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s "
    "or 'shared':%(visibility)s)"
)

RULES = (
    Rule("default", "", "anybody with a token"),
    Rule("context_is_admin", "role:admin", "admins"),
    Rule("service_api", "role:service or role:admin", "other services, and admins"),
    *rules(
        f"{ADMIN} or (role:reader and project_id:%(project_id)s)",
        PROJECT,
        {
            "get_images": "list images",
            "get_metadef_namespaces": "list namespaces of metadata definitions",
        },
    ),
    *rules(
        f"{ADMIN} or (role:reader and {_OPEN})",
        PROJECT,
        {
            "get_image": "show an image",
        },
    ),
    *rules(
        f"{ADMIN} or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
        PROJECT,
        {
            "add_image": "make an image",
        },
    ),
    *rules(
        f"{ADMIN} or (role:member and project_id:%(project_id)s)",
        PROJECT,
        {
            "modify_image": "change an image",
            "delete_image": "delete an image",
            "communitize_image": "open an image to everybody who knows of it",
            "upload_image": "write an image's bytes",
            "deactivate": "close an image's bytes",
            "reactivate": "open an image's bytes again",
            "add_member": "share an image with a project",
            "delete_member": "share an image no longer",
        },
    ),
    *rules(
        ADMIN,
        PROJECT,
        {
            "publicize_image": "open an image to everybody",
            "delete_image_location": "take away a place of an image's bytes",
            "tasks_api_access": "list and show tasks",
            "cache_list": "list what is cached",
            "cache_delete": "empty the cache",
        },
    ),
    *rules(
        f"{ADMIN} or (role:member and {_OPEN})",
        PROJECT,
        {
            "download_image": "read an image's bytes",
        },
    ),
    *rules(
        f"{ADMIN} or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)",
        PROJECT,
        {
            "get_members": "list the projects with which an image is shared",
            "get_member": "show with whom an image is shared",
        },
    ),
    *rules(
        f"{ADMIN} or (role:member and project_id:%(member_id)s)",
        PROJECT,
        {
            "modify_member": "accept or reject a shared image",
        },
    ),
    *rules(
        "rule:service_api",
        PROJECT,
        {
            "fetch_image_location": "list where an image's bytes are",
        },
    ),
    *rules(
        "rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)",
        PROJECT,
        {
            "add_image_location": "add a place of an image's bytes",
        },
    ),
    *rules(
        f"{ADMIN} or rule:service_api",
        PROJECT,
        {
            "stores_info_detail": "list stores in detail",
        },
    ),
    *rules(
        f"{ADMIN} or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))",
        PROJECT,
        {
            "get_metadef_namespace": "show a namespace of metadata definitions",
            "list_metadef_resource_types": "list resource types of metadata definitions",
        },
    ),
    *rules(
        "role:reader",
        PROJECT,
        {
            "get_stores": "list stores, and how images may come into them",
            "get_schema": "see the schemas of what the service answers",
            "get_usage": "see what one's project uses",
        },
    ),
)
