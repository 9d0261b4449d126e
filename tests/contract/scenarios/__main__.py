"""Records what a cloud answers to scenarios."""

from __future__ import annotations

import sys
import time

import httpx
import msgspec

from tests.contract.scenarios import HERE, begin, message, read, send, shape
from tests.steps import Step


def login(url: str, password: str) -> httpx.Client:
    """The cloud's HTTP as its admin."""
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    identity = {"methods": ["password"], "password": {"user": user}}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    http = httpx.Client(base_url=url, timeout=60)
    answer = httpx.post(
        f"{url}/identity/v3/auth/tokens", json={"auth": {"identity": identity, "scope": scope}}, timeout=60
    )
    http.headers["X-Auth-Token"] = answer.raise_for_status().headers["X-Subject-Token"]
    return http


def record(http: httpx.Client, steps: list[Step]) -> None:
    """Have each step say what this cloud answers."""
    names = begin()
    for step in steps:
        if step.path.endswith("/auth/tokens"):
            time.sleep(1.1)  # its tokens know whole seconds only: one of the second of a new password is void
        answer = send(http, step, names)
        step.status, step.message, step.shape = answer.status_code, message(answer, names), shape(answer)


def main() -> None:
    url, password, *files = sys.argv[1:]
    with login(url, password) as http:
        for name in files:
            steps = read(name)
            record(http, steps)
            lines = ",\n".join(msgspec.json.encode(step).decode() for step in steps)
            (HERE / f"{name}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
