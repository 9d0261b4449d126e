"""What every function of the gateway works with: the door, the fold, and the few things that run beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from starlette.requests import Request

from events.clock import Clock
from events.decider import Executor
from events.fold import Fold
from events.nats.vault import Vault
from events.refusals import Unauthenticated
from events.settings import Settings
from gateway.fence import Fence
from gateway.health import Health
from gateway.limits import Limits
from gateway.policy import Policy
from gateway.tokens import Authenticate, Token

if TYPE_CHECKING:
    from gateway.feed import Feed

T = TypeVar("T")


class Cloud:
    """One gateway's parts, put together by `gateway/composition/up.py` and by tests."""

    def __init__(self, execute: Executor, settings: Settings, authenticate: Authenticate, vault: Vault) -> None:
        self.execute = execute
        self.fold: Fold = execute.fold
        self.clock: Clock = execute.clock
        self.settings = settings
        self.authenticate = authenticate
        self.vault = vault  # secrets that must be read back
        self.feed: Feed | None = None
        self.as_of: int | None = None  # the sequence as of which it is, of a cloud of the past
        self.fence: Fence | None = None  # of a gateway beside others; one process that alone writes needs none
        self.policy = Policy()
        self.parts: dict[type[Any], Any] = {}  # what single services need, such as a store of images
        self.health = Health()
        self.limits = Limits(settings.limits, settings.gateway.max_body)

    async def asker(self, request: Request, *, with_service: bool = False) -> Token:
        """Who asks, by the token that a request bears. Raises Unauthenticated, TooMany."""
        text = request.headers.get("x-auth-token")
        try:
            if not text:
                raise Unauthenticated()
            return await self.authenticate(text, request.headers.get("x-service-token") if with_service else None)
        except Unauthenticated:
            self.limits.admit_stranger(request.client)
            raise

    def put(self, part: object, kind: type[Any] | None = None) -> None:
        """Put a part in, under its own type or the protocol that it is asked for by."""
        self.parts[kind or type(part)] = part

    def part(self, kind: type[T]) -> T:
        """The part of this kind that was put in. Raises KeyError: the cloud was put together without it."""
        return cast(T, self.parts[kind])
