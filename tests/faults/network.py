"""A network of machines, each a network namespace on one switch, of which any two can be cut from each other."""

from __future__ import annotations

import subprocess
from collections import Counter

from tests.faults.surroundings import need

FIRST, LAST = 1, 250  # third bytes of 10.213.x.0/24


class Network:
    """Made with all its machines; this one is on the switch too."""

    def __init__(self, names: list[str]) -> None:
        need("ip", "nft", "mount", "umount", "gcc")
        self.number = self._switch()
        self._cuts: Counter[frozenset[str]] = Counter()
        self.addresses = {name: f"10.213.{self.number}.{n}" for n, name in enumerate(names, 2)}
        for n, name in enumerate(names, 2):
            self._join(n, self._space(name), self.addresses[name])

    def _switch(self) -> int:
        """Its number, that no other network of this machine has."""
        for number in range(FIRST, LAST):
            made = subprocess.run(["ip", "link", "add", f"cf{number}", "type", "bridge"], capture_output=True)
            if made.returncode == 0:
                _ip("addr", "add", f"10.213.{number}.1/24", "dev", f"cf{number}")
                _ip("link", "set", f"cf{number}", "up")
                return number
        raise AssertionError(f"no bridge can be made: {made.stderr.decode()}")

    def _space(self, name: str) -> str:
        return f"cf{self.number}-{name}"

    def _join(self, n: int, space: str, address: str) -> None:
        near, far = f"cf{self.number}v{n}", "eth0"
        _ip("netns", "add", space)
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", space)
        _ip("link", "set", near, "master", f"cf{self.number}", "up")
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", far)
        _ip("-n", space, "link", "set", far, "up")
        self._nft(space, "add table inet cut")
        for chain in ("input", "output"):
            self._nft(space, f"add set inet cut {chain} {{ type ipv4_addr; }}")
            self._nft(space, f"add chain inet cut {chain} {{ type filter hook {chain} priority 0; }}")
        self._nft(space, "add rule inet cut input ip saddr @input drop")
        self._nft(space, "add rule inet cut output ip daddr @output drop")

    def within(self, name: str) -> tuple[str, ...]:
        """What runs a command on a machine."""
        return ("ip", "netns", "exec", self._space(name))

    def cut(self, one: str, other: str) -> None:
        """Drop everything between two machines, until it is mended as often as it was cut."""
        pair = frozenset((one, other))
        self._cuts[pair] += 1
        if self._cuts[pair] == 1:
            self._change("add", one, other)

    def mend(self, one: str, other: str) -> None:
        pair = frozenset((one, other))
        self._cuts[pair] -= 1
        if self._cuts[pair] == 0:
            self._change("delete", one, other)

    def _change(self, verb: str, one: str, other: str) -> None:
        for near, far in ((one, other), (other, one)):
            for way in ("input", "output"):
                self._nft(self._space(near), f"{verb} element inet cut {way} {{ {self.addresses[far]} }}")

    @staticmethod
    def _nft(space: str, words: str) -> None:
        subprocess.run(["ip", "netns", "exec", space, "nft", words], check=True, capture_output=True)

    def remove(self) -> None:
        for n, name in enumerate(self.addresses, 2):
            _try("ip", "link", "delete", f"cf{self.number}v{n}")
            _try("ip", "netns", "delete", self._space(name))
        _try("ip", "link", "delete", f"cf{self.number}")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _try(*words: str) -> None:
    subprocess.run(words, check=False, capture_output=True)
