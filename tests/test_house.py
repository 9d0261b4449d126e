"""The rules of the house: who may import whom, names, lengths, frozen events, and that README tells of everything."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from events import settings
from events.envelope import Command, Event, State
from events.services import SERVICES, deciders
from gateway import cli
from tests.conftest import LONG
from tests.fingerprints import FILE, fingerprints

ROOT = Path(__file__).parent.parent
PACKAGES = ("events", "projections", "handlers", "gateway", "agents")
MAY_IMPORT = {
    "events": {"events"},
    "agents": {"agents", "events"},
    "projections": {"projections", "events"},
    "handlers": {"handlers", "events", "projections"},
    "gateway": {"gateway", "events", "projections"},
}
SEES_ALL = {
    "gateway/composition/part_handlers.py",
    "gateway/composition/part_agents.py",
    "gateway/composition/alone.py",
    "gateway/composition/hosts.py",
    "gateway/mending.py",
    "gateway/replaying.py",
    "gateway/upkeep.py",
}  # they put the floors together, and take them down
KNOWS = {  # a technology has one place, or a few that are named here
    "nats": ("events/nats/wire.py", "events/nats/client.py"),
    "duckdb": ("projections/",),
    "libvirt": ("agents/compute/",),
    "starlette": ("gateway/",),
    "uvicorn": ("gateway/http.py", "gateway/protocol.py"),
    "prometheus_client": ("events/metrics.py",),
    "yaml": ("gateway/policy_file.py",),
    "opentelemetry": ("events/otel.py",),
}
LONGEST = 400  # lines of a file


def files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def imports(path: Path) -> list[tuple[str, int]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(name.name, node.lineno) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(f"{node.module}.{name.name}", node.lineno) for name in node.names]
    return found


def complaints(rule: str) -> Iterator[str]:
    names = {service.name for service in SERVICES}
    for path in files():
        place = path.relative_to(ROOT)
        for module, line in imports(path):
            parts = module.split(".")
            if rule == "floors" and parts[0] in PACKAGES and str(place) not in SEES_ALL:
                if parts[0] not in MAY_IMPORT[place.parts[0]]:
                    yield f"{place}:{line} imports {module}"
            elif rule == "services" and len(place.parts) > 2 and parts[0] == place.parts[0] and len(parts) > 2:
                if parts[1] in names and place.parts[1] in names and parts[1] != place.parts[1]:
                    yield f"{place}:{line} imports {module}"
            elif rule == "technologies" and not str(place).startswith(KNOWS.get(parts[0], "")):
                yield f"{place}:{line} imports {module}"


@pytest.mark.parametrize("rule", ["floors", "services", "technologies"])
def test_imports_follow_the_house(rule: str) -> None:
    assert list(complaints(rule)) == []


def test_no_kernel_file_bears_a_services_name() -> None:
    names = {service.name for service in SERVICES}
    assert [p for p in files() if p.parent.parent == ROOT and p.stem in names] == []


def test_every_resource_has_words_that_are_frozen() -> None:
    for module in deciders():
        hints = get_type_hints(module.evolve)
        assert issubclass(hints["return"], State), module.__name__
        for event in get_args(hints["event"]) or (hints["event"],):
            assert issubclass(event, Event)
            assert event.__struct_config__.frozen, event
        for command in get_args(get_type_hints(module.decide)["command"]):
            assert issubclass(command, Command)
            assert command.__struct_config__.frozen, command


def test_files_are_of_a_readable_length() -> None:
    all_files = [*files(), *(path for name in ("tests", "benchmarks") for path in sorted((ROOT / name).rglob("*.py")))]
    long = {str(p.relative_to(ROOT)): n for p in all_files if (n := len(p.read_text().splitlines())) > LONGEST}
    assert long == {}


def test_the_long_files_of_tests_are_there() -> None:
    assert [name for name in LONG if not (ROOT / name).exists()] == []


def test_every_module_says_what_it_is() -> None:
    silent = [str(p.relative_to(ROOT)) for p in files() if ast.get_docstring(ast.parse(p.read_text())) is None]
    assert silent == []


def test_nobody_else_reads_the_environment() -> None:
    allowed = {"gateway/cli.py", "gateway/composition/up.py", "events/nats/server.py"}
    readers = [
        str(path.relative_to(ROOT))
        for path in files()
        if re.search(r"os\.environ|getenv", path.read_text()) and str(path.relative_to(ROOT)) not in allowed
    ]
    assert readers == []


def test_released_events_have_not_changed() -> None:
    """A defaulted field may be added, with a new fingerprint beside it; a new meaning is a new event."""
    known = msgspec.json.decode(FILE.read_bytes(), type=dict[str, str])
    assert fingerprints() == known, "if this is meant: python -m tests.fingerprints"


@cache
def readme() -> str:
    return (ROOT / "README.md").read_text()


def test_readme_has_every_command_and_flag() -> None:
    missing = []
    subparsers = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in subparsers.choices.items():
        if f"cumulog {name}" not in readme():
            missing.append(name)
        missing += [
            option
            for action in command._actions
            for option in action.option_strings
            if option not in ("-h", "--help") and option not in readme()
        ]
    assert missing == []


def test_readme_has_every_setting() -> None:
    missing = []
    for section in msgspec.structs.fields(settings.Settings):
        names = [field.name for field in msgspec.structs.fields(section.type)]
        missing += [f"{section.name}.{name}" for name in names if f"`{section.name}.{name}`" not in readme()]
    assert missing == []


def test_readme_has_every_service() -> None:
    assert [service.path for service in SERVICES if f"`{service.path}`" not in readme()] == []
