"""An index keeps one key for itself and several in order; what many states have alike is one object."""

from __future__ import annotations

from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from events.alike import alike
from events.compute.server_words import Size
from events.index import Index
from events.room import Share

VALUES = st.one_of(st.none(), st.integers(0, 3), st.lists(st.integers(0, 3), unique=True, max_size=3).map(tuple))


@given(st.lists(st.tuples(st.sampled_from("abc"), VALUES), max_size=30))
def test_an_index_says_who_has_a_value(moves: list[tuple[str, Hashable]]) -> None:
    index, state = Index(), dict[str, Hashable]()
    for key, now in moves:
        index.move(key, state.get(key), now)
        state[key] = now
    for value in range(4):
        expected = {k for k, v in state.items() if v == value or (isinstance(v, tuple) and value in v)}
        assert set(index.find(value)) == expected
        assert (value in set(index.values())) == bool(expected)


def test_keys_stand_in_the_order_in_which_they_came() -> None:
    index = Index()
    for key in "cab":
        index.move(key, None, "x")
    index.move("a", "x", "y")
    index.move("a", "y", "x")
    assert list(index.find("x")) == ["c", "b", "a"]


def test_what_equals_is_one_object() -> None:
    sizes = [Size(id="1", name="small", vcpus=1, ram=64, disk=1, extra_specs={"a": "b"}) for _ in range(2)]
    assert alike(sizes[0]) is alike(sizes[1])
    assert alike(sizes[0]) == sizes[1]
    assert alike({"a": "1"}) is not alike({"a": "2"})
    assert Share({"cores": 1}).amounts is Share({"cores": 1}).amounts
