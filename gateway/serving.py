"""A request, its function, the answer. Routing is Starlette's; here is what every route of every service shares.

The order: who asks, which version, which route, may they, what do they say, do it, shape the answer.
A function sees no status code and no header: it takes a `Call` (and a body, if its second parameter names a type) and
returns a view, or an `Answer` where the status or a header is the answer.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any, get_type_hints

import msgspec
from msgspec import UNSET
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

from events import logs, metrics
from events.journal import Unavailable
from events.refusals import Busy, Invalid, MethodNotAllowed, NotFound, Refusal
from gateway import access_rules, bodies, faults, openapi, past
from gateway.calling import FIRST, LAST, Answer, Call, Face, Route
from gateway.cloud import Cloud
from gateway.entrance import passage
from gateway.microversions import ForeignField, refuse_foreign, shape
from gateway.microversions import name as version_name
from gateway.rules import BadRule

log = logging.getLogger("cumulog.gateway")


class _Handler:
    """A route, with what its function wants found out once."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.function = route.function
        self.public = route.public
        parameters = list(inspect.signature(route.function).parameters)
        hints = get_type_hints(route.function, include_extras=True)
        self.body = hints[parameters[1]] if len(parameters) > 1 else None
        self.operation = route.policy


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
        self.table = cloud.policy.table(face.name, face.rules, face.former)
        unruled = [r for r in face.routes if not r.public and r.policy not in self.table.rules]
        if unruled:
            raise BadRule(f"{unruled[0].method} {face.path}{unruled[0].path} has no rule `{unruled[0].policy}`")
        endpoints: dict[str, _Endpoint] = {}
        for route in (openapi.ROUTE, *face.routes):
            endpoints.setdefault(route.path, _Endpoint(self, route.path)).add(route)
        self.router = Router(
            [StarletteRoute(path or "/", endpoint) for path, endpoint in endpoints.items()],
            redirect_slashes=False,
            default=self.unknown,
        )
        self.encode = msgspec.json.Encoder().encode

    async def unknown(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if self.face.strict or not path.endswith("/") or path.endswith("//"):
            await self.answer(scope, receive, send, None)
        else:
            await self.router({**scope, "path": path[:-1]}, receive, send)

    async def answer(self, scope: Scope, receive: Receive, send: Send, endpoint: _Endpoint | None) -> None:
        if scope["type"] != "http":
            await Response(status_code=404)(scope, receive, send)
            return
        request = Request(scope, receive)
        versions = self.face.versions
        call = Call(self.cloud, self.face, self.table, request, versions.minimum if versions else FIRST)
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
        except (Unavailable, TimeoutError, asyncio.CancelledError) as fault:  # this process ends: nobody else cancels
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
        if versions.legacy:
            response.headers[f"x-{versions.service}-request-id"] = call.id
        if response.status_code == 401:
            return  # whom nobody knows is not told which version was asked
        response.headers["openstack-api-version"] = f"{versions.service} {version_name(call.version)}"
        vary = "OpenStack-API-Version"
        if versions.legacy:
            response.headers[versions.legacy] = version_name(call.version)
            vary += f", {versions.legacy}"
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
        if endpoint is not None and request.method == "OPTIONS" and self.face.options:
            self.cloud.limits.admit_stranger(request.client)
            return Response(None, 200, {"allow": self._allowed(endpoint)})
        public = candidates is not None and candidates[0].public
        if not public:  # who nobody knows learns nothing, not even which paths there are
            call.token = await self.cloud.asker(request, with_service=self.face.service_tokens)
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
            call.headers["allow"] = self._allowed(endpoint)
            raise MethodNotAllowed(f"The method {request.method} is not allowed for this resource.")
        handler = next((h for h in candidates if h.route.first <= call.version <= h.route.last), None)
        if handler is None:
            raise NotFound("The resource could not be found.")
        self._begin(call, handler)
        call.path = request.path_params
        arguments: list[Any] = [call]
        async with self.cloud.limits.work(request, timed=handler.route.timed):
            if handler.body is not None:
                arguments.append(await self._body(call, handler, handler.body))
            if as_of is not None:
                return await self._as_of(as_of, call, handler, arguments)
            result = await handler.function(*arguments)
        return self._response(call, handler.route, result)

    def _allowed(self, endpoint: _Endpoint) -> str:
        """The methods that a path takes, as the header `Allow` lists them."""
        if not self.face.options:
            return ", ".join(endpoint.handlers)
        return ", ".join([*endpoint.handlers, *(["HEAD"] if "GET" in endpoint.handlers else []), "OPTIONS"])

    def _begin(self, call: Call, handler: _Handler) -> None:
        """Raises Forbidden if the caller may not, as far as can be said before the function looks."""
        if handler.public:
            call.cleared = True
            return
        call.begin(handler.operation, handler.route.target or self.face.target)

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
        async with past.as_it_was(self.cloud, moment, route.past and not handler.public) as then:
            call.present, call.cloud, call.fold = self.cloud.fold, then, then.fold
            call.headers[past.HEADER] = str(then.as_of)
            return self._response(call, handler.route, await handler.function(*arguments))

    def _response(self, call: Call, route: Route, result: Any) -> Response:
        assert call.cleared, f"{call.operation}: nobody asked whose it is"
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


__all__ = ["FIRST", "LAST", "Answer", "Call", "Face", "Route", "Service"]
