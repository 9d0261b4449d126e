"""Parts of a cloud as processes of their own, beside a `cumulog up` that has the NATS server."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from types import TracebackType

from tests.contract.clouds import CUMULOG

START = 30  # seconds


class Part:
    """One process: `cumulog gateway`, `handlers` or `agent`."""

    def __init__(self, state: Path, role: str, *arguments: str) -> None:
        self.log = state.parent / f"{role}{len(list(state.parent.glob('*.log')))}.log"
        self.said = ""
        self._command = [str(CUMULOG), role, "--state", str(state), *arguments]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Part:
        self.start()
        try:
            self.ready()
        except BaseException:  # whatever it was, Ctrl-C too: no process is left behind
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: object, trace: TracebackType | None) -> None:
        status = self.stop()
        assert status == 0 or kind is not None, self.log.read_text()
        assert "Traceback" not in self.log.read_text(), self.log.read_text()

    def start(self) -> None:
        with self.log.open("a") as log:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log, text=True)

    def ready(self) -> None:
        """Return once it says so."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("ready "), line + self.log.read_text()
        self.said = line.removeprefix("ready ").strip()

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, number)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(START)
