"""OpenStack's own clients, as `tools/install-clients` installed them: today's and Debian 12's."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".cache" / "clients"


_OUR_MISTAKE = re.compile(r"(?<![\w.-])500(?![\w-])")  # as a status, not as a part of an id


class Ran(Struct, frozen=True):
    """A command that has ended."""

    status: int
    out: str
    err: str


class Commands:
    """The `openstack` command of one release: a process that has loaded it."""

    def __init__(self, name: str, scratch: Path) -> None:
        self.name = name
        self.python = CLIENTS / name / "bin" / "python"
        assert self.python.exists(), f"the {name} client is not installed: run tools/install-clients"
        self._scratch = scratch
        self._server = subprocess.Popen(
            [str(self.python), str(Path(__file__).with_name("command_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(60)  # it may not have loaded everything yet
        self._server.stdout.close()

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Ran:
        """Run `openstack ARGUMENTS` in an environment."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        files = {stream: str(self._scratch / f"{self.name}.{stream}") for stream in ("out", "err")}
        asked = {"arguments": list(arguments), "environment": dict(environment), **files}
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        status = int(self._server.stdout.readline())
        return Ran(status, *(Path(file).read_text() for file in files.values()))


class Client:
    """The `openstack` command of one release, as one user of a cloud."""

    def __init__(self, commands: Commands, environment: Mapping[str, str]) -> None:
        self.name = commands.name
        self.python = commands.python
        self.environment = dict(environment)
        self._commands = commands

    def run(self, *arguments: str, as_: Mapping[str, str] | None = None) -> Ran:
        """Run `openstack ARGUMENTS`; with `as_` in another environment, such as another user's."""
        return self._commands.run(arguments, {**self.environment, **(as_ or {})})

    def __call__(self, command: str, *arguments: str, as_: Mapping[str, str] | None = None) -> str:
        """What `openstack COMMAND ARGUMENTS` prints. The command must succeed."""
        ran = self.run(*command.split(), *arguments, as_=as_)
        shown = " ".join((command, *arguments))
        assert ran.status == 0, f"{self.name} client: openstack {shown}: {ran.status}\n{ran.out}{ran.err}"
        return ran.out.strip()

    def json(self, command: str, *arguments: str, as_: Mapping[str, str] | None = None) -> Any:
        """What the command says with `-f json`."""
        return json.loads(self(command, *arguments, "-f", "json", as_=as_))

    def refused(self, command: str, *arguments: str, as_: Mapping[str, str] | None = None) -> str:
        """What the command says on failing. It must fail, and not by a traceback."""
        ran = self.run(*command.split(), *arguments, as_=as_)
        shown = " ".join((command, *arguments))
        assert ran.status != 0, f"{self.name} client: openstack {shown} was not refused: {ran.out}"
        assert "Traceback" not in ran.err
        assert _OUR_MISTAKE.search(ran.err) is None, ran.err
        return ran.out + ran.err

    def python_run(self, script: Path, *arguments: str) -> Any:
        """What a script prints as JSON, run by the client's Python, which has its openstacksdk."""
        ended = subprocess.run(
            [str(self.python), str(script), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)
