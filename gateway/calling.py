"""A route, a service's face, and a call: one request as the function that answers it knows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

from msgspec import Struct
from starlette.requests import Request

from events import tracing
from events.decider import Decider, Outcome, Steps
from events.envelope import Command, Key, Origin, State
from events.fold import Fold
from events.ids import new_id
from events.refusals import Forbidden, Refusal
from gateway import bodies, faults, policy
from gateway.cloud import Cloud
from gateway.microversions import Range, Version
from gateway.policy import ANYONE, Former, Rule, Table
from gateway.rules import Target
from gateway.tokens import Token

S = TypeVar("S", bound=State)
T = TypeVar("T")

JSON = ("application/json",)
FIRST: Version = (0, 0)
LAST: Version = (9999, 9999)

About = Literal["own", "found", "late"]
"""What is put to a route's rule: the caller's own project and user; what its function finds; or that, and nobody is
refused before the function has looked (who asks for what is not there is told so, whoever they are)."""


class Route(Struct, frozen=True):
    """A URL of a service, what answers it, the rule of the service's policy that says who may call it."""

    method: str
    path: str
    function: Callable[..., Awaitable[Any]]
    policy: str  # ANYONE: it needs no token
    status: int = 200
    media_types: tuple[str, ...] = JSON  # that its body may have
    past: bool = True  # of a GET: whether it can be answered as of a former moment
    first: Version = FIRST  # microversions in which it exists
    last: Version = LAST
    timed: bool = True  # it must be answered in `limits.seconds`: all but what waits for the bytes of images
    target: About | None = None  # what is put to its rule; None: as the face says
    fences: bool = True  # beside other gateways: whether it waits for the newest state, or only before it refuses

    @property
    def public(self) -> bool:
        """Whether it needs no token."""
        return self.policy == ANYONE


class Face(Struct, frozen=True, kw_only=True):
    """A service as HTTP."""

    name: str
    path: str
    routes: tuple[Route, ...]
    format: faults.Format
    statuses: Mapping[type[Refusal], int] = {}  # of refusals, where the service's differ
    versions: Range | None = None
    media_type: str = "application/json"
    explain: bodies.Explain = bodies.explain  # a body's mistake in the service's own words
    headers: Mapping[str, str] = {}  # that every answer of the service has
    negotiate: Callable[[str], faults.Format] | None = None  # from `Accept` to the format of errors, if it chooses one
    service_tokens: bool = True  # what a service asks for a user may be asked with a token that has expired a while ago
    strict: bool = True  # a path that ends in a slash is another one than without
    options: bool = False  # it says to anybody who asks by OPTIONS which methods a path takes
    denial: str = "Policy doesn't allow {operation} to be performed."  # what is said to who may not
    rules: tuple[Rule, ...] = ()  # its policy
    former: Former = {}  # names that its rules once had
    admin: str = "context_is_admin"  # the rule that says who sees and may everything
    target: About = "own"  # of its routes that do not say
    describe: Callable[[Route], dict[str, Any] | None] = lambda route: None  # the schema of a body that has no type


class Answer(Struct, kw_only=True):
    """An answer whose status, headers or bytes are not the route's usual ones."""

    status: int | None = None
    body: Any = None  # a view; bytes go as they are
    headers: dict[str, str] = {}
    media_type: str | None = None
    stream: AsyncIterator[bytes] | None = None


class Call:
    """One request: who asks, for what, and the ways to answer."""

    __slots__ = (
        *("_admin", "cleared", "cloud", "data", "face", "fold", "headers", "id", "operation", "path", "present"),
        *("request", "table", "token", "version"),
    )

    def __init__(self, cloud: Cloud, face: Face, table: Table, request: Request, version: Version) -> None:
        self.cloud = cloud
        self.table = table
        self.operation = ""  # the rule that is to be asked
        self.cleared = False  # whether it has said yes
        self._admin: bool | None = None
        self.face = face
        self.fold = cloud.fold
        self.present: Fold | None = None  # of a call as of a former moment: what is known now
        self.request = request
        self.token: Token | None = None
        self.version = version
        self.id = f"req-{new_id()}"
        self.path: dict[str, str] = {}
        self.data = b""  # the body as it came
        self.headers: dict[str, str] = {}  # of the answer

    # Who asks

    @property
    def who(self) -> Token:
        """The caller's token: every route that is not public has one."""
        assert self.token is not None, "a public route asked who calls"
        return self.token

    @property
    def project(self) -> str:
        """The caller's project. Raises Forbidden if the token is of none."""
        if self.who.project is None:
            raise self.denied(self.operation)
        return self.who.project

    @property
    def is_admin(self) -> bool:
        """Whether the service's policy counts the caller as an admin."""
        if self._admin is None:
            self._admin = self.allows(self.face.admin)
        return self._admin

    @property
    def origin(self) -> Origin:
        if self.token is None:
            return Origin(request=self.id, trace=tracing.current())
        user, project = self.token.user, self.token.project
        return Origin(actor=user, project=project, request=self.id, trace=tracing.current())

    # May they

    def denied(self, operation: str) -> Forbidden:
        return Forbidden(self.face.denial.format(operation=operation))

    def begin(self, operation: str, about: About) -> None:
        """Take this rule for the call's. Raises Forbidden if it says no already."""
        self.operation = operation
        verdict = self.table.verdict(operation, self.who, policy.own(self.who) if about == "own" else None)
        if verdict is False and about != "late":
            raise self.denied(operation)
        self.cleared = verdict is True

    def enforce(self, target: Target, operation: str | None = None) -> None:
        """Put what the function has found to the call's rule, or to this one instead. Raises Forbidden."""
        self.operation = operation or self.operation
        if not self.table.allows(self.operation, self.who, target):
            raise self.denied(self.operation)
        self.cleared = True

    def allows(self, operation: str, target: Target | None = None) -> bool:
        """Whether a further rule lets the caller do `operation` to `target`, or else to what is their own."""
        return self.table.allows(operation, self.who, policy.own(self.who) if target is None else target)

    def require(self, operation: str, target: Target | None = None) -> None:
        """Raises Forbidden unless a further rule lets the caller do `operation` to `target`, or else to their own."""
        if not self.allows(operation, target):
            raise self.denied(operation)

    def sees(self, operation: str, states: Iterable[T], target: Callable[[T], Target]) -> list[T]:
        """Those of `states` to which a rule lets the caller do `operation`."""
        self.cleared = self.cleared or operation == self.operation
        verdict = self.table.verdict(operation, self.who)
        if verdict is not None:
            return list(states) if verdict else []
        return [state for state in states if self.table.allows(operation, self.who, target(state))]

    # What they ask

    def query(self, kind: type[T]) -> T:
        """The query string as a Struct. Raises Invalid."""
        return bodies.query(self.request, kind)

    @property
    def base(self) -> str:
        """Scheme and host that links begin with; the Host header has been looked at."""
        public = self.cloud.settings.gateway.public_url
        if public:
            return public.rstrip("/")
        return f"{self.request.scope['scheme']}://{self.request.headers.get('host', 'localhost')}"

    @property
    def root(self) -> str:
        """The service's URL, without version."""
        return self.base + self.face.path

    # What is known, what is to be done

    def find(self, resource: Decider[S, Any, Any], key: Key, refusal: Refusal) -> S:
        """A live resource that the caller may see: of their project, of none, or any for an admin. Raises `refusal`."""
        state = self.fold.get(resource, key)
        if state is None or not self.may_see(state):
            raise refusal
        return state

    def may_see(self, state: State) -> bool:
        owner = state.owner
        return owner is None or owner == self.who.project or self.is_admin

    def still(self, resource: Decider[S, Any, Any], key: Key, open_to: Callable[[S], bool]) -> bool:
        """Whether what was open to the caller at a former moment still is; what lives no more is."""
        state = self.present.get(resource, key) if self.present else None
        return state is None or open_to(state)

    async def do(self, resource: Decider[S, Any, Any], command: Command) -> S:
        """Do a command; the state as it then is, folded in. Raises what its `decide` raises, Busy."""
        assert self.cleared, f"{self.operation}: nobody asked whose it is"
        outcome: Outcome[S] = await self.cloud.execute(resource, command, self.origin)
        return outcome.state

    async def do_all(self, steps: Steps) -> list[Any]:
        """Do commands in order; if one is refused, undo those before it and raise."""
        assert self.cleared, f"{self.operation}: nobody asked whose it is"
        return await self.cloud.execute.all(steps, self.origin)
