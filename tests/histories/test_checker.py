"""The checker: it accepts what a register can have answered, and nothing else."""

from __future__ import annotations

from itertools import chain, combinations, permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.histories.checker import NEVER, Kind, Operation, step, violation


def op(kind: Kind, value: str | None, call: float, answer: float, done: bool = True) -> Operation:
    return Operation(kind, value, done, call, answer)


GOOD: dict[str, list[Operation]] = {
    "nothing": [],
    "one after the other": [op("create", "a", 0, 1), op("show", "a", 2, 3), op("delete", None, 4, 5)],
    "shown before and after a write at the same time": [
        op("create", "a", 0, 1),
        op("update", "b", 2, 9),
        op("show", "a", 3, 4),
        op("show", "b", 5, 6),
    ],
    "a lost answer that took effect": [op("create", "a", 0, 1), op("update", "b", 2, NEVER), op("show", "b", 3, 4)],
    "a lost answer that took effect late": [
        op("create", "a", 0, 1),
        op("update", "b", 2, NEVER),
        op("show", "a", 3, 4),
        op("show", "b", 50, 51),
    ],
    "a lost answer that never took effect": [
        op("create", "a", 0, 1),
        op("delete", None, 2, NEVER),
        op("show", "a", 3, 4),
    ],
    "made by a write, deleted twice by writes": [
        op("write", "a", 0, 1),
        op("show", "a", 2, 3),
        op("write", None, 4, 5),
        op("write", None, 6, 7),
        op("write", None, 8, 9, done=False),
        op("show", None, 10, 11),
    ],
    "refused after a deletion": [
        op("create", "a", 0, 1),
        op("delete", None, 2, 3),
        op("update", "b", 4, 5, done=False),
        op("show", None, 6, 7),
    ],
}
BAD: dict[str, list[Operation]] = {
    "a stale read": [op("create", "a", 0, 1), op("update", "b", 2, 3), op("show", "a", 4, 5)],
    "a lost update": [op("create", "a", 0, 1), op("update", "b", 2, 3), op("update", "c", 4, 5), op("show", "b", 6, 7)],
    "a value of nobody": [op("create", "a", 0, 1), op("show", "z", 2, 3)],
    "back and forth": [
        op("create", "a", 0, 1),
        op("update", "b", 2, 9),
        op("show", "b", 3, 4),
        op("show", "a", 5, 6),
    ],
    "not yet made": [op("create", "a", 0, 1), op("show", None, 2, 3)],
    "risen from the dead": [op("create", "a", 0, 1), op("delete", None, 2, 3), op("show", "a", 4, 5)],
    "refused though it is there": [op("create", "a", 0, 1), op("update", "b", 2, 3, done=False)],
    "deleted twice": [op("create", "a", 0, 1), op("delete", None, 2, 3), op("delete", None, 4, 5)],
    "not written though it is there": [op("write", "a", 0, 1), op("write", None, 2, 3, done=False)],
    "there after it was written off": [op("write", "a", 0, 1), op("write", None, 2, 3), op("show", "a", 4, 5)],
    "an effect before its cause": [op("create", "a", 0, 1), op("show", "b", 2, 3), op("update", "b", 4, NEVER)],
}


@pytest.mark.parametrize("name", GOOD)
def test_it_accepts(name: str) -> None:
    assert violation(GOOD[name]) is None


@pytest.mark.parametrize("name", BAD)
def test_it_catches(name: str) -> None:
    assert "find no place" in (violation(BAD[name]) or "")


def possible(history: list[Operation]) -> bool:
    """By trying every order of every subset."""
    sure = [one for one in history if one.sure]
    unsure = [one for one in history if not one.sure]
    for some in chain.from_iterable(combinations(unsure, n) for n in range(len(unsure) + 1)):
        for order in permutations([*sure, *some]):
            if all(order[i].call <= order[j].answer for i in range(len(order)) for j in range(i + 1, len(order))):
                value: str | None = None
                for one in order:
                    fits, value = step(one, value)
                    if not fits:
                        break
                else:
                    return True
    return False


@st.composite
def histories(draw: st.DrawFn) -> list[Operation]:
    """Up to six operations, of which any may overlap, with answers of all kinds."""
    count = draw(st.integers(1, 6))
    moments = draw(st.permutations(range(2 * count)))
    found = []
    for i in range(count):
        call, answer = sorted(moments[2 * i : 2 * i + 2])
        kind: Kind = draw(st.sampled_from(["create", "update", "update", "write", "delete", "show", "show"]))
        value = draw(st.sampled_from(["a", "b"])) if kind in ("create", "update") else None
        if kind == "write":
            value = draw(st.sampled_from(["a", "b", None]))
        done = True
        if kind == "show":
            value = draw(st.sampled_from(["a", "b", None]))
        elif draw(st.integers(0, 3)) == 0:
            done = False
        lost = kind != "show" and draw(st.integers(0, 4)) == 0
        found.append(Operation(kind, value, done, call, NEVER if lost else answer))
    return found


@settings(max_examples=600, deadline=None)
@given(histories())
def test_it_says_what_trying_everything_says(history: list[Operation]) -> None:
    assert (violation(history) is None) == possible(history)


def lived(seed: int, clients: int = 5, each: int = 40) -> list[Operation]:
    """What clients of a real register would be told: each operation happens at a moment between call and answer."""
    random = Random(seed)
    moments: list[tuple[float, float, float, Kind, str | None]] = []
    for client in range(clients):
        now = random.random()
        for n in range(each):
            call, takes = now, random.expovariate(5)
            kind: Kind = random.choice(("update", "update", "show", "show", "show", "delete", "create"))
            value = f"{client}-{n}" if kind in ("create", "update") else None
            moments.append((call + takes * random.random(), call, call + takes, kind, value))
            now = call + takes + random.expovariate(10)
    history, register = [], None
    for _, call, answer, kind, value in sorted(moments):
        probe = Operation(kind, register if kind == "show" else value, True, call, answer)
        fits, after = step(probe, register)
        lost = kind != "show" and random.random() < 0.05
        history.append(probe._replace(done=fits, answer=NEVER if lost else answer))
        register = after if fits else register
    return history


@pytest.mark.parametrize("seed", range(10))
def test_a_long_history_of_a_real_register_is_accepted_and_with_one_lie_in_it_is_not(seed: int) -> None:
    history = lived(seed)
    assert violation(history) is None
    random = Random(seed)
    shown = [i for i, one in enumerate(history) if one.kind == "show" and one.value is not None]
    lie = random.choice(shown[len(shown) // 2 :])
    old = [one.value for one in history if one.kind == "update" and one.answer < history[lie].call - 3][:1]
    assert old
    history[lie] = history[lie]._replace(value=old[0])
    assert violation(history) is not None
