"""What passes between the cloud and a host's agent: the guest that is wanted, and what the agent reports.

An order is the latest wanted state of one server on its host; a report is a call that is repeated until it is answered.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from events.compute.host import Capacity


class Address(Struct, frozen=True, gc=False, kw_only=True):
    """An address of an interface, with what DHCP tells the guest about its subnet."""

    ip: str
    prefix: int  # length of the subnet's prefix, bits
    subnet: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    routes: tuple[tuple[str, str], ...] = ()  # (destination, next hop)
    dhcp: bool = True


class Rule(Struct, frozen=True, gc=False, kw_only=True):
    """What a security group lets through; what no rule names is dropped, answers to what was let through are not."""

    direction: Literal["ingress", "egress"]
    ethertype: Literal["IPv4", "IPv6"] = "IPv4"
    protocol: str | None = None  # a name or a number; None: any
    port_min: int | None = None  # of ICMP: the type
    port_max: int | None = None  # of ICMP: the code
    remote: tuple[str, ...] | None = None  # prefixes or addresses of the other side; None: anybody, (): nobody
    remote_group: str | None = None  # a group whose members are the other side: the agent fills `remote` with them


class Interface(Struct, frozen=True, gc=False, kw_only=True):
    """A port as the host sees it."""

    port: str
    mac: str
    network: str
    mtu: int = 1450
    dhcp_ip: str | None = None  # the address of the network's DHCP and metadata server, the same on each host
    addresses: tuple[Address, ...] = ()
    port_security: bool = True  # no other sender's address than `mac`, `addresses` and `allowed`
    allowed: tuple[tuple[str, str], ...] = ()  # (MAC, prefix): address pairs it may use besides its own
    rules: tuple[Rule, ...] | None = None  # of its security groups; None: no filter, (): nothing gets through


class Guest(Struct, frozen=True, gc=False, kw_only=True):
    """What is wanted of one server on its host. `generation` grows by one with every wish."""

    id: str
    name: str
    hostname: str
    project: str
    wanted: Literal["on", "off", "gone"]
    generation: int
    reboot: Literal["SOFT", "HARD"] | None = None  # how a running guest gets to this generation
    built: bool = False  # it has run before: if it is missing now, that is a loss; if false, it may have run since
    vcpus: int = 1
    ram: int = 0  # MiB
    disk: int = 0  # GiB; 0: the image's own size
    image: str | None = None
    image_format: str = "qcow2"
    image_checksum: str | None = None  # sha512, hexadecimal: names the cached base
    interfaces: tuple[Interface, ...] = ()
    request: str | None = None  # the wish's
    trace: str | None = None  # W3C's `traceparent`, if it is traced


class Report(Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """An agent's word; the host's name is in the subject, where NATS' permissions keep it true."""


class Joined(Report, frozen=True, gc=False, kw_only=True):
    """The agent is there, and this is what its host has."""

    zone: str
    capacity: Capacity


class Taken(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A step that an agent took for a guest, or what it noticed."""

    step: str
    at: datetime  # when it began, by the host's clock
    seconds: float = 0.0  # that it took
    failure: str | None = None


class Seen(Report, frozen=True, gc=False, kw_only=True):
    """A server as the agent sees it, after the wish of this generation."""

    server: str
    generation: int
    seen: Literal["running", "stopped", "missing", "failed", "gone"]
    reason: str | None = None
    steps: tuple[Taken, ...] = ()  # what was done since the last report
    trace: str | None = None  # W3C's `traceparent`, if what led to it is traced


class ConsoleRead(Report, frozen=True, gc=False, kw_only=True):
    """The answer to a question for a console's text."""

    question: str
    text: str


class BuiltAsked(Report, frozen=True, gc=False, kw_only=True):
    """The host has nothing of a server that was ordered before its agent began; the answer is empty if it never ran."""

    server: str


class Many(Report, frozen=True, gc=False, kw_only=True):
    """Several words in one. The answer is a list: of each its answer, or null if nothing could be done with it now."""

    reports: tuple[Seen | BuiltAsked, ...]


class MetadataAsked(Report, frozen=True, gc=False, kw_only=True):
    """A guest asks for its metadata; the answer to this report is the document."""

    server: str


class ImageAsked(Report, frozen=True, gc=False, kw_only=True):
    """The host lacks an image; the answer to this report is an ImageSource."""

    image: str


class ImageSource(Struct, frozen=True, gc=False, kw_only=True):
    """Where an image's bytes are to be had, for a few minutes: the same at each URL."""

    urls: tuple[str, ...]
    size: int  # bytes


Answers = list[bytes | None]  # to Many
Reports = Joined | Seen | BuiltAsked | Many | ConsoleRead | MetadataAsked | ImageAsked


class ConsoleAsked(Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A question to an agent; it answers with a ConsoleRead."""

    question: str
    server: str
    lines: int | None = None
