"""The unmodified `openstack` command, run many times over: loaded once, forked for each command.

Run by a client's own Python. A line in, `{"arguments": […], "environment": {…}, "out": FILE, "err": FILE}`; a line out,
the command's exit status. Each command is a process of its own, so that none learns from the one before.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from typing import Any

from openstackclient.shell import main

PATIENCE = 100  # seconds that one command may take


def run(asked: dict[str, Any]) -> int:
    """Run one command in a child; its exit status, or minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        for stream, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(asked[stream], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(asked["environment"])
        os._exit(_call(asked["arguments"]))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _call(arguments: list[str]) -> int:
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 2
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status or 0


def load() -> None:
    """Import every plugin, so that a command finds them there."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):  # its end
        main(["complete"])


if __name__ == "__main__":
    load()
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)
