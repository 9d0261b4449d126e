"""What made tokens void before their time, and the answers of interfaces to kinds of tokens that are no more.

Source: Identity API reference, "OS-REVOKE", "OS-PKI", "OS-SIMPLE-CERT".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from events.identity import project as projects
from events.identity import revocation as revocations
from events.identity import trust as trusts
from events.identity import user as users
from events.refusals import Gone, Invalid
from gateway.identity.claims import moment, timed
from gateway.identity.listing import asked, links
from gateway.identity.targets import forbidden
from gateway.identity.tokens import Tokens
from gateway.serving import Call

DEAD = ((users, "user_id"), (projects, "project_id"), (trusts, "OS-TRUST:trust_id"))


async def list_events(call: Call) -> dict[str, Any]:
    """What revoked tokens, the oldest first, as long as such a token could live still. Raises Invalid."""
    since = _since(asked(call, "since"))
    found = sorted(_events(call), key=lambda event: event[0])
    shown = [{**what, "issued_before": moment(at), "revoked_at": moment(at)} for at, what in found if at >= since]
    return {"events": shown, "links": links(call)}


def _since(text: str | None) -> datetime:
    try:
        return timed(text) if text else datetime.min.replace(tzinfo=UTC)
    except ValueError as fault:
        raise Invalid(f"invalidate date format {text}") from fault


def _events(call: Call) -> Iterator[tuple[datetime, dict[str, str]]]:
    fold = call.fold
    oldest = call.cloud.clock.now() - call.cloud.part(Tokens).lifetime
    for revocation in fold.all(revocations):
        known = fold.known(revocations, revocation.audit_id)
        assert known is not None, "what is listed is known"
        yield known.created_at, {"audit_id": revocation.audit_id}
        if revocation.chain:
            yield known.created_at, {"audit_chain_id": revocation.audit_id}
    for user in fold.all(users):
        if user.tokens_from is not None and user.tokens_from > oldest:
            yield user.tokens_from, {"user_id": user.id}
    for resource, name in DEAD:
        for id, died in fold.shelf(resource).dead.items():
            if died > oldest:
                yield died, {name: id}


async def list_pki(call: Call) -> None:
    """There are no such tokens. Raises Forbidden."""
    raise forbidden()


async def show_certificate(call: Call) -> None:
    """There are no such certificates. Raises Gone."""
    raise Gone("This API is no longer available due to the removal of support for PKI tokens.")
