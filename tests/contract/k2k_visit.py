"""A user of one cloud in another, by keystoneauth's own plug-in; run by a client's own Python. Prints JSON."""

from __future__ import annotations

import json
import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3


def visit(url: str, password: str, provider: str, project: str) -> dict[str, object]:
    """Who they are there, and whether they may list servers."""
    home = v3.Password(
        f"{url}/identity/v3",
        username="admin",
        password=password,
        user_domain_id="default",
        project_name="admin",
        project_domain_id="default",
    )
    abroad = v3.Keystone2Keystone(home, provider, project_name=project, project_domain_name="Default")
    there = session.Session(auth=abroad)
    access = abroad.get_access(there)
    servers = there.get("/servers", endpoint_filter={"service_type": "compute"}).json()
    return {"user": access.username, "roles": sorted(access.role_names), "servers": servers["servers"]}


if __name__ == "__main__":
    print(json.dumps(visit(*sys.argv[1:])))
