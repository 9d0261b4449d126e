"""Passcodes of a credential: the newest that was used, for each opens once.

    USED -> FORGOTTEN

A step is the number of half minutes since 1970 to which a passcode belongs. Of gateways that are shown the same
passcode at once one is the first, as with any guarded commit. Source: RFC 6238, section 5.2.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from events.envelope import Command, Event, State
from events.identity import record
from events.refusals import Unauthenticated


class Passcode(State, frozen=True, gc=False, kw_only=True):
    credential: str
    step: int


class PasscodeUsed(Event, frozen=True, gc=False, kw_only=True):
    credential: str
    step: int


class PasscodesForgotten(Event, frozen=True, gc=False, kw_only=True):
    pass


Events = PasscodeUsed | PasscodesForgotten


class UsePasscode(Command, frozen=True, gc=False, kw_only=True):
    id: str  # the credential's
    step: int


class ForgetPasscodes(Command, frozen=True, gc=False, kw_only=True):
    id: str


Commands = UsePasscode | ForgetPasscodes


def decide(passcode: Passcode | None, command: Commands) -> list[Events]:
    """What `command` brings about; nothing if it is so already. Raises Unauthenticated."""
    known = passcode is not None and not passcode.deleted
    match command:
        case UsePasscode(id=id, step=step):
            if known and passcode is not None and step <= passcode.step:
                raise Unauthenticated()
            return [PasscodeUsed(credential=id, step=step)]
        case ForgetPasscodes():
            return [PasscodesForgotten()] if known else []
    assert_never(command)


def evolve(passcode: Passcode | None, event: Events, at: datetime) -> Passcode:
    """The passcode after `event`."""
    return record.evolve(Passcode, passcode, event, PasscodeUsed, PasscodesForgotten)
