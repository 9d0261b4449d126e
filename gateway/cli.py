"""`cumulog`: every command and its flags. What a command needs is imported when it is called: `--help` is instant."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import cast

from events.settings import BadSetting, Settings, load
from gateway.directory import Directory, DirectoryFault, default


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="cumulog", description="A cloud whose state is its log.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.add_argument("--state", type=Path, metavar="DIR", help="the cloud's directory")
        one.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="a setting")
        return one

    up = command("up", "the whole cloud in one process, and a NATS server beside it")
    up.add_argument("--listen", default="127.0.0.1:8774", metavar="HOST:PORT")
    up.add_argument("--driver", choices=["auto", "libvirt", "simulated"], default="auto")
    up.add_argument("--hosts", type=int, default=1, metavar="N", help="how many simulated hosts")
    up.add_argument("--public-url", default=None, metavar="URL", help="what links in answers begin with")
    up.add_argument(
        "--demo", action="store_true", help="make flavors, an image, a network and a user for a first visit"
    )
    up.add_argument("--stop-guests", action="store_true", help="end the guests with the cloud")

    command("bootstrap", "mend a locked-out cloud: a new admin password, clouds.yaml anew")
    command("destroy", "remove the cloud, its guests and everything of it on this host").add_argument(
        "--yes", action="store_true", help="do not ask"
    )

    events = command("events", "print the log")
    events.add_argument("--follow", action="store_true", help="go on with what is to come")
    events.add_argument("--since", metavar="TIME", help="ISO 8601, or 90s, 10m, 2h, 3d ago")
    events.add_argument("--service", metavar="NAME")
    events.add_argument("--project", metavar="ID")
    events.add_argument("--format", choices=["text", "json", "cloudevents"], default="text")

    command("trace", "what one request caused, or all that happened to one resource").add_argument("id", metavar="ID")
    command("rebuild", "make the tables anew from the log")
    command("verify", "check the log: order, chain, schema, and that the tables agree with it")
    command("query", "ask the tables").add_argument("sql", metavar="SELECT")
    return top


def main(arguments: list[str] | None = None) -> None:
    """The entry point."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=os.environ.get("LOG", "WARNING")
    )
    logging.getLogger("cumulog.progress").setLevel(logging.INFO)
    path: Path = (options.state or default(dict(os.environ))).absolute()
    assignments = list(options.set)
    if getattr(options, "public_url", None):
        assignments.append(f"gateway.public_url={options.public_url}")
    try:
        settings = load(path / "cumulog.toml", os.environ, assignments)
        status = run(options, path, settings)
    except (BadSetting, DirectoryFault) as fault:
        sys.exit(f"cumulog: {fault}")
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        status = 0
    sys.exit(status)


def run(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    """Do one command; its exit status."""
    if options.command == "up":
        return _up(options, path, settings)
    if options.command == "events":
        from events import moments
        from gateway import reading

        try:
            since = moments.since(options.since, datetime.now(UTC)) if options.since else None
        except ValueError:
            sys.exit(f"cumulog: --since takes a time or an age, not {options.since!r}")
        wanted = reading.Filter(since=since, service=options.service, project=options.project)
        asyncio.run(reading.events(path, settings, follow=options.follow, wanted=wanted, form=options.format))
        return 0
    if options.command == "trace":
        from gateway import reading

        return 0 if asyncio.run(reading.trace(path, settings, options.id)) else 1
    from gateway import mending

    return mending.run(options, path, settings)


def _up(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    # nats-py takes aiohttp along if it is there, for websockets, which the cloud does not use: 0.2 s and 20 MiB.
    sys.modules.setdefault("aiohttp", cast(ModuleType, None))
    import uvloop

    from gateway.up import CannotStart, Options, Up

    host, colon, port = options.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        sys.exit(f"cumulog: --listen takes HOST:PORT, not {options.listen!r}")
    if options.hosts < 1:
        sys.exit("cumulog: --hosts takes a number from 1")
    directory = Directory(path)
    directory.open()
    asked = Options(
        host=host.strip("[]"),
        port=int(port),
        driver=options.driver,
        hosts=options.hosts,
        demo=options.demo,
        stop_guests=options.stop_guests,
    )
    try:
        uvloop.run(Up(directory, settings, asked).run(lambda url: print(f"ready {url}", flush=True)))
    except CannotStart as fault:
        print(f"cumulog: {fault}", file=sys.stderr)
        return 1
    finally:
        directory.close()
    return 0
