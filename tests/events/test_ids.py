"""Ids are what they are said to be, and no two are the same."""

from __future__ import annotations

from uuid import UUID

from events.ids import is_uuid, new_hex, new_id, new_token


def test_ids_are_random_uuids() -> None:
    for text in (new_id(), new_hex()):
        assert is_uuid(text)
        assert UUID(text).version == 4
    assert str(UUID(text)) == str(UUID(hex=text))
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_tokens_are_short_and_stand_in_subjects_as_they_are() -> None:
    assert {len(new_token()) for _ in range(100)} == {22}
