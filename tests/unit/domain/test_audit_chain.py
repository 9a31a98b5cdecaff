"""The chain of the audit log: any change to its lines is detected."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paymentagg.domain.audit_chain import Chain, Event, Finding, Outcome, linked

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(number: int = 0) -> Event:
    return Event(NOW, f"request {number}", None, "admin", "127.0.0.1", "GET", "/patients", Outcome.OK)


def log(count: int) -> list[bytes]:
    lines: list[bytes] = []
    for number in range(count):
        lines.append(linked(event(number), Chain(*lines).head))
    return lines


def findings(lines: list[bytes]) -> list[Finding]:
    chain = Chain()
    return [chain.add(line) for line in lines]


LOG = log(6)


def test_unaltered_lines_follow_one_another() -> None:
    assert findings(LOG) == [Finding.FOLLOWS] * 6
    assert [json.loads(line)["previous"] for line in LOG] == [None, *(Chain(*LOG[:end]).head for end in range(1, 6))]


def test_a_chain_may_continue_an_earlier_file_that_is_missing() -> None:
    chain = Chain(*LOG[2:])
    assert chain.first is not None
    assert chain.first.previous == Chain(*LOG[:2]).head
    assert chain.head == Chain(*LOG).head


@given(st.integers(0, 4), st.data())
def test_a_changed_byte_is_detected_in_its_line_or_the_next(place: int, data: st.DataObject) -> None:
    line = bytearray(LOG[place])
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 255))
    changed = [*LOG[:place], bytes(line), *LOG[place + 1 :]]
    assert Finding.BROKEN in findings(changed)[place : place + 2]


@pytest.mark.parametrize("place", range(1, 5))
def test_a_missing_repeated_or_added_line_is_detected(place: int) -> None:
    assert Finding.BROKEN in findings(LOG[:place] + LOG[place + 1 :])
    assert Finding.BROKEN in findings(LOG[:place] + LOG[place - 1 :])
    assert Finding.BROKEN in findings([*LOG[:place], linked(event(9), Chain(*LOG[:place]).head), *LOG[place:]])
    assert Finding.BROKEN in findings([*LOG[:place], b"", *LOG[place:]])
    assert Finding.BROKEN in findings([*LOG[:place], *log(2), *LOG[place:]])


@given(st.integers(0, 4), st.data())
def test_the_chain_continues_after_torn_lines_and_covers_them(place: int, data: st.DataObject) -> None:
    torn = [LOG[place][: data.draw(st.integers(0, len(LOG[place]) - 1))] for _ in range(data.draw(st.integers(1, 3)))]
    lines = [*LOG[:place], *torn]
    lines.append(linked(event(), Chain(*lines).head))
    assert findings(lines) == [Finding.FOLLOWS] * place + [Finding.TORN] * len(torn) + [Finding.FOLLOWS]
    other = [*lines[:-2], lines[-2] + b" ", lines[-1]]
    assert findings(other)[-1] is Finding.BROKEN  # the chain covers torn lines
    if place:
        before = lines[: place - 1]
        other = [*before, linked(event(7), Chain(*before).head), *lines[place:]]
        assert findings(other)[-1] is Finding.BROKEN  # and the lines before them


def test_an_empty_chain_has_no_head() -> None:
    assert Chain().head is None
