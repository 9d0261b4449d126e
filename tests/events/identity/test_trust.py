"""Trusts and passcodes: what may be used once is used once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from events.identity import passcode, trust
from events.identity.passcode import ForgetPasscodes, Passcode, UsePasscode
from events.identity.record import Delete, Make
from events.identity.trust import KEPT, ForgetTrust, Trust, TrustGiven, UseTrust
from events.refusals import Conflict, Forbidden, NotFound, Unauthenticated

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIVEN = TrustGiven(id="t", trustor="ann", trustee="bob", project_id="p", impersonation=True, roles=("member",))
GIVE = Make(id="t", made=GIVEN)


def after(*commands: trust.Commands) -> Trust:
    state: Trust | None = None
    for command in commands:
        for event in trust.decide(state, command):
            state = trust.evolve(state, event, NOW)
    assert state is not None
    return state


def limited(uses: int | None, ends: datetime | None = None) -> Make:
    return Make(id="t", made=replace(GIVEN, remaining_uses=uses, expires_at=ends))


def test_the_last_use_of_a_trust_is_given_once() -> None:
    state = after(limited(2), UseTrust(id="t"), UseTrust(id="t"))
    assert state.remaining_uses == 0
    assert not state.holds(NOW)
    with pytest.raises(Forbidden, match="No remaining uses"):
        trust.decide(state, UseTrust(id="t"))


def test_uses_that_are_not_counted_are_no_events() -> None:
    assert trust.decide(after(limited(None)), UseTrust(id="t")) == []


def test_a_trust_holds_until_its_end() -> None:
    state = after(limited(None, NOW))
    assert state.holds(NOW)
    assert not state.holds(NOW + timedelta(microseconds=1))


def test_a_trust_is_forgotten_when_no_token_of_it_can_live() -> None:
    used = after(limited(1), UseTrust(id="t"))
    for state in (used, after(limited(None, NOW))):
        assert trust.decide(state, ForgetTrust(id="t", now=NOW + KEPT)) == []
        assert len(trust.decide(state, ForgetTrust(id="t", now=NOW + KEPT + timedelta(seconds=1)))) == 1
    assert trust.decide(after(GIVE), ForgetTrust(id="t", now=NOW + 10 * KEPT)) == []


def test_a_deleted_trust_is_not_there() -> None:
    state = after(GIVE, Delete(id="t"))
    for command in (UseTrust(id="t"), Delete(id="t")):
        with pytest.raises(NotFound):
            trust.decide(state, command)
    with pytest.raises(Conflict):
        trust.decide(after(GIVE), GIVE)


def test_a_passcode_opens_once_and_none_before_it_does() -> None:
    used = Passcode(credential="c", step=7)
    assert [passcode.evolve(None, event, NOW) for event in passcode.decide(None, UsePasscode(id="c", step=7))] == [used]
    for step in (6, 7):
        with pytest.raises(Unauthenticated):
            passcode.decide(used, UsePasscode(id="c", step=step))
    assert len(passcode.decide(used, UsePasscode(id="c", step=8))) == 1
    (forgotten,) = passcode.decide(used, ForgetPasscodes(id="c"))
    assert len(passcode.decide(passcode.evolve(used, forgotten, NOW), UsePasscode(id="c", step=7))) == 1
