"""The passage from one epoch of the journal into the next, as whoever follows the journal reads it.

    EpochClosed | CarryBegun, StatesCarried, … | EpochOpened

An epoch ends with `EpochClosed`; what came to its stream after that is not of the journal. The next one begins with the
states of all live resources, carried forward many to an entry. Each attempt to carry begins with `CarryBegun`, and only
the newest counts: who carries expects his own last entry on the subject, so an overtaken attempt is refused. From
`EpochOpened` on commits are taken, of those who have read it. Source: DESIGN, "Hard cases, decided", 3.
"""

from __future__ import annotations

import logging
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from events.envelope import CLOUD, Commit, Event
from events.journal import CARRIED, CLOSED, Entry, Epoch

log = logging.getLogger("cumulog.journal")


class EpochClosed(Event, frozen=True):
    """The last entry of an epoch."""

    number: int


class CarryBegun(Event, frozen=True):
    """Somebody carries what lives into the new epoch; what was carried before this counts for nothing."""

    attempt: str
    forms: dict[str, int]  # of the states of each kind that the carrier knows, by prefix


class StatesCarried(Event, frozen=True):
    """Some of the living: each a `Known` as JSON behind its prefix, those of a kind in the order of their lives."""

    attempt: str
    part: int  # 0, 1, …
    states: tuple[tuple[str, Raw], ...]


class EpochOpened(Event, frozen=True):
    """All that lives has been carried."""

    attempt: str
    number: int
    first: int  # sequence of its first entry
    parts: int
    count: int
    digest: str  # SHA-256 over the parts as stored, in hexadecimal
    forms: dict[str, int]


class Place(Struct, frozen=True, gc=False):
    """As much of a `Known` as two folds are compared by."""

    key: str
    sequence: int
    hash: str


Words = EpochClosed | CarryBegun | StatesCarried | EpochOpened
_decode = msgspec.json.Decoder(Commit[Words]).decode
_place = msgspec.json.Decoder(Place).decode
_encode = msgspec.json.Encoder().encode


class Foreign(Exception):
    """What was carried cannot be read: the states are to be folded anew from the archive."""


class Passage:
    """What a fold reads of the turn of an epoch. A fold that begins there takes the states, any other compares them."""

    def __init__(self, fold: Any) -> None:
        self.fold = fold
        self.newest = 0  # sequence of the newest word of the epoch that is not opened yet
        self.differs = 0  # how many resources were carried otherwise than this fold knows them
        self.is_new = False  # whether the fold begins here
        self.foreign = ""  # why what was carried cannot be read
        self._begun: CarryBegun | None = None
        self._carried: list[tuple[str, Raw]] = []
        self._count = self._parts = 0
        self._digest = sha256()

    def take(self, entry: Entry) -> None:
        """One entry that tells of epochs."""
        (word,) = _decode(entry.data).events
        match word:
            case EpochClosed():
                self.fold.ends[word.number] = entry.sequence
                self.newest = 0
                return
            case CarryBegun():
                self._begun, self._carried, self._count, self._parts = word, [], 0, 0
                self._digest = sha256()
            case StatesCarried() if self._begun and word.attempt == self._begun.attempt and word.part == self._parts:
                self._digest.update(entry.data)
                self._parts += 1
                self._count += len(word.states)
                if self.is_new:
                    self._carried += word.states
                else:
                    self._compare(word)
            case EpochOpened():
                self._open(word)
        self.newest = entry.sequence

    def _compare(self, word: StatesCarried) -> None:
        for prefix, raw in word.states:
            shelf = self.fold.shelves.get(prefix)
            if shelf is None:
                self.fold.strange.add(prefix)
                continue
            place = _place(raw)
            own = shelf.known.get(place.key)
            if own is None or (own.sequence, own.hash) != (place.sequence, place.hash):
                self.differs += 1
                log.critical("%s.%s was carried as of %s, known is %s", prefix, place.key, place.sequence, own)

    def _open(self, word: EpochOpened) -> None:
        begun, told = self._begun, (word.attempt, word.parts, word.count, word.digest)
        whole = begun and told == (begun.attempt, self._parts, self._count, self._digest.hexdigest())
        if not whole:
            log.critical("epoch %s was opened with other states than were carried", word.number)
            self.differs += 1
        if self.is_new:
            try:
                assert whole, "it is not whole"
                self.fold.take_over(self._carried, word.forms)
            except Exception as fault:  # whatever a state of another version raises
                self.foreign = f"what was carried into epoch {word.number} cannot be read: {fault!r}"
                log.critical(self.foreign)
                return
        elif not self.differs and not self.fold.strange and self._count != self.fold.living():
            self.differs += 1
            log.critical("%s resources were carried into epoch %s, known are others", self._count, word.number)
        self._carried = []
        self.is_new = False
        self.fold.turn(Epoch(word.number, word.first))


def word(id: str, at: datetime, one: Event) -> bytes:
    """A word of the passage as an entry: a commit like any other."""
    return _encode(Commit(id=id, at=at, actor=CLOUD.actor, events=(one,)))


def opened(data: bytes) -> EpochOpened | None:
    """The word that opened an epoch, if the entry is that."""
    found = _decode(data).events[0]
    return found if isinstance(found, EpochOpened) else None


def brief(data: bytes) -> bytes:
    """A word of the passage as others are told of it: without the states that it carries."""
    commit = _decode(data)
    one = commit.events[0]
    if isinstance(one, StatesCarried):
        return _encode(replace(commit, events=(replace(one, states=()),)))
    return data


def is_of_passage(subject: str) -> bool:
    """Whether an entry tells of epochs, and not of a resource."""
    return subject.startswith((CARRIED, CLOSED))
