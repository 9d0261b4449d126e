"""`clouds.yaml`: how OpenStack's clients find the cloud.

Source: openstacksdk user guide, "Configuring OpenStack SDK Applications".

Written by hand: the file is ours, its values are quoted as JSON, which YAML reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from gateway.composition.directory import Directory

FILE = "clouds.yaml"
PEOPLE = {"cumulog": ("admin", "admin"), "demo": ("demo", "demo")}  # cloud -> user, project


class Clouds:
    """The file in the state directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def password(self, cloud: str) -> str | None:
        """The password that stands there for one of the clouds."""
        file = self._directory.path / FILE
        if not file.exists():
            return None
        found = re.search(rf"^  {cloud}:\n(?:    .*\n)*?      password: (\".*\")$", file.read_text(), re.MULTILINE)
        return str(json.loads(found[1])) if found else None

    def url(self) -> str | None:
        """The cloud's URL that stands there."""
        file = self._directory.path / FILE
        found = re.search(r'auth_url: "(.*)/identity/v3"', file.read_text()) if file.exists() else None
        return found[1] if found else None

    def write(self, url: str, region: str, passwords: Mapping[str, str]) -> None:
        """Write the entries of these clouds; another that stands there stays."""
        kept = {name: word for name in PEOPLE if (word := self.password(name)) is not None}
        lines = ["clouds:"]
        for cloud, password in {**kept, **passwords}.items():
            user, project = PEOPLE[cloud]
            lines += [
                f"  {cloud}:",
                f"    region_name: {json.dumps(region)}",
                "    auth:",
                f"      auth_url: {json.dumps(url + '/identity/v3')}",
                f"      username: {user}",
                f"      project_name: {project}",
                "      user_domain_id: default",
                "      project_domain_id: default",
                f"      password: {json.dumps(password)}",
            ]
        self._directory.write_private(FILE, "\n".join(lines) + "\n")
