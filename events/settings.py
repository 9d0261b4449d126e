"""Settings: one frozen Struct, read once at the entry and handed down. Nobody else reads the environment.

Order, the later wins: the defaults here, `DIR/cumulog.toml`, `CUMULOG_<SECTION>_<NAME>`, `--set section.name=value`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class Journal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The event log."""

    nats: str = ""  # URLs of the servers of an operator's own NATS, with commas; empty: those that `up` starts
    replicas: int = 0  # of each stream: 1, 3 or 5 of as many servers at least; 0: 3 on a cluster, else 1
    sync: str = "always"  # `always`: fsync before each acknowledgement; or NATS' interval, such as `2m`
    max_memory: int = 0  # bytes for NATS' memory streams; 0: NATS' own choice
    deadline: float = 10.0  # seconds that a question to NATS is repeated before the answer is 503
    reserve: int = 64 << 20  # bytes that stay free on the journal's disk: with less, nothing is written


class Archive(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where old epochs of the log go."""

    url: str = ""  # a directory, or `s3://BUCKET/PREFIX` with the usual AWS_… variables; empty: `archive` in DIR
    commits: int = 0  # after so many an epoch is closed and archived; 0: only when asked for


class Image(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bytes of images."""

    store: str = ""  # a directory, or `s3://BUCKET/PREFIX` with the usual AWS_… variables; empty: `images` in DIR


class Gateway(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The HTTP face."""

    public_url: str = ""  # scheme and host of the links in answers; empty: from the request's Host header
    max_body: int = 1 << 20  # bytes of a JSON body
    max_image: int = 64 << 30  # bytes of an image
    page: int = 1000  # most items of a page, and how many if the caller names no limit
    stale_reads: bool = False  # while the journal is away, answer reads from what this process knows, instead of 503
    admin_password: str = ""  # of the first start; empty: a generated one
    past_memory: int = 256 << 20  # bytes that clouds as of former moments may take
    past_waiting: int = 8  # former moments that may wait to be made; further ones are answered 503


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may do what."""

    file: str = ""  # the operator's rules; empty: `policy.yaml` in DIR, if there is one


class Feed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What others are told of what happens."""

    readers: int = 200  # of `/events` at a time, in one gateway
    readers_of_project: int = 20
    patience: float = 30.0  # seconds that a reader may take nothing of what it is sent
    age: int = 7 * 86_400  # seconds that the stream FEED keeps what it told
    source: str = "/cumulog"  # the beginning of CloudEvents' `source`: the cloud's own name, a URI or a path


class Identity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tokens, passwords, and what is demanded of them."""

    token_lifetime: int = 3600  # seconds
    allow_expired_window: Annotated[int, Meta(ge=0, le=172_800)] = 172_800  # seconds in which one may ask what it said
    allow_rescope_scoped_token: bool = True  # a token that has a scope may be exchanged for one of another scope
    token_keys: Annotated[int, Meta(ge=3)] = 3  # active keys of tokens: the staged, the primary, and former ones
    token_key_age: Count = 604_800  # seconds after which the primary key is replaced; 0: only when asked for
    receipt_lifetime: Count = 300  # seconds in which the next factor of an authentication must follow
    methods: str = "external,password,token,oauth1,mapped,application_credential,ec2credential"  # that are offered
    totp_previous_windows: Count = 1  # former half minutes whose passcodes are still good
    external_header: str = ""  # in which a trusted proxy names the user it has authenticated; empty: none does
    external_domain_header: str = ""  # and their domain; else they are of the default one
    external_proxies: str = ""  # addresses or networks of trusted proxies, with commas
    bcrypt_cost: int = 12
    region: str = "RegionOne"
    lockout_failure_attempts: Count = 0  # wrong passwords in a row that lock a user; 0: none do
    lockout_duration: Count = 1800  # seconds; 0: until an administrator enables the user
    password_expires_days: Count = 0  # of passwords set from then on; 0: never
    unique_last_password_count: Count = 0  # a user's own new password must be none of so many last ones; 0: any
    minimum_password_age: Count = 0  # days until a user may change again what they changed themselves
    password_regex: str = ""  # that a password must match from its beginning; empty: any password
    password_regex_description: str = ""  # what is said of one that does not
    change_password_upon_first_use: bool = False  # a password that an administrator set is good for changing it only
    disable_user_account_days_inactive: Count = 0  # days without a login after which a user is disabled; 0: never
    return_all_endpoints_if_no_filter: bool = True  # a project that was given no endpoints has the whole catalog
    limit_enforcement_model: Literal["flat", "strict_two_level"] = "flat"  # of unified limits

    def __post_init__(self) -> None:
        try:
            re.compile(self.password_regex)
        except re.error as fault:
            raise ValueError(f"identity.password_regex is no regular expression: {fault}") from fault
        for network in filter(None, map(str.strip, self.external_proxies.split(","))):
            ip_network(network)


class OpenIdProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An OpenID provider whose word is taken, by the id of an identity provider."""

    issuer: str  # its URL; all else is found below it
    client_id: str  # as which this cloud is known there; the secret is in the vault
    audience: str = ""  # that access tokens must be for; empty: `client_id`
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA", "RS384", "RS512", "ES384", "ES512")
    scopes: str = "openid profile email"  # that a browser's user is asked for
    introspection: bool = False  # ask the provider about access tokens that cannot be read
    userinfo: bool = False  # ask it for what an access token does not say of its user

    def __post_init__(self) -> None:
        if wrong := [one for one in self.algorithms if not one.startswith(("RS", "PS", "ES", "Ed"))]:
            raise ValueError(f"{wrong[0]} is no algorithm by which somebody else's signature is proved")


class SamlProvider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SAML 2 identity provider whose word is taken, by the id of an identity provider."""

    entity_id: str
    certificate: str  # a file: the PEM of what it signs with
    sso_url: str = ""  # to which a browser is sent to sign on


class Federation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who vouches for users that are not kept here."""

    oidc: dict[str, OpenIdProvider] = {}
    saml: dict[str, SamlProvider] = {}
    trusted_dashboards: str = ""  # URLs, with commas, to which a browser may be sent with a token
    entity_id: str = ""  # as which this cloud vouches for its users in SAML; empty: a URL below its own
    default_authorization_ttl: int = 0  # minutes that memberships told by a provider last; 0: as long as the token
    clock_skew: int = 30  # seconds by which a provider's clock may differ
    timeout: float = 5.0  # seconds until a provider that does not answer is given up


class Compute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Servers and their hosts."""

    cpu_ratio: float = 4.0  # virtual processors for each real one
    ram_ratio: float = 1.0
    disk_ratio: float = 1.0
    reserved_ram: int = 512  # MiB of each host that is not given to servers; simulated hosts reserve nothing
    scheduler: Literal["filter", "simple", "chance"] = "filter"
    patience: int = 20  # seconds that a server waits for a host with room before it fails
    build_deadline: int = 600  # seconds from a host chosen to a server running
    shutdown: int = 60  # seconds that a guest has to shut itself down
    heartbeat: float = 5.0  # seconds between an agent's signs of life
    host_down: float = 30.0  # seconds without a sign until a host counts as down
    virt_type: Literal["auto", "kvm", "qemu"] = "auto"
    libvirt_uri: str = "qemu:///system"
    zone: str = "nova"  # the availability zone of hosts that name none


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one gateway takes on at a time; what is more is refused, and may be tried again."""

    connections: int = 10_000
    in_flight: int = 4_000  # requests that wait for their answer
    bodies: int = 256 << 20  # bytes of their bodies, but for the bytes of images, which are not kept in memory
    max_header: int = 64 << 10  # bytes of a request's first line and headers
    header_seconds: float = 30.0  # until they must have come
    seconds: float = 60.0  # until a request is given up; the bytes of images have no such limit
    project_rate: float = 2_000.0  # requests a second of one project, over time
    project_burst: int = 10_000  # and at once
    address_rate: float = 500.0  # requests a second without a token, logins for one, from one address
    address_burst: int = 5_000


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written to the standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "WARNING"
    format: Literal["text", "json"] = "text"
    access: bool = False  # a line for every request


class Tracing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """OpenTelemetry traces."""

    enabled: bool = False
    endpoint: str = ""  # OTLP over HTTP, such as http://127.0.0.1:4318; empty: as OTEL_EXPORTER_OTLP_ENDPOINT says


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings, by section."""

    journal: Journal = Journal()
    archive: Archive = Archive()
    image: Image = Image()
    gateway: Gateway = Gateway()
    policy: Policy = Policy()
    feed: Feed = Feed()
    identity: Identity = Identity()
    federation: Federation = Federation()
    compute: Compute = Compute()
    limits: Limits = Limits()
    log: Log = Log()
    tracing: Tracing = Tracing()


class BadSetting(Exception):
    """A setting that is none, or whose value is of the wrong type."""


def load(file: Path | None, environment: Mapping[str, str], assignments: Iterable[str] = ()) -> Settings:
    """The settings from a file if it exists, the environment and `section.name=value` words. Raises BadSetting."""
    values: dict[str, dict[str, Any]] = {}
    if file is not None and file.exists():
        try:
            values = tomllib.loads(file.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise BadSetting(f"{file}: {fault}") from fault
    for section in Settings.__struct_fields__:
        start = f"CUMULOG_{section.upper()}_"
        for name, value in environment.items():
            if name.startswith(start):
                values.setdefault(section, {})[name.removeprefix(start).lower()] = value
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        section, dot, field = name.partition(".")
        if not (equals and dot):
            raise BadSetting(f"--set takes section.name=value, not {assignment!r}")
        values.setdefault(section, {})[field] = value
    try:
        told = values.get("federation", {})
        told.update({name: _table(told[name]) for name in ("oidc", "saml") if name in told})
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as fault:
        raise BadSetting(str(fault)) from fault


def _table(value: Any) -> Any:
    """A table that is written as JSON, in the environment or a `--set`. Raises ValidationError."""
    if not (isinstance(value, str) and value.startswith("{")):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError as fault:
        raise msgspec.ValidationError(f"{value} is no JSON: {fault}") from fault
