"""Methods of authentication: a module each, with its name in bodies, the type of what is said there, and `prove`.

Which of them a cloud offers is a setting.
"""

from __future__ import annotations

from typing import Any, Protocol

from events.settings import Settings
from gateway.identity.claims import METHODS
from gateway.identity.methods import (
    application_credential,
    external,
    mapped,
    oauth1,
    password,
    token,
    totp,
)
from gateway.identity.proof import Proven
from gateway.serving import Call


class Method(Protocol):
    """A module, or what stands for one."""

    @property
    def NAME(self) -> str: ...

    @property
    def Body(self) -> Any:
        """The type of what a request says below the method's name."""

    async def prove(self, call: Call, body: Any) -> Proven:
        """Who asks. Raises Unauthenticated, Invalid."""


ALL: tuple[Method, ...] = (
    *(external, password, token, application_credential, totp, oauth1),
    *(mapped.Mapped(name) for name in mapped.NAMES),
)

BY_NAME = {method.NAME: method for method in ALL}


def offered(settings: Settings) -> tuple[str, ...]:
    """The names of the methods that the cloud offers: those of federation too, if it takes somebody's word."""
    named = [word.strip() for word in settings.identity.methods.split(",")]
    named += ["openid"] * bool(settings.federation.oidc) + ["saml2"] * bool(settings.federation.saml)
    return tuple(dict.fromkeys(name for name in named if name in METHODS))
