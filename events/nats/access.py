"""Who may come in to NATS, and what each may do there: users, passwords, accounts.

Two accounts. `CLOUD` holds the streams. Its users are `cloud` (`cumulog up` and the commands of an operator), `gateway`
and `handlers`, who may append but remove nothing from a stream; handlers may end and drop epochs of the journal, but no
bucket, and a gateway may do neither, nor give orders, nor take reports. `AGENTS` holds nothing: each host has a user
there who may call its own `report.<host>` and `assignments.<host>`, say `heartbeat.<host>` and hear
`assigned.<host>.>`, which the cloud's account lends. So no request of an agent reaches JetStream, and no answer to one
can be led to a subject of the journal: an answer crosses the accounts under a name that the server makes. Each consumer
of the feed has an account of its own, which holds nothing either: it may hear `fed.<name>` and acknowledge what it
hears.
Source: NATS documentation, "Configuration", sections Accounts, Authorization.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Any, Literal

from events.nats.wire import Credentials
from events.subjects import token

Role = Literal["gateway", "handlers"]
ROLES: tuple[Role, ...] = ("gateway", "handlers")
CALLS = ("report", "assignments", "heartbeat")  # what an agent may say, each followed by its host
HEARD = "assigned"  # what it may hear
FED = "fed"  # what a consumer may hear, followed by its name
ACKS = "$JS.ACK.FEED"  # where a consumer of the feed acknowledges, followed by its name
TEARING = [f"$JS.API.STREAM.{verb}.>" for verb in ("DELETE", "PURGE", "UPDATE", "RESTORE", "MSG.DELETE")]
# NATS cannot deny all streams but the journal's: its epochs are what is left when those that others have are named.
OTHERS = ("KV_assignments", "KV_vault", "KV_gateways", "FEED")
KEPT = [f"$JS.API.STREAM.{verb}.{name}" for verb in ("DELETE", "UPDATE") for name in OTHERS]
LESS = [subject for subject in TEARING if ".DELETE.>" not in subject and ".UPDATE.>" not in subject]
DENIED: dict[Role, dict[str, Any]] = {
    "gateway": {
        "publish": {"deny": [*TEARING, "$KV.assignments.>", "feed.>", f"{FED}.>"]},
        "subscribe": {"deny": [f"{name}.>" for name in CALLS]},
    },
    "handlers": {"publish": {"deny": [*LESS, "$JS.API.STREAM.MSG.DELETE.>", *KEPT]}},
}


class Access:
    """The credentials of everybody, derived from one secret: nothing but it needs to be kept."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def cloud(self) -> Credentials:
        """Of `cumulog up` and of an operator's commands."""
        return self._credentials("cloud")

    @property
    def route(self) -> tuple[str, str]:
        """User and password of the servers of one cluster among themselves."""
        return "route", self._password("route")

    def role(self, role: Role) -> Credentials:
        """Of every gateway, or of everybody who runs handlers."""
        return self._credentials(role)

    def agent(self, host: str) -> Credentials:
        """Of one host's agent."""
        return self._credentials(f"agent.{token(host)}")

    def consumer(self, name: str) -> Credentials:
        """Of one consumer of the feed."""
        return self._credentials(f"consumer.{name}")

    def accounts(self, hosts: Iterable[str], consumers: Iterable[str] = ()) -> dict[str, Any]:
        """The accounts of a cloud as NATS' configuration has them, with the agents of these hosts and consumers."""
        names = sorted(set(consumers))
        people = [_user(self.cloud), *(_user(self.role(role), DENIED[role]) for role in ROLES)]
        return {
            "CLOUD": {
                "jetstream": "enabled",
                "users": people,
                "exports": [
                    *({"service": f"{name}.*", "accounts": ["AGENTS"]} for name in CALLS),
                    {"stream": f"{HEARD}.>", "accounts": ["AGENTS"]},
                    *({"stream": f"{FED}.{name}", "accounts": [f"CONSUMER_{name}"]} for name in names),
                    *({"service": f"{ACKS}.{name}.>", "accounts": [f"CONSUMER_{name}"]} for name in names),
                ],
            },
            "AGENTS": {
                "users": [self._agent(host) for host in sorted(set(hosts))],
                "imports": [
                    *({"service": {"account": "CLOUD", "subject": f"{name}.*"}} for name in CALLS),
                    {"stream": {"account": "CLOUD", "subject": f"{HEARD}.>"}},
                ],
            },
            **{f"CONSUMER_{name}": self._consumer(name) for name in names},
        }

    def _consumer(self, name: str) -> dict[str, Any]:
        credentials = self.consumer(name)
        rights = {
            "publish": {"allow": [f"{ACKS}.{name}.>"]},
            "subscribe": {"allow": [f"{FED}.{name}", f"{credentials.inbox}.>"]},
        }
        return {
            "users": [_user(credentials, rights)],
            "imports": [
                {"stream": {"account": "CLOUD", "subject": f"{FED}.{name}"}},
                {"service": {"account": "CLOUD", "subject": f"{ACKS}.{name}.>"}},
            ],
        }

    def _agent(self, host: str) -> dict[str, Any]:
        credentials, name = self.agent(host), token(host)
        rights = {
            "publish": {"allow": [f"{call}.{name}" for call in CALLS]},
            "subscribe": {"allow": [f"{HEARD}.{name}.>", f"{credentials.inbox}.>"]},
        }
        return _user(credentials, rights)

    def _credentials(self, user: str) -> Credentials:
        return Credentials(user=user, password=self._password(user), inbox=f"_INBOX.{user}")

    def _password(self, user: str) -> str:
        return hmac.digest(self._secret, user.encode(), "sha256").hex()


def _user(credentials: Credentials, permissions: dict[str, Any] | None = None) -> dict[str, Any]:
    user: dict[str, Any] = {"user": credentials.user, "password": credentials.password}
    return {**user, "permissions": permissions} if permissions else user
