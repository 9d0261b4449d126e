"""`cumulog`: every command and its flags. What a command needs is imported when it is called: `--help` is instant."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from events import logs, tracing
from events.journal import Unavailable
from events.settings import BadSetting, Settings, load
from gateway.composition.directory import Directory, DirectoryFault, default

FLAGS = {"public_url": "gateway.public_url", "nats": "journal.nats"}  # that are settings, for short

Run = Callable[[argparse.Namespace, Path, Settings], int]

PARTS = ("up", "gateway", "handlers", "agent")  # the commands that are a cloud, or a part of one


def parser() -> argparse.ArgumentParser:
    """The command line: each command has its flags and the function that does it."""
    top = argparse.ArgumentParser(prog="cumulog", description="A cloud whose state is its log.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, run: Run) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text)
        one.set_defaults(run=run)
        one.add_argument("--state", type=Path, metavar="DIR", help="the cloud's directory")
        one.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE", help="a setting")
        return one

    up = command("up", "the whole cloud in one process, and a NATS server beside it", _up)
    up.add_argument("--listen", default="127.0.0.1:8774", metavar="HOST:PORT")
    up.add_argument("--driver", choices=["auto", "libvirt", "simulated"], default="auto")
    up.add_argument("--hosts", type=int, default=1, metavar="N", help="how many simulated hosts")
    up.add_argument(
        "--nodes", type=int, choices=[1, 3, 5], default=1, help="NATS servers; with several, each part in processes"
    )
    up.add_argument("--public-url", default=None, metavar="URL", help="what links in answers begin with")
    up.add_argument(
        "--demo", action="store_true", help="make flavors, an image, a network and a user for a first visit"
    )
    up.add_argument("--stop-guests", action="store_true", help="end the guests with the cloud")

    gateway = command("gateway", "one gateway alone, beside others", _alone)
    gateway.add_argument("--listen", default="127.0.0.1:8774", metavar="HOST:PORT", help="or fd:N, an inherited socket")
    gateway.add_argument("--public-url", default=None, metavar="URL", help="what links in answers begin with")
    handlers = command("handlers", "one process of handlers alone, beside others", _alone)
    agent = command("agent", "the agent of one host alone", _alone)
    agent.add_argument("--host", action="append", default=[], metavar="NAME", help="whose agent; several if simulated")
    agent.add_argument("--driver", choices=["auto", "libvirt", "simulated"], default="auto")
    for one in (gateway, handlers, agent):
        one.add_argument("--nats", default=None, metavar="URL[,URL…]", help="where NATS is, if not in DIR")
        one.add_argument("--credentials", type=Path, metavar="FILE", help="what `cumulog credentials` wrote")
        one.add_argument("--metrics", default=None, metavar="HOST:PORT", help="serve /metrics and /healthcheck there")
        one.add_argument("--name", default=None, metavar="NAME", help="of this process and of its folder in DIR")

    credentials = command("credentials", "write what a process elsewhere needs to reach NATS", _credentials)
    credentials.add_argument("role", choices=["gateway", "handlers", "agent", "consumer", "accounts"])
    credentials.add_argument("host", nargs="?", metavar="HOST|NAME", help="of an agent, of a consumer")
    credentials.add_argument("--project", metavar="ID", help="whose commits alone a consumer is told of")
    credentials.add_argument("--after", type=int, metavar="SEQUENCE", help="where a new consumer begins, if not now")
    credentials.add_argument("--remove", action="store_true", help="let the consumer in no longer")

    command("restart", "restart every part of a running `up --nodes`, one at a time", _restart)
    command("bootstrap", "mend a locked-out cloud: a new admin password, clouds.yaml anew", _mend)
    secret = command("client-secret", "keep the secret that an OpenID provider gave this cloud, read from stdin", _mend)
    secret.add_argument("provider", metavar="ID", help="of the identity provider")
    keys = command("keys", "the keys that seal tokens and receipts", _mend)
    keys.add_argument("action", choices=["list", "rotate"], help="rotate: seal with the staged one from now on")
    command("destroy", "remove the cloud, its guests and everything of it on this host", _mend).add_argument(
        "--yes", action="store_true", help="do not ask"
    )

    policy = command("policy", "who may do what, and why", _policy)
    policy.add_argument("action", choices=["list", "check"])
    policy.add_argument("operation", nargs="?", metavar="OPERATION", help="to check; else all that the person may do")
    policy.add_argument("--service", metavar="NAME", help="list the rules of this one alone")
    policy.add_argument(
        "--format", choices=["yaml", "json", "table"], default="yaml", help="yaml: a sample policy.yaml"
    )
    policy.add_argument("--persona", metavar="SCOPE-ROLE", help="such as project-member, system-reader, unscoped")
    policy.add_argument("--user", metavar="NAME", help="of the running cloud, on --project, --domain or --system")
    policy.add_argument("--project", metavar="NAME")
    policy.add_argument("--domain", metavar="NAME")
    policy.add_argument("--system", action="store_true")
    policy.add_argument("--token", metavar="TOKEN", help="what it lets one do")
    policy.add_argument("--target", action="append", default=[], metavar="NAME=VALUE", help="of what is asked for")

    events = command("events", "print the log", _events)
    events.add_argument("--follow", action="store_true", help="go on with what is to come")
    events.add_argument("--since", metavar="TIME", help="ISO 8601, or 90s, 10m, 2h, 3d ago")
    events.add_argument("--service", metavar="NAME")
    events.add_argument("--project", metavar="ID")
    events.add_argument("--format", choices=["text", "json", "cloudevents", "cadf"], default="text")

    schemas = command("schemas", "describe what consumers are told", _schemas)
    schemas.add_argument("--format", choices=["json-schema", "asyncapi"], default="json-schema")
    schemas.add_argument("-o", "--output", type=Path, metavar="DIR", help="write files there")

    trace = command("trace", "what one request caused, or all that happened to one resource", _trace)
    trace.add_argument("id", metavar="ID")
    trace.add_argument("--format", choices=["text", "json", "html", "svg"], default="text", help="html: a drawn page")
    trace.add_argument("--output", "-o", type=Path, metavar="FILE", help="instead of the terminal")
    replay = command("replay", "have what people asked for happen again on simulated hosts, and compare", _replay)
    replay.add_argument("--from", dest="begin", metavar="TIME|SEQ", help="as --as-of's; else from the beginning")
    replay.add_argument("--to", dest="end", metavar="TIME|SEQ", help="else until now")
    replay.add_argument("--driver", choices=["simulated"], default="simulated")
    replay.add_argument("--scheduler", choices=["filter", "simple", "chance"], help="else the cloud's own")
    replay.add_argument("--hosts", type=int, metavar="N", help="so many, like those that there were; else those")
    replay.add_argument("--seed", type=int, default=0, metavar="N", help="of the dice; 0: the cloud's own")
    replay.add_argument("--format", choices=["text", "json", "svg"], default="text")
    replay.add_argument("--output", "-o", type=Path, metavar="FILE", help="instead of the terminal")
    command("archive", "close an epoch of the log and move it to the archive", _keep)
    command("rebuild", "make the tables anew from the log", _keep)
    verify = command("verify", "check the log and the archive, and that the tables agree with them", _keep)
    verify.add_argument("--checkpoint", type=Path, metavar="FILE", help="a signed one that the log must go on from")
    query = command("query", "ask the tables", _query)
    query.add_argument("sql", metavar="SELECT")
    query.add_argument(
        "--as-of", metavar="TIME|SEQ", help="as they were: ISO 8601, 90s, 10m, 2h, 3d ago, or a sequence"
    )
    return top


def main(arguments: list[str] | None = None) -> None:
    """The entry point."""
    options = parser().parse_args(arguments)
    path: Path = (options.state or default(dict(os.environ))).absolute()
    try:
        settings = load(path / "cumulog.toml", os.environ, _assignments(options))
        _watch(options.command, settings)
        status = options.run(options, path, settings)
        tracing.stop()
    except (BadSetting, DirectoryFault, Unavailable) as fault:
        sys.exit(f"cumulog: {fault}")
    except BrokenPipeError:
        status = 0
    except OSError as fault:
        if fault.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(f"cumulog: {fault}")
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def _watch(command: str, settings: Settings) -> None:
    """Logs and traces of this process, as set."""
    logs.configure(settings.log)
    if command in PARTS:
        logs.name(command)
        try:
            tracing.start(settings.tracing, command)
        except ImportError as fault:
            sys.exit(f"cumulog: tracing.enabled: {fault.name} is missing (pip install 'cumulog[otel]')")


def _events(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from events import moments
    from gateway import reading

    try:
        since = moments.since(options.since, datetime.now(UTC)) if options.since else None
    except ValueError:
        sys.exit(f"cumulog: --since takes a time or an age, not {options.since!r}")
    wanted = reading.Filter(since=since, service=options.service, project=options.project)
    asyncio.run(reading.events(path, settings, follow=options.follow, wanted=wanted, form=options.format))
    return 0


def _trace(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway import hindsight

    return hindsight.trace(options, path, settings)


def _mend(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway import mending

    return mending.run(options, path, settings)


def _query(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    if options.as_of is None:
        return _mend(options, path, settings)
    from gateway import hindsight

    return hindsight.query(options, path, settings)


def _replay(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    if options.hosts is not None and options.hosts < 1:
        sys.exit("cumulog: --hosts takes a number from 1")
    from gateway import hindsight

    return hindsight.replay(options, path, settings)


def _policy(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway import policy_commands

    return policy_commands.run(options, path, settings)


def _keep(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway import upkeep

    return upkeep.run(options, path, settings)


def _assignments(options: argparse.Namespace) -> list[str]:
    """The settings that the command line makes."""
    short = [f"{setting}={word}" for flag, setting in FLAGS.items() if (word := getattr(options, flag, None))]
    return [*options.set, *short]


def _up(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    _import_less()
    from gateway.composition.up import Options, Up
    from gateway.http import address
    from gateway.upgrading import upgrade

    if options.hosts < 1:
        sys.exit("cumulog: --hosts takes a number from 1")
    if options.stop_guests and options.nodes > 1:
        sys.exit("cumulog: --stop-guests is not for --nodes, whose agents are restarted and leave the guests alone")
    directory = Directory(path)

    async def run() -> None:
        host, port = address(options.listen)
        asked = Options(
            host=host,
            port=port,
            driver=options.driver,
            hosts=options.hosts,
            nodes=options.nodes,
            demo=options.demo,
            stop_guests=options.stop_guests,
        )
        if options.nodes == 1:
            await Up(directory, settings, asked).run(_ready)
        else:
            from gateway.composition.many import Many

            passed = [f"--set={setting}" for setting in _assignments(options)]
            await Many(directory, settings, asked, passed).run(_ready)

    directory.open(lambda path, found: upgrade(path, found, settings))
    try:
        return _live(run())
    finally:
        directory.close()


def _alone(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    _import_less()
    from gateway.composition.alone import Alone, Options

    role = options.command
    hosts = tuple(options.host) if role == "agent" else ()
    asked = Options(
        role=role,
        name=options.name or "-".join([role, *hosts[:1]]),
        credentials=options.credentials,
        listen=getattr(options, "listen", ""),
        metrics=options.metrics or "",
        hosts=hosts,
        driver=getattr(options, "driver", "auto"),
    )
    return _live(Alone(Directory(path), settings, asked).run(_ready))


def _credentials(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway.composition import journals

    if (options.role in ("agent", "consumer")) != bool(options.host):
        sys.exit("cumulog: the credentials of an agent are for a HOST, those of a consumer for a NAME")
    if options.role == "consumer":
        return _consumer(options, path, settings)
    if options.project or options.after is not None or options.remove:
        sys.exit("cumulog: --project, --after and --remove are for a consumer")
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = Directory(path)
    if options.role == "accounts":
        print(journals.write_accounts(directory))
    else:
        print(journals.write(directory, options.role, options.host))
    return 0


def _consumer(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway import consumers

    if options.remove:
        asyncio.run(consumers.remove(path, settings, options.host))
    else:
        print(asyncio.run(consumers.add(path, settings, options.host, options.project, options.after)))
    return 0


def _restart(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    from gateway.composition import many

    asyncio.run(many.restart(path))
    return 0


def _schemas(options: argparse.Namespace, path: Path, settings: Settings) -> int:
    import msgspec

    from events import schemas

    made = {"asyncapi": schemas.asyncapi()} if options.format == "asyncapi" else schemas.json_schemas()
    texts = {name: msgspec.json.format(msgspec.json.encode(one)).decode() for name, one in made.items()}
    if options.output is None:
        print(
            texts["asyncapi"]
            if options.format == "asyncapi"
            else msgspec.json.format(msgspec.json.encode(made)).decode()
        )
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (options.output / f"{name}.json").write_text(text + "\n")
    return 0


def _ready(what: str) -> None:
    print(f"ready {what}", flush=True)


def _live(life: Coroutine[Any, Any, None]) -> int:
    """Run a process of the cloud to its end; its exit status."""
    import uvloop

    from events.garbage import seldom
    from gateway.composition.parts import CannotStart

    seldom()
    try:
        uvloop.run(life)
    except CannotStart as fault:
        print(f"cumulog: {fault}", file=sys.stderr)
        return 1
    return 0


def _import_less() -> None:
    """nats-py takes aiohttp along if it is there, for websockets, which the cloud does not use: 0.2 s and 20 MiB."""
    sys.modules.setdefault("aiohttp", cast(ModuleType, None))
