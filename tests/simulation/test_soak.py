"""The soak goes on where it was stopped, and begins anew for other code."""

from __future__ import annotations

from pathlib import Path

from tests.simulation.soak import CODE, Done, digest


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    done = Done(tmp_path / "soak" / "x.jsonl")
    done.add(3, "")
    done.add(4, "it went wrong")
    with (tmp_path / "soak" / "x.jsonl").open("a") as file:
        file.write('\n{"seed": 5, "to')  # it was stopped here
    assert Done(tmp_path / "soak" / "x.jsonl").told == {3: "", 4: "it went wrong"}


def test_other_code_begins_anew(tmp_path: Path) -> None:
    for folder in CODE:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("a = 1\n")
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    (tmp_path / CODE[0] / "a.py").write_text("a = 2\n")
    assert digest(tmp_path) != before
