"""What an application credential with access rules may ask for: single methods on single paths of single services.

Of a path, `*` and `{name}` stand for one part or a piece of one, `**` for anything. It is compared below the service's
root (`/v2.1/servers`) and as a whole (`/compute/v2.1/servers`). Source: Identity API reference, "Application
credentials"; keystonemiddleware's guide, "Access rules".
"""

from __future__ import annotations

import re
from functools import lru_cache

from events.refusals import Unauthenticated
from events.services import SERVICES
from gateway.tokens import Token

LONGEST = 2048  # characters of a path that is compared

_TYPES = {service.name: service.type for service in SERVICES}
_PIECE = re.compile(r"(?P<part>\{[^}]*\}|\*(?!\*))|(?P<any>\*\*)|(?P<literal>[^*{}])")
_ONE, _MORE, _ANY = "one", "more", "any"  # a character but `/`; any number of these; any number of any


def check(token: Token, service: str, method: str, path: str, full: str) -> None:
    """Raises Unauthenticated unless the token's access rules, if it has any, allow the request.

    What a token says can always be asked for.
    """
    if token.access_rules is None:
        return
    if (service, method, path) == ("identity", "GET", "/v3/auth/tokens"):
        return
    for rule in token.access_rules:
        fits = rule.method == method and rule.service == _TYPES[service]
        if fits and (matches(rule.path, path) or matches(rule.path, full)):
            return
    raise Unauthenticated()


def check_of_no_service(token: Token) -> None:
    """Raises Unauthenticated if the token has access rules: each names a service, and what is asked for is none's."""
    if token.access_rules is not None:
        raise Unauthenticated()


@lru_cache(4096)
def matches(pattern: str, path: str) -> bool:
    """Whether a path is one of those that the pattern means, in time that grows with both lengths."""
    if len(path) > LONGEST:
        return False
    tokens = _tokens(pattern)
    states = _reached(tokens, {0})
    for character in path:
        following = set()
        for state in states:
            token = tokens[state] if state < len(tokens) else None
            if token == _ANY or (token == _MORE and character != "/"):
                following.add(state)
            elif token == character or (token == _ONE and character != "/"):
                following.add(state + 1)
        states = _reached(tokens, following)
    return len(tokens) in states


def _tokens(pattern: str) -> list[str]:
    found: list[str] = []
    for match in _PIECE.finditer(pattern):
        if match["part"]:
            found += [_ONE, _MORE]
        else:
            found.append(_ANY if match["any"] else match["literal"])
    return found


def _reached(tokens: list[str], states: set[int]) -> set[int]:
    """The states, and those behind what may stand for nothing."""
    found = set()
    for state in states:
        found.add(state)
        while state < len(tokens) and tokens[state] in (_MORE, _ANY):
            state += 1
            found.add(state)
    return found
