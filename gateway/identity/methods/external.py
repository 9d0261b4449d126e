"""By a proxy that has authenticated the user, and names them in a header: off unless both are set.

Source: Keystone's administrator guide, "External authentication".
"""

from __future__ import annotations

from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import Struct

from events.refusals import Unauthenticated
from gateway.identity import compliance
from gateway.identity.proof import DomainReference, Proven, Reference, find_user, is_enabled
from gateway.serving import Call

NAME = "external"
DEFAULT = "default"  # the domain of users of whom the proxy names none


class Body(Struct):
    pass


def offered(call: Call) -> str | None:
    """The user's name that a trusted proxy put into the header."""
    settings, client = call.cloud.settings.identity, call.request.client
    if not settings.external_header or client is None or not _is_trusted(client.host, settings.external_proxies):
        return None
    values = call.request.headers.getlist(settings.external_header)
    return values[0] if len(values) == 1 and values[0] else None


async def prove(call: Call, body: Body) -> Proven:
    """The user whom a trusted proxy names. Raises Unauthenticated."""
    name = offered(call)
    if name is None:
        raise Unauthenticated()
    header = call.cloud.settings.identity.external_domain_header
    domain = call.request.headers.get(header) if header else None
    home = DomainReference(name=domain) if domain else DomainReference(id=DEFAULT)
    user = find_user(call.fold, Reference(name=name, domain=home))
    if user is None or not is_enabled(call.fold, user) or not compliance.is_active(call, user):
        raise Unauthenticated()
    return Proven(user=user, methods=[NAME])


@cache
def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _is_trusted(host: str, proxies: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _networks(proxies))
