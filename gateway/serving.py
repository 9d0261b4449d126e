"""A request, its function, the answer. Routing is Starlette's; here is what every route of every service shares.

The order: who asks, which version, which route, may they, what do they say, do it, shape the answer.
A function sees no status code and no header: it takes a `Call` (and a body, if its second parameter names a type) and
returns a view, or an `Answer` where the status or a header is the answer.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec
from msgspec import UNSET, Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from events import logs, metrics, tracing
from events.decider import Decider, Outcome, Step, Steps
from events.envelope import Command, Key, Origin, State
from events.fold import Fold
from events.ids import new_id
from events.journal import Unavailable
from events.refusals import Busy, Invalid, MethodNotAllowed, NotFound, Refusal, Unauthenticated
from gateway import access_rules, bodies, faults, past, policy
from gateway.cloud import Cloud
from gateway.entrance import passage
from gateway.microversions import ForeignField, Range, Version, refuse_foreign, shape
from gateway.microversions import name as version_name
from gateway.policy import ANYONE, Who
from gateway.tokens import Token

S = TypeVar("S", bound=State)
T = TypeVar("T")

log = logging.getLogger("cumulog.gateway")

JSON = ("application/json",)
FIRST: Version = (0, 0)
LAST: Version = (9999, 9999)


class Route(Struct, frozen=True):
    """A URL of a service, what answers it, the least persona that may call it."""

    method: str
    path: str
    function: Callable[..., Awaitable[Any]]
    who: Who
    status: int = 200
    policy: str = ""  # the operation's name in the service's policy; from the function if not given
    media_types: tuple[str, ...] = JSON  # that its body may have
    past: bool = True  # of a GET: whether it can be answered as of a former moment
    first: Version = FIRST  # microversions in which it exists
    last: Version = LAST
    timed: bool = True  # it must be answered in `limits.seconds`: all but what waits for the bytes of images
    fences: bool = True  # beside other gateways: whether it waits for the newest state, or only before it refuses


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
    denial: str = "Policy doesn't allow {operation} to be performed."  # what a persona too small is told


class Answer(Struct, kw_only=True):
    """An answer whose status, headers or bytes are not the route's usual ones."""

    status: int | None = None
    body: Any = None  # a view; bytes go as they are
    headers: dict[str, str] = {}
    media_type: str | None = None
    stream: AsyncIterator[bytes] | None = None


class Call:
    """One request: who asks, for what, and the ways to answer."""

    __slots__ = ("cloud", "data", "face", "fold", "headers", "id", "path", "present", "request", "token", "version")

    def __init__(self, cloud: Cloud, face: Face, request: Request, token: Token | None, version: Version) -> None:
        self.cloud = cloud
        self.face = face
        self.fold = cloud.fold
        self.present: Fold | None = None  # of a call as of a former moment: what is known now
        self.request = request
        self.token = token
        self.version = version
        self.id = f"req-{new_id()}"
        self.path: dict[str, str] = {}
        self.data = b""  # the body as it came
        self.headers: dict[str, str] = {}  # of the answer

    # Who asks

    @property
    def who(self) -> Token:
        """The caller's token: every route but ANYONE's has one."""
        assert self.token is not None, "a route for anyone asked who calls"
        return self.token

    @property
    def project(self) -> str:
        """The caller's project: a route whose persona has project scope has one."""
        assert self.who.project is not None, "a route of another scope asked for the project"
        return self.who.project

    @property
    def is_admin(self) -> bool:
        return self.who.is_admin

    @property
    def origin(self) -> Origin:
        if self.token is None:
            return Origin(request=self.id, trace=tracing.current())
        user, project = self.token.user, self.token.project
        return Origin(actor=user, project=project, request=self.id, trace=tracing.current())

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
        return f"{self.request.url.scheme}://{self.request.headers.get('host', 'localhost')}"

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
        return owner is None or owner == self.who.project or self.who.is_admin

    def still(self, resource: Decider[S, Any, Any], key: Key, open_to: Callable[[S], bool]) -> bool:
        """Whether what was open to the caller at a former moment still is; what lives no more is."""
        state = self.present.get(resource, key) if self.present else None
        return state is None or open_to(state)

    async def do(self, resource: Decider[S, Any, Any], command: Command) -> S:
        """Do a command; the state as it then is, folded in. Raises what its `decide` raises, Busy."""
        outcome: Outcome[S] = await self.cloud.execute(resource, command, self.origin)
        return outcome.state

    async def do_all(self, steps: Steps) -> list[Any]:
        """Do commands in order; if one is refused, undo those before it and raise."""
        return await self.cloud.execute.all(steps, self.origin)


class _Handler:
    """A route, with what its function wants found out once."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.function = route.function
        parameters = list(inspect.signature(route.function).parameters)
        hints = get_type_hints(route.function, include_extras=True)
        self.body = hints[parameters[1]] if len(parameters) > 1 else None
        self.operation = (
            route.policy or f"{route.function.__module__.removeprefix('gateway.')}.{route.function.__name__}"
        )


class _Endpoint:
    """All routes of one path: an ASGI application."""

    def __init__(self, application: Service, path: str) -> None:
        self.application = application
        self.path = path
        self.handlers: dict[str, list[_Handler]] = {}

    def add(self, route: Route) -> None:
        self.handlers.setdefault(route.method, []).append(_Handler(route))

    def candidates(self, method: str) -> list[_Handler] | None:
        """What answers a method, by version."""
        return self.handlers.get(method) or (self.handlers.get("GET") if method == "HEAD" else None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.application.answer(scope, receive, send, self)


class Service:
    """One service's routes over one cloud."""

    def __init__(self, cloud: Cloud, face: Face) -> None:
        self.cloud = cloud
        self.face = face
        endpoints: dict[str, _Endpoint] = {}
        for route in face.routes:
            endpoints.setdefault(route.path, _Endpoint(self, route.path)).add(route)
        self.router = Router(
            [StarletteRoute(path or "/", endpoint) for path, endpoint in endpoints.items()],
            redirect_slashes=False,
            default=self.unknown,
        )
        self.encode = msgspec.json.Encoder().encode

    async def unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope, receive, send, None)

    async def answer(self, scope: Scope, receive: Receive, send: Send, endpoint: _Endpoint | None) -> None:
        if scope["type"] != "http":
            await Response(status_code=404)(scope, receive, send)
            return
        request = Request(scope, receive)
        call = Call(self.cloud, self.face, request, None, self.face.versions.minimum if self.face.versions else FIRST)
        passing = passage(scope)
        passing.service, passing.route = self.face.name, endpoint.path if endpoint else "-"
        passing.request = call.id
        logs.about(part="gateway", request=call.id)
        try:
            if passing.refusal is not None:
                raise passing.refusal
            self.cloud.limits.check()
            response = await self._currently(call, endpoint)
        except Refusal as refusal:
            response = self._refuse(call, refusal)
        except (Unavailable, TimeoutError) as fault:
            log.warning("a request was not answered in time: %s", fault)
            late = Busy("The request could not be finished in time; it may or may not have been done.", retry_after=2)
            response = self._refuse(call, late)
        except ClientDisconnect:
            return  # nobody is left to be answered
        except Exception as error:  # the rim: whatever it is, the caller gets the service's own 500
            response = self._answer(faults.mistake(error, self._format(request), call.id))
        response.headers.update(self.face.headers)
        response.headers["x-openstack-request-id"] = call.id
        if self.face.versions is not None:
            self._version_headers(call, response)
        await response(scope, receive, send)

    def _version_headers(self, call: Call, response: Response) -> None:
        versions = self.face.versions
        assert versions is not None
        response.headers["openstack-api-version"] = f"{versions.service} {version_name(call.version)}"
        vary = "OpenStack-API-Version"
        if versions.legacy:
            response.headers[versions.legacy] = version_name(call.version)
            vary += f", {versions.legacy}"
            response.headers[f"x-{versions.service}-request-id"] = call.id
        response.headers["vary"] = vary

    async def _currently(self, call: Call, endpoint: _Endpoint | None) -> Response:
        """The answer, in no way older than any that another gateway gave before it was asked for."""
        fence = self.cloud.fence
        if fence is None:
            return await self._respond(call, endpoint)
        method = call.request.method
        reads = method in ("GET", "HEAD")
        candidates = endpoint.candidates(method) if endpoint else None
        if not candidates or not candidates[0].route.fences:
            try:
                return await self._respond(call, endpoint)
            except Refusal:  # perhaps only because this process lags
                await fence.wait(reads=reads)
                return await self._respond(call, endpoint)
        if not await fence.wait(reads=reads):
            call.headers["x-cumulog-stale"] = "true"
        return await self._respond(call, endpoint)

    async def _respond(self, call: Call, endpoint: _Endpoint | None) -> Response:
        request = call.request
        candidates = endpoint.candidates(request.method) if endpoint else None
        public = bool(candidates) and candidates is not None and candidates[0].route.who.public
        if not public:  # who nobody knows learns nothing, not even which paths there are
            call.token = await self._authenticate(request)
            passage(request.scope).project = call.token.project
            logs.of_project(call.token.project)
            self.cloud.limits.admit(call.token)
            below = request.scope["path"].removeprefix(self.face.path)
            access_rules.check(call.token, self.face.name, request.method, below, request.scope["path"])
        else:
            self.cloud.limits.admit_stranger(request.client)
        if self.face.versions is not None:
            call.version = self.face.versions.asked(request.headers)
        as_of = past.asked(request.headers, request.method)
        if endpoint is None:
            raise NotFound("The resource could not be found.")
        if candidates is None:
            call.headers["allow"] = ", ".join(endpoint.handlers)
            raise MethodNotAllowed(f"The method {request.method} is not allowed for this resource.")
        handler = next((h for h in candidates if h.route.first <= call.version <= h.route.last), None)
        if handler is None:
            raise NotFound("The resource could not be found.")
        if not handler.route.who.public:
            policy.enforce(handler.route.who, call.token, handler.operation, self.face.denial)
        call.path = request.path_params
        arguments: list[Any] = [call]
        async with self.cloud.limits.work(request, timed=handler.route.timed):
            if handler.body is not None:
                arguments.append(await self._body(call, handler, handler.body))
            if as_of is not None:
                return await self._as_of(as_of, call, handler, arguments)
            result = await handler.function(*arguments)
        return self._response(call, handler.route, result)

    async def _body(self, call: Call, handler: _Handler, kind: Any) -> Any:
        data = await bodies.read(call.request, self.cloud.settings.gateway.max_body)
        media_type = call.request.headers.get("content-type", "")
        body = bodies.decode(data, kind, media_type, handler.route.media_types, self.face.explain)
        if self.face.versions is not None:
            try:
                refuse_foreign(body, call.version)
            except ForeignField as foreign:
                raise Invalid(self.face.explain(foreign.message, data, kind)) from foreign
        call.data = data
        return body

    async def _as_of(self, moment: str, call: Call, handler: _Handler, arguments: list[Any]) -> Response:
        """The answer that there would have been at a former moment, to who asks now."""
        route = handler.route
        async with past.as_it_was(self.cloud, moment, route.past and not route.who.public) as then:
            call.present, call.cloud, call.fold = self.cloud.fold, then, then.fold
            call.headers[past.HEADER] = str(then.as_of)
            return self._response(call, handler.route, await handler.function(*arguments))

    async def _authenticate(self, request: Request) -> Token:
        text = request.headers.get("x-auth-token")
        if not text:
            self.cloud.limits.admit_stranger(request.client)
            raise Unauthenticated("The request you have made requires authentication.")
        try:
            service = request.headers.get("x-service-token") if self.face.service_tokens else None
            return await self.cloud.authenticate(text, service)
        except Unauthenticated:
            self.cloud.limits.admit_stranger(request.client)
            raise

    def _response(self, call: Call, route: Route, result: Any) -> Response:
        answer = result if isinstance(result, Answer) else Answer(body=result)
        status = answer.status or route.status
        headers = {**call.headers, **answer.headers}
        if answer.stream is not None:
            return StreamingResponse(answer.stream, status, headers, media_type=answer.media_type)
        body = answer.body
        if body is None or body is UNSET:
            response = Response(None, status, headers)
            if answer.media_type or self.face.versions is not None:
                response.headers["content-type"] = answer.media_type or self.face.media_type
            return response
        if not isinstance(body, bytes):
            if self.face.versions is not None:
                shape(body, call.version)
            body = self.encode(body)
        response = Response(b"" if call.request.method == "HEAD" else body, status, headers)
        response.headers["content-type"] = answer.media_type or self.face.media_type
        return response

    def _refuse(self, call: Call, refusal: Refusal) -> Response:
        form = self._format(call.request)
        uri = f"{call.base}/identity" + ("/v3" if self.face.format is faults.identity else "")
        metrics.REFUSALS.labels(self.face.name, type(refusal).__name__).inc()
        response = self._answer(faults.fault(refusal, form, statuses=self.face.statuses, identity_uri=uri))
        response.headers.update(call.headers)
        return response

    def _format(self, request: Request) -> faults.Format:
        return self.face.negotiate(request.headers.get("accept", "")) if self.face.negotiate else self.face.format

    @staticmethod
    def _answer(fault: faults.Fault) -> Response:
        response = Response(fault.body, fault.status, dict(fault.headers))
        response.headers["content-type"] = fault.media_type
        return response


__all__ = ["ANYONE", "Answer", "Call", "Face", "Route", "Service", "Step"]
