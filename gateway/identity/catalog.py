"""The catalog: every enabled service with its enabled endpoints, as the bearer of a token reaches them.

Source: Identity API reference, "Get service catalog".
"""

from __future__ import annotations

import re
from typing import Any

from events.fold import Fold
from events.identity import association as associations
from events.identity import endpoint as endpoints
from events.identity import endpoint_group as groups
from events.identity import service as services
from events.identity.endpoint import Endpoint
from events.identity.endpoint_group import EndpointGroup
from events.settings import Identity
from gateway.tokens import Token

_PLACE = re.compile(r"[%$]\((\w+)\)s")


def absolute(base: str, url: str) -> str:
    """The URL of an endpoint; of the cloud's own under whichever address the caller used."""
    return base + url if url.startswith("/") else url


def filled(url: str, token: Token) -> str | None:
    """A URL with the token's project and user in their places; None if it has a place that the token cannot fill."""
    if "(" not in url:
        return url
    values = {"project_id": token.project, "tenant_id": token.project, "user_id": token.user}
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        found = values.get(match[1])
        missing = missing or found is None
        return found or ""

    text = _PLACE.sub(value, url)
    return None if missing else text


def given(fold: Fold, id: str) -> dict[str, Endpoint]:
    """The endpoints that a project was given, alone or in groups, by id."""
    found = {}
    for association in fold.by(associations, "out", f"endpoint:{id}"):
        one = fold.get(endpoints, association.to)
        if one is not None:
            found[one.id] = one
    for group in groups_of(fold, id):
        found.update((one.id, one) for one in endpoints_in(fold, group))
    return found


def groups_of(fold: Fold, id: str) -> list[EndpointGroup]:
    """The groups of endpoints that a project was given."""
    found = fold.by(associations, "out", f"endpoint_group:{id}")
    return [group for one in found if (group := fold.get(groups, one.to)) is not None]


def endpoints_in(fold: Fold, group: EndpointGroup) -> list[Endpoint]:
    """The endpoints that have what the group asks for."""
    service = group.filters.get("service_id")
    found = fold.all(endpoints) if service is None else fold.by(endpoints, "service", service)
    having = {"service_id": "service", "region_id": "region", "interface": "interface"}
    return [one for one in found if all(getattr(one, having[name]) == value for name, value in group.filters.items())]


def catalog(fold: Fold, base: str, token: Token, settings: Identity) -> list[dict[str, Any]]:
    """The catalog for a token; of a project that was given endpoints, those alone."""
    found = []
    only = given(fold, token.project) if token.project else {}
    if not only and not settings.return_all_endpoints_if_no_filter:
        return []
    for service in fold.all(services):
        if not service.enabled:
            continue
        shown = []
        for endpoint in fold.by(endpoints, "service", service.id):
            if only and endpoint.id not in only:
                continue
            url = filled(endpoint.url, token) if endpoint.enabled else None
            if url is not None:
                shown.append(
                    {
                        "id": endpoint.id,
                        "interface": endpoint.interface,
                        "region_id": endpoint.region,
                        "url": absolute(base, url),
                        "region": endpoint.region,
                    }
                )
        if only and not shown:
            continue
        found.append({"endpoints": shown, "id": service.id, "type": service.kind, "name": service.name or ""})
    return found
