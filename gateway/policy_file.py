"""The operator's policy file, in oslo.policy's format: `"name": "check"`, or a section for each service.

It is read at the start, where a mistake in it ends the start, and again when it changes, where a mistake leaves what
was in force. Source: oslo.policy's documentation, "Policy file".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

from events.settings import Policy as Settings
from gateway.policy import Given, Policy
from gateway.rules import BadRule

LOOK = 1.0  # seconds between two looks at the file

log = logging.getLogger("cumulog.policy")


def place(directory: Path, settings: Settings) -> Path:
    """The file: the one that is set, or else `policy.yaml` in the cloud's directory."""
    return Path(settings.file) if settings.file else directory / "policy.yaml"


def read(path: Path) -> Given:
    """What the file says; nothing if there is none. Raises BadRule."""
    if not path.exists():
        return {}
    import yaml  # when it is first needed: most clouds have no such file

    try:
        found = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as fault:
        raise BadRule(f"{path} is no YAML: {fault}") from fault
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise BadRule(f'{path} holds no rules: they are lines such as "identity:list_users": "role:admin"')
    for name, value in found.items():
        _check(path, str(name), value)
    return {str(name): value for name, value in found.items()}


def _check(path: Path, name: str, value: object) -> None:
    if isinstance(value, Mapping):
        for one, inner in value.items():
            if not isinstance(inner, str):
                raise BadRule(f"{path}: the check of `{name}: {one}` is no text")
    elif not isinstance(value, str):
        raise BadRule(f"{path}: the check of `{name}` is no text")


def take(policy: Policy, path: Path) -> None:
    """Put what the file says in force, and warn of names that are no rules, or no more. Raises BadRule."""
    try:
        policy.override(read(path))
    except BadRule as fault:
        raise BadRule(str(fault) if str(path) in str(fault) else f"{path}: {fault}") from fault
    for name, today in policy.former().items():
        log.warning("%s: what is said of `%s` goes for what it is called today: %s", path, name, ", ".join(today))
    for name in policy.unknown():
        log.warning("%s: there is no rule `%s`; it changes nothing", path, name)


async def watch(policy: Policy, path: Path) -> None:
    """Take the file again whenever it has changed; with a mistake in it, what was in force stays."""
    seen = _mark(path)
    while True:
        await asyncio.sleep(LOOK)
        now = _mark(path)
        if now != seen:
            seen = now
            try:
                take(policy, path)
                log.warning("%s was read again", path)
            except (BadRule, OSError) as fault:
                log.error("%s; what was in force stays", fault)


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
