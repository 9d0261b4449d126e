"""An index of the fold: the keys that have a value, in the order in which they came to it.

Most values have one key - an address, a device - so that one key stands for itself; a dict for each would take 200
bytes more, and of a server's parts half a dozen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any


class Index:
    """Keys by value."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        self._keys: dict[Any, str | dict[str, None]] = {}

    def find(self, value: Any) -> Collection[str]:
        """The keys that have it."""
        keys = self._keys.get(value)
        return () if keys is None else (keys,) if isinstance(keys, str) else keys.keys()

    def values(self) -> Iterator[Any]:
        """The values that are had."""
        return iter(self._keys)

    def move(self, key: str, was: Any, now: Any) -> None:
        """Have `key` under other values. Those of a tuple stand one by one, None not at all; what stays is left."""
        old: Sequence[Any] = was if isinstance(was, tuple) else () if was is None else (was,)
        new: Sequence[Any] = now if isinstance(now, tuple) else () if now is None else (now,)
        if len(old) > 1 or len(new) > 1:
            stays = set(old).intersection(new)
            old, new = [one for one in old if one not in stays], [one for one in new if one not in stays]
        for value in old:
            self._remove(value, key)
        for value in new:
            self._add(value, key)

    def _add(self, value: Any, key: str) -> None:
        keys = self._keys.setdefault(value, key)
        if isinstance(keys, dict):
            keys[key] = None
        elif keys != key:
            self._keys[value] = {keys: None, key: None}

    def _remove(self, value: Any, key: str) -> None:
        keys = self._keys[value]
        if isinstance(keys, dict):
            keys.pop(key, None)
            if not keys:
                del self._keys[value]
        elif keys == key:
            del self._keys[value]
