"""What the service is able to do: versions, collections, and extensions by their aliases.

Source: Networking API reference, "API versions", "Extensions".
"""

from __future__ import annotations

import html

from gateway.network.documents import Document
from gateway.serving import Answer, Call

EXTENSIONS: dict[str, tuple[str, str, str]] = {  # alias -> name, description, updated
    "agent": ("agent", "Agents of the network service.", "2013-02-03"),
    "allowed-address-pairs": ("Allowed Address Pairs", "Further addresses that may send from a port.", "2013-07-23"),
    "aap-reject-multicast": (
        "Allowed address pairs reject multicast extension",
        "Further addresses cannot be multicast addresses.",
        "2026-04-01",
    ),
    "availability_zone": ("Availability Zone", "Zones in which networks are served.", "2015-01-01"),
    "binding": ("Port Binding", "Where a port is attached, and how.", "2014-02-03"),
    "empty-string-filtering": ("Empty String Filtering Extension", "Filters with an empty value.", "2018-05-01"),
    "external-net": ("Neutron external network", "Networks to the world outside.", "2013-01-14"),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "Further DHCP options of a port.", "2013-03-17"),
    "filter-validation": ("Filter parameters validation", "Unknown filters are refused.", "2018-07-04"),
    "ip_allocation": ("IP Allocation", "When a port gets its addresses.", "2016-06-10"),
    "ip-substring-filtering": ("IP address substring filtering", "Ports by a part of an address.", "2017-11-28"),
    "l2_adjacency": ("L2 Adjacency", "Whether a network is one segment.", "2016-04-12"),
    "net-mtu": ("Network MTU", "The MTU of a network.", "2015-03-25"),
    "net-mtu-writable": ("Network MTU (writable)", "The MTU of a network can be chosen.", "2017-07-12"),
    "network_availability_zone": ("Network Availability Zone", "Zones of a network.", "2015-01-01"),
    "pagination": ("Pagination support", "Lists come in pages.", "2016-06-12"),
    "port-mac-address-regenerate": (
        "Neutron Port MAC address regenerate",
        "A port can be given another MAC address.",
        "2018-05-03",
    ),
    "port-security": ("Port Security", "Ports send from their own addresses only.", "2012-07-23"),
    "port-security-groups-filtering": (
        "Port filtering on security groups",
        "Ports by their security groups.",
        "2018-01-09",
    ),
    "project-id": ("project_id field enabled", "Documents have a project_id.", "2016-09-09"),
    "provider": ("Provider Network", "The segment beneath a network.", "2012-09-07"),
    "quota-check-limit": ("Quota engine limit check", "A limit below what is used can be refused.", "2021-09-08"),
    "quota-check-limit-default": (
        "Quota engine limit check by default",
        "A limit below what is used is refused.",
        "2024-08-21",
    ),
    "quota_details": ("Quota details management support", "What of a quota is used.", "2017-02-10"),
    "quotas": ("Quota management support", "How much a project may have.", "2012-07-29"),
    "revision-if-match": ("If-Match constraints based on revision_number", "Changes of a revision.", "2016-12-11"),
    "security-group": ("security-group", "What may come to ports and go from them.", "2012-10-05"),
    "security-groups-normalized-cidr": (
        "Normalized CIDR field for security group rules",
        "A rule's prefix without host bits.",
        "2020-07-28",
    ),
    "security-groups-rules-belongs-to-default-sg": (
        "Security group rule belongs to the project's default security group",
        "Whether a rule is of the default group.",
        "2023-05-23",
    ),
    "sorting": ("Sorting support", "Lists are sorted as asked.", "2016-06-12"),
    "standard-attr-description": ("standard-attr-description", "Resources have a description.", "2016-02-10"),
    "standard-attr-revisions": ("Resource revision numbers", "Resources have a revision.", "2016-04-11"),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "Resources have tags.", "2017-01-01"),
    "standard-attr-timestamp": ("Resource timestamps", "When a resource was made and changed.", "2016-09-12"),
    "stateful-security-group": ("Stateful security group", "Whether answers are let through.", "2019-11-26"),
    "subnet-external-network": (
        "Subnet belongs to an external network",
        "Whether a subnet is of an external network.",
        "2024-02-05",
    ),
    "subnet-service-types": ("Subnet service types", "For what a subnet's addresses are.", "2016-03-15"),
    "tag-creation": ("Tag creation extension", "Several tags are added at once.", "2024-07-23"),
}
COLLECTIONS = {"network": "networks", "subnet": "subnets", "subnetpool": "subnetpools", "port": "ports"}


def _document(alias: str) -> Document:
    name, description, updated = EXTENSIONS[alias]
    return {
        "name": name,
        "alias": alias,
        "description": description,
        "updated": f"{updated}T00:00:00-00:00",
        "links": [],
    }


async def versions(call: Call) -> Document:
    """The versions of the API."""
    links = [{"rel": "self", "href": f"{call.root}/v2.0/"}]
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}


async def no_version(call: Call) -> Answer:
    """404: there is one version only."""
    text = "404 Not Found\n\nThe resource could not be found.\n\n   "
    return Answer(status=404, body=text.encode(), media_type="text/plain; charset=UTF-8")


async def collections(call: Call) -> Document:
    """What the API has at its core."""
    return {
        "resources": [
            {
                "name": name,
                "collection": collection,
                "links": [{"rel": "self", "href": f"{call.root}/v2.0/{collection}"}],
            }
            for name, collection in COLLECTIONS.items()
        ]
    }


async def show_all(call: Call) -> Document:
    """The extensions that are truly here."""
    return {"extensions": [_document(alias) for alias in EXTENSIONS]}


async def show(call: Call) -> Answer:
    """One extension; 404 if it is not here, in the form that clients of the real service get."""
    alias = call.path["alias"].removesuffix(".json")
    if alias in EXTENSIONS:
        return Answer(body={"extension": _document(alias)})
    reason = f"Extension with alias {alias} does not exist"
    accepted = call.request.headers.get("accept", "")
    if "html" in accepted or "*/*" in accepted:
        text = (
            "<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  <h1>404 Not Found</h1>\n"
            f"  The resource could not be found.<br /><br />\n{html.escape(reason)}\n\n\n </body>\n</html>"
        )
        return Answer(status=404, body=text.encode(), media_type="text/html; charset=UTF-8")
    text = f"404 Not Found\n\nThe resource could not be found.\n\n {reason}  "
    return Answer(status=404, body=text.encode(), media_type="text/plain; charset=UTF-8")
