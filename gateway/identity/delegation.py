"""Whether a token was given by its user or stands for a secret that they lent out: an application credential, a trust,
an access token of OAuth 1, keys of EC2. What outlives a token is not made with one that was lent.
"""

from __future__ import annotations

from collections.abc import Collection

from events.refusals import Refusal
from gateway.identity.targets import forbidden
from gateway.tokens import Token

PRIMARY = frozenset({"external", "kerberos", "mapped", "openid", "password", "saml2", "token", "totp", "x509"})


def is_secondary(methods: Collection[str]) -> bool:
    """Whether a token that was had by these methods comes of anything else than its user's own authentication."""
    return not methods or not PRIMARY.issuperset(methods)


def is_delegated(token: Token) -> bool:
    """Whether the token comes of anything else than its user's own authentication."""
    return is_secondary(token.methods) or token.trust is not None


def guard(token: Token, refusal: Refusal) -> None:
    """Raises `refusal` if the token is delegated: nothing that outlives it is made or seen with it."""
    if is_delegated(token):
        raise refusal


def guard_credentials(token: Token) -> None:
    """Raises Forbidden if the token is delegated: it sees and makes no secrets."""
    guard(token, forbidden("Delegated tokens cannot access credentials directly"))
