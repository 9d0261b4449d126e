"""What a cloud has promised: every acknowledged write, and what each thing may look like by all that was asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Thing:
    """A resource that was acknowledged."""

    def __init__(self, url: str, kind: str, name: str, birth: int) -> None:
        self.url = url
        self.kind = kind
        self.name = name  # the first one
        self.birth = birth  # the cloud's life in which it was acknowledged
        self.names = {name}  # those that it may have now
        self.unsure: set[str] = set()  # those that were asked for and neither acknowledged nor refused
        self.digest = ""  # of its bytes, once they were acknowledged
        self.digests: set[str] = set()  # of all that were sent
        self.writer = False  # somebody is about to rename it
        self.going = False  # its deletion was asked for
        self.gone = False  # and acknowledged


class Promises:
    """What was acknowledged, and what the answers in the meantime were."""

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.answers: Counter[str] = Counter()  # method and status, or the name of what went wrong
        self.lies: list[str] = []  # answers that are never honest

    def made(self, url: str, kind: str, name: str, birth: int) -> Thing:
        thing = self.things[url] = Thing(url, kind, name, birth)
        return thing

    def lie(self, what: str) -> None:
        self.lies.append(what)

    def living(self, kind: str) -> list[Thing]:
        """Those whose deletion nobody asked for."""
        return [thing for thing in self.things.values() if thing.kind == kind and not thing.going]

    def judge(self, thing: Thing, status: int, found: dict[str, Any] | None, names: set[str], gone: bool) -> str:
        """What is wrong with a thing that was found so.

        When the question was asked it might have had one of `names`, and its deletion was acknowledged if `gone`.
        """
        if status == 404:
            return "" if thing.going else f"{thing.url} was made in life {thing.birth}, and is not found"
        if gone:
            return f"{thing.url} was deleted, and answers {status}"
        if found is not None and found["name"] not in names | thing.names | thing.unsure:
            return f"{thing.url} is named {found['name']}, not {sorted(thing.names)}"
        return ""
