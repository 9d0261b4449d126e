"""The domain's answers that say no. `gateway/faults.py` alone turns them into HTTP.

`kind` is the service's own name of the refusal where its clients read one (networking: `NetworkNotFound`).
"""

from __future__ import annotations


class Refusal(Exception):
    """A command or a question is answered with no; `message` is meant for the caller."""

    def __init__(self, message: str, *, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


class Invalid(Refusal):
    """The request makes no sense."""


class Unauthenticated(Refusal):
    """Nobody known asks."""

    def __init__(self, message: str = "The request you have made requires authentication.") -> None:
        super().__init__(message)


class CannotAuthenticate(Unauthenticated):
    """This way nobody is known; `methods` are those by which somebody can be."""

    def __init__(self, message: str, methods: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.methods = methods


class Forbidden(Refusal):
    """Somebody known asks who may not."""


class NotFound(Refusal):
    """There is no such thing, or none that the caller may know of."""


class MethodNotAllowed(Refusal):
    """The path exists, the method does not."""


class NotAcceptable(Refusal):
    """No such version, or no such representation."""


class Conflict(Refusal):
    """Not possible in the state in which the resource is."""


class Gone(Refusal):
    """It existed in older versions of the API."""


class PreconditionFailed(Refusal):
    """The caller named a revision that is not the newest."""


class TooLarge(Refusal):
    """The request exceeds a bound."""


class HeadTooLarge(Refusal):
    """The request's first line and headers exceed a bound."""


class UnsupportedMedia(Refusal):
    """The body has a media type that the operation does not read."""


class OverQuota(Refusal):
    """The project's quota does not hold it."""


class NoCapacity(Refusal):
    """The cloud does not hold it."""


class TooMany(Refusal):
    """The caller asks too often."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class Busy(TooMany):
    """The resource changes too fast, or the journal cannot take a write now; to be tried again."""


class NotImplementedHere(Refusal):
    """A real operation of the API that this cloud does not have."""
