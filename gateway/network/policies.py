"""Network's policy: who may do what with networks, subnets, ports and security groups, and with which attributes.

Source: the Networking service's policy reference.
"""

from __future__ import annotations

from gateway.policy import PROJECT, Former, Rule, rules

_MEMBER = "(role:member and project_id:%(project_id)s)"
_READER = "(role:reader and project_id:%(project_id)s)"

RULES = (
    Rule("context_is_admin", "role:admin", "admins"),
    Rule("service_api", "role:service", "other services"),
    Rule("admin_only", "rule:context_is_admin", "admins"),
    Rule("owner", "project_id:%(project_id)s", "whoever is in the project"),
    Rule("admin_or_owner", "rule:context_is_admin or rule:owner", "admins, and whoever is in the project"),
    Rule("network_owner", "project_id:%(network:project_id)s", "whoever is in the network's project"),
    Rule("admin_or_network_owner", "rule:context_is_admin or rule:network_owner", "the same, and admins"),
    Rule("sg_owner", "project_id:%(security_group:project_id)s", "whoever is in the security group's project"),
    Rule("shared", "field:networks:shared=True", "what is shared"),
    Rule("shared_security_group", "field:security_groups:shared=True", "security groups that are shared"),
    Rule("shared_subnetpools", "field:subnetpools:shared=True", "pools of subnets that are shared"),
    Rule("external", "field:networks:router:external=True", "networks that lead outside"),
    Rule("external_network", "field:subnets:router:external=True", "subnets of networks that lead outside"),
    Rule("network_device", "field:port:device_owner=~^network:", "ports of the network's own"),
    Rule("compute_device", "field:port:device_owner=~^compute:", "ports of servers"),
    Rule("baremetal_device", "field:port:device_owner=~^baremetal:", "ports of machines"),
    Rule("manila_device", "field:port:device_owner=~^manila:", "ports of shares"),
    *rules(
        f"rule:admin_only or {_MEMBER}",
        PROJECT,
        {
            "create_network": "make a network",
            "update_network": "change a network",
            "delete_network": "delete a network",
            "create_security_group": "make a security group",
            "update_security_group": "change a security group",
            "delete_security_group": "delete a security group",
            "create_network:port_security_enabled": "set `port_security_enabled` of a network",
            "update_network:port_security_enabled": "set `port_security_enabled` of a network",
            "create_network:tags": "add the tags of a network",
            "update_network:tags": "change the tags of a network",
            "delete_network:tags": "remove the tags of a network",
            "create_port:tags": "add the tags of a port",
            "update_port:tags": "change the tags of a port",
            "create_security_group:tags": "add the tags of a security group",
            "update_security_group:tags": "change the tags of a security group",
            "delete_security_group:tags": "remove the tags of a security group",
            "create_router": "make a router",
            "create_floatingip": "make a floating address",
        },
    ),
    *rules(
        f"rule:admin_only or {_READER} or rule:service_api or rule:shared or rule:external",
        PROJECT,
        {
            "get_network": "see a network",
        },
    ),
    *rules(
        "rule:admin_only or (role:member and rule:network_owner)",
        PROJECT,
        {
            "create_subnet": "make a subnet",
        },
    ),
    *rules(
        (
            "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or "
            "rule:admin_only or (role:reader and rule:network_owner) or rule:service_api"
        ),
        PROJECT,
        {
            "get_subnet": "see a subnet",
        },
    ),
    *rules(
        ("role:member and project_id:%(project_id)s or rule:admin_only or (role:member and rule:network_owner)"),
        PROJECT,
        {
            "update_subnet": "change a subnet",
            "delete_subnet": "delete a subnet",
            "create_subnet:tags": "add the tags of a subnet",
            "update_subnet:tags": "change the tags of a subnet",
            "delete_subnet:tags": "remove the tags of a subnet",
            "delete_port:tags": "remove the tags of a port",
        },
    ),
    *rules(
        "rule:admin_only or rule:service_api or role:member and rule:network_owner or rule:shared",
        PROJECT,
        {
            "create_port": "make a port",
        },
    ),
    *rules(
        (
            "rule:admin_only or rule:service_api or role:reader and rule:network_owner or "
            "role:reader and project_id:%(project_id)s"
        ),
        PROJECT,
        {
            "get_port": "see a port",
        },
    ),
    *rules(
        "rule:admin_only or rule:service_api or role:member and project_id:%(project_id)s",
        PROJECT,
        {
            "update_port": "change a port",
        },
    ),
    *rules(
        (
            "rule:admin_only or rule:service_api or (not rule:compute_device and not rule:baremetal_device and "
            f"not rule:manila_device and (role:member and rule:network_owner or {_MEMBER}))"
        ),
        PROJECT,
        {
            "delete_port": "delete a port",
        },
    ),
    *rules(
        f"rule:admin_only or {_READER} or rule:shared_security_group",
        PROJECT,
        {
            "get_security_group": "see a security group",
            "get_security_group:tags": "see the tags of a security group",
        },
    ),
    *rules(
        "rule:admin_only or (role:member and rule:sg_owner)",
        PROJECT,
        {
            "create_security_group_rule": "make a rule of a security group",
            "delete_security_group_rule": "delete a rule of a security group",
            "update_security_group_rule": "describe a rule of a security group",
        },
    ),
    *rules(
        "rule:admin_only or (role:reader and rule:sg_owner)",
        PROJECT,
        {
            "get_security_group_rule": "see a rule of a security group",
        },
    ),
    *rules(
        "rule:admin_only",
        PROJECT,
        {
            "create_network:shared": "set `shared` of a network",
            "update_network:shared": "set `shared` of a network",
            "create_network:is_default": "set `is_default` of a network",
            "update_network:is_default": "set `is_default` of a network",
            "create_network:provider:network_type": "set `provider:network_type` of a network",
            "update_network:provider:network_type": "set `provider:network_type` of a network",
            "create_network:provider:physical_network": "set `provider:physical_network` of a network",
            "update_network:provider:physical_network": "set `provider:physical_network` of a network",
            "create_network:provider:segmentation_id": "set `provider:segmentation_id` of a network",
            "update_network:provider:segmentation_id": "set `provider:segmentation_id` of a network",
            "create_network:router:external": "set `router:external` of a network",
            "update_network:router:external": "set `router:external` of a network",
            "get_network:provider:network_type": "see `provider:network_type` of a network",
            "get_network:provider:physical_network": "see `provider:physical_network` of a network",
            "get_network:provider:segmentation_id": "see `provider:segmentation_id` of a network",
            "create_subnet:segment_id": "set `segment_id` of a subnet",
            "update_subnet:segment_id": "set `segment_id` of a subnet",
            "create_subnet:service_types": "set `service_types` of a subnet",
            "update_subnet:service_types": "set `service_types` of a subnet",
            "get_port:resource_request": "see `resource_request` of a port",
            "update_quota": "change a project's quotas",
            "delete_quota": "give a project the default quotas",
            "get_agent": "list agents",
        },
    ),
    *rules(
        ("not rule:network_device or rule:admin_only or rule:service_api or role:member and rule:network_owner"),
        PROJECT,
        {
            "create_port:device_owner": "set `device_owner` of a port",
            "update_port:device_owner": "set `device_owner` of a port",
        },
    ),
    *rules(
        "rule:admin_only or rule:service_api or role:member and rule:network_owner",
        PROJECT,
        {
            "create_port:mac_address": "set `mac_address` of a port",
            "create_port:fixed_ips:ip_address": "set `fixed_ips:ip_address` of a port",
            "update_port:fixed_ips:ip_address": "set `fixed_ips:ip_address` of a port",
            "create_port:port_security_enabled": "set `port_security_enabled` of a port",
            "update_port:port_security_enabled": "set `port_security_enabled` of a port",
        },
    ),
    *rules(
        "rule:admin_only or rule:service_api or role:manager and rule:network_owner",
        PROJECT,
        {
            "update_port:mac_address": "set `mac_address` of a port",
        },
    ),
    *rules(
        "rule:admin_only or rule:service_api",
        PROJECT,
        {
            "create_port:binding:host_id": "set `binding:host_id` of a port",
            "update_port:binding:host_id": "set `binding:host_id` of a port",
            "get_port:binding:vif_type": "see `binding:vif_type` of a port",
            "get_port:binding:vif_details": "see `binding:vif_details` of a port",
            "get_port:binding:host_id": "see `binding:host_id` of a port",
            "get_port:binding:profile": "see `binding:profile` of a port",
        },
    ),
    *rules(
        "rule:service_api",
        PROJECT,
        {
            "create_port:binding:profile": "set `binding:profile` of a port",
            "update_port:binding:profile": "set `binding:profile` of a port",
        },
    ),
    *rules(
        "rule:admin_only or (role:member and rule:network_owner) or rule:service_api",
        PROJECT,
        {
            "create_port:allowed_address_pairs:ip_address": "set `allowed_address_pairs:ip_address` of a port",
            "update_port:allowed_address_pairs:ip_address": "set `allowed_address_pairs:ip_address` of a port",
        },
    ),
    *rules(
        f"rule:admin_only or {_READER} or rule:shared or rule:external",
        PROJECT,
        {
            "get_network:tags": "see the tags of a network",
        },
    ),
    *rules(
        (
            "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or "
            "rule:admin_only or (role:reader and rule:network_owner)"
        ),
        PROJECT,
        {
            "get_subnet:tags": "see the tags of a subnet",
        },
    ),
    *rules(
        ("rule:admin_only or (role:reader and rule:network_owner) or role:reader and project_id:%(project_id)s"),
        PROJECT,
        {
            "get_port:tags": "see the tags of a port",
        },
    ),
    *rules(
        "rule:admin_only or (role:manager and project_id:%(project_id)s)",
        PROJECT,
        {
            "get_quota": "see a project's quotas",
        },
    ),
    *rules(
        "role:reader",
        PROJECT,
        {
            "get_availability_zone": "list zones",
        },
    ),
    *rules(
        f"rule:admin_only or {_READER}",
        PROJECT,
        {
            "get_router": "see a router",
            "get_floatingip": "see a floating address",
        },
    ),
    *rules(
        f"rule:admin_only or {_READER} or rule:shared_subnetpools",
        PROJECT,
        {
            "get_subnetpool": "see a pool of subnets",
        },
    ),
    *rules(
        "@",
        PROJECT,
        {
            "get_extension": "see what the service can do",
            "tags": "ask for tags: each kind of thing has rules of its own",
        },
    ),
)

# Names of rules before they were those of an attribute. Source: the Networking service's policy reference.
FORMER: Former = {rule.name.replace(":tags", "s_tags"): [rule.name] for rule in RULES if rule.name.endswith(":tags")}
