"""That these tests leave out no command of identity, of today's client or of Debian 12's."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest

from tests.contract.clients import CLIENTS

HERE = Path(__file__).parent
LIST = """
import json
from importlib.metadata import distributions
points = (point for one in distributions() for point in one.entry_points)
print(json.dumps(sorted({one.name.replace("_", " ") for one in points if one.group == "openstack.identity.v3"})))
"""


def said() -> set[str]:
    """The beginnings of all commands that stand in the tests of this folder."""
    texts = set()
    for file in HERE.glob("test_*_commands.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words = node.value.split()
                texts |= {" ".join(words[:number]) for number in range(1, 5)}
    return texts


@pytest.mark.parametrize("client", ["new", "old"])
def test_every_identity_command_is_run_by_some_test(client: str) -> None:
    python = CLIENTS / client / "bin" / "python"
    listed = subprocess.run([python, "-c", LIST], capture_output=True, text=True, timeout=60, check=True)
    commands = set(json.loads(listed.stdout))
    assert len(commands) > 100
    assert commands - said() == set()
