"""Ports for servers that must know theirs before they start."""

from __future__ import annotations

import socket
from contextlib import suppress
from random import randrange


def free_port() -> int:
    """One below those that connections are given, so that none takes it before it is used."""
    while True:
        with (
            suppress(OSError),
            socket.create_server(("127.0.0.1", randrange(20_000, 32_000))) as one,
        ):  # it may be taken
            return int(one.getsockname()[1])
