"""Rules of several factors, and receipts: what a user has proved who has yet to prove more.

A receipt is sealed by keys of its own, so that none passes for a token. Source: Identity API reference, "Multi-Factor
Authentication"; Keystone's administrator guide, "Multi-Factor Authentication".
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from events.clock import Clock
from events.fold import Fold
from events.identity.user import User
from events.refusals import Unauthenticated
from events.settings import Settings
from gateway.identity.claims import Claims, from_bytes, moment, to_bytes
from gateway.identity.domain import named as named_domain
from gateway.identity.keys import KeyRing

HEADER = "OpenStack-Auth-Receipt"


class Receipt(Struct, frozen=True, kw_only=True):
    """What a user has proved."""

    text: str
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime


class Receipts:
    """Gives receipts and reads them."""

    def __init__(self, settings: Settings, clock: Clock, keys: KeyRing) -> None:
        self.lifetime = timedelta(seconds=settings.identity.receipt_lifetime)
        self.clock = clock
        self.keys = keys

    def give(self, user: str, methods: Iterable[str]) -> Receipt:
        now = self.clock.now()
        claims = Claims(
            user=user,
            methods=tuple(methods),
            scope="unscoped",
            issued_at=now,
            expires_at=now + self.lifetime,
            audit_ids=(),
        )
        text = self.keys.seal(to_bytes(claims))
        return Receipt(text=text, methods=claims.methods, issued_at=now, expires_at=claims.expires_at)

    def proved(self, text: str, user: User) -> tuple[str, ...]:
        """The methods by which this user has proved who they are. Raises Unauthenticated."""
        data = self.keys.unseal(text)
        try:
            claims = from_bytes(data or b"")
        except ValueError as fault:
            raise Unauthenticated() from fault
        void = user.tokens_from is not None and claims.issued_at < user.tokens_from
        if claims.user != user.id or claims.expires_at <= self.clock.now() or void:
            raise Unauthenticated()
        return claims.methods


def rules(user: User, offered: Iterable[str]) -> list[set[str]]:
    """The sets of methods of which a user must use one whole, as far as they are offered; none: any method will do."""
    if user.options.get("multi_factor_auth_enabled") is False:
        return []
    known = set(offered)
    wanted = user.options.get("multi_factor_auth_rules") or []
    return [rule for methods in wanted if (rule := known.intersection(methods))]


def suffices(user: User, methods: Iterable[str], offered: Iterable[str]) -> bool:
    """Whether a user who proved who they are by these methods needs no further one."""
    demanded = rules(user, offered)
    return not demanded or any(rule.issubset(methods) for rule in demanded)


def view(fold: Fold, user: User, receipt: Receipt, offered: Iterable[str]) -> dict[str, Any]:
    """A receipt as clients read it, with the rules that what was proved goes some way to fulfil."""
    return {
        "receipt": {
            "methods": list(receipt.methods),
            "user": {"id": user.id, "name": user.name, "domain": named_domain(fold, user.domain)},
            "expires_at": moment(receipt.expires_at),
            "issued_at": moment(receipt.issued_at),
        },
        "required_auth_methods": [sorted(rule) for rule in rules(user, offered) if rule.intersection(receipt.methods)],
    }
