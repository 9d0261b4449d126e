"""A shelf: all resources of one kind, by id and by declared index, and how their commits and kept states are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, cast, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import force_setattr

from events import forms
from events.alike import alike
from events.envelope import Commit, State
from events.index import Index
from events.plain import from_plain, to_plain
from events.refusals import Busy
from events.subjects import prefix_of

S = TypeVar("S", bound=State)
S_co = TypeVar("S_co", bound=State)


class Decider(Protocol[S_co]):
    """As much of a resource's module as the fold needs: its name, and a state by what `evolve` returns."""

    __name__: str

    @property
    def evolve(self) -> Callable[[S_co | None, Any, datetime], S_co]: ...


class Known(Struct, Generic[S], frozen=True, gc=False):
    """A resource's state and where it stands."""

    state: S
    key: str
    created_at: datetime
    updated_at: datetime
    sequence: int
    revision: int  # how many commits it has had
    hash: str  # of its newest commit


class Change(Struct, frozen=True, gc=False):
    """One commit as applied."""

    subject: str
    sequence: int
    commit: Commit[Any]
    before: Known[Any] | None
    after: Known[Any]


class Spoil(Struct, gc=False):
    """Why a resource cannot be folded."""

    why: str
    sequence: int  # of the commit that could not be
    newest: int  # the newest commit of its subject that was passed over


class Spoiled(Busy):
    """The resource cannot be read or changed by this process. Another version of the program may be able to."""


Listener = Callable[[Change], None]


encode_known: Callable[[Known[Any]], bytes] = msgspec.json.Encoder(enc_hook=to_plain).encode


@cache
def _reading(evolve: Any) -> tuple[type[State], Callable[[bytes], Commit[Any]]]:
    """The type of a resource's states, and how its commits are read."""
    hints = get_type_hints(evolve)
    return hints["return"], msgspec.json.Decoder(cast(Any, Commit)[hints["event"]]).decode


class Shelf:
    """One kind of resource: its states, its indexes and how its commits are read."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.prefix = prefix_of(module.__name__)
        self.state_type, self.decode = _reading(module.evolve)
        self.today: forms.Reform | None = None  # makes of a stored commit one of today's forms, if there were others
        if older := forms.upcasters(module):
            self.today = today = forms.reform(older)
            plain = self.decode
            self.decode = lambda data: plain(today(data))
        self.evolve = module.evolve
        self.form = forms.state_form(module)
        kind = cast(Any, Known)[self.state_type]
        self._decode_known: Callable[[bytes], Known[Any]] = msgspec.json.Decoder(kind, dec_hook=from_plain).decode
        self.known: dict[str, Known[Any]] = {}
        self.live: dict[str, Any] = {}  # key -> state, in order of creation
        self.names: tuple[str, ...] = getattr(module, "INDEXES", ())
        self.indexes = {name: Index() for name in self.names}
        self.shared: tuple[str, ...] = getattr(module, "SHARED", ())
        self.dead: dict[str, datetime] = {}
        self.is_unsorted = False  # while very many commits are folded: then `sort` is called

    def put(self, after: Known[Any]) -> Known[Any] | None:
        """Keep `after`; what stood there before."""
        key = after.key
        before = self.known.get(key)
        old = self.live.get(key)
        new = None if after.state.deleted else after.state
        moves = []  # worked out first: if that raises, nothing has been changed
        for name in self.names if not self.is_unsorted else ():
            was = getattr(old, name) if old is not None else None
            now = getattr(new, name) if new is not None else None
            if was != now:
                moves.append((name, was, now))
        self.share(before, after)
        self.known[key] = after
        for name, was, now in moves:
            self.indexes[name].move(key, was, now)
        if new is None:
            self.live.pop(key, None)
            self.dead.pop(key, None)  # they stand in the order of their newest words
            self.dead[key] = after.updated_at
        else:
            self.live[key] = new
            self.dead.pop(key, None)
        return before

    def sort(self) -> dict[str, Exception]:
        """Index all that lives, after it was put unsorted; what cannot be is let go of, and told."""
        self.is_unsorted = False
        self.indexes = {name: Index() for name in self.names}
        failed: dict[str, Exception] = {}
        for key, state in list(self.live.items()):
            try:
                values = [(self.indexes[name], getattr(state, name)) for name in self.names]
            except Exception as fault:  # as any fault of folding
                failed[key] = fault
                del self.live[key]
                continue
            for index, now in values:
                if now is not None:
                    index.move(key, None, now)
        return failed

    def decode_known(self, data: bytes, form: int) -> Known[Any]:
        """A resource that was kept as JSON in some form. Raises UnknownForm, msgspec.DecodeError."""
        if form == self.form:
            return self._decode_known(data)
        plain = msgspec.json.decode(data)
        plain["state"] = forms.state_today(self.module, plain["state"], form)
        return self._decode_known(msgspec.json.encode(plain))

    def share(self, before: Known[Any] | None, after: Known[Any]) -> None:
        """Have `after` made of what is in memory already, as far as that is the same."""
        key, state = before.key if before is not None else after.key, after.state
        if after.key is not key:
            force_setattr(after, "key", key)
        if getattr(state, "id", None) == key and state.id is not key:
            force_setattr(state, "id", key)
        for name in self.shared:
            value = getattr(state, name)
            if before is None or getattr(before.state, name) is not value:
                force_setattr(state, name, alike(value))

    def bury(self, before: datetime) -> None:
        for key, died in list(self.dead.items()):
            if died > before:
                break  # the dead stand in the order of their deaths
            del self.dead[key], self.known[key]
