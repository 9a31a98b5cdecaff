"""How a value that was rejected is shown."""

import json

import pytest

from paymentagg.domain.text import MAX_SHOWN, shown


@pytest.mark.parametrize(
    "text", ["", "12,50", " 5 ", "Zoë \U0001f600", "'; DROP TABLE", "\u00a0", "\\", '"', "x" * 100]
)
def test_a_text_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\x00b\n", "a\\u0000b\\u000a"),
        ("\x7f\x85", "\\u007f\\u0085"),
        ("\ud800x", "\\ud800x"),
        ("\uffff\U0001fffe", "\\uffff\\ud83f\\udffe"),
    ],
)
def test_what_no_text_may_contain_is_escaped_as_in_json(text: str, escaped: str) -> None:
    assert shown(text) == escaped
    assert json.loads(f'"{escaped}"') == text


@pytest.mark.parametrize("text", ["x" * 101, "é" * 1000, "\x00" * 17, "x" * 95 + "\x00", "\x00" * 100_000])
def test_a_longer_text_is_clipped_and_ends_in_an_ellipsis(text: str) -> None:
    clipped = shown(text)
    assert len(clipped) == MAX_SHOWN
    assert clipped.endswith("…")
