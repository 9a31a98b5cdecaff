"""What a page shows agrees with what a command prints, but for what is new each time."""

from docs.comparison import agrees


def test_times_durations_and_keys_may_differ() -> None:
    assert agrees(
        "at 2026-11-23T06:40:52.294682Z in 0.31 s: key abcd1234 (admin)",
        "at 2026-01-01T00:00:00Z in 2 s: key g4628kak (admin)",
    )


def test_an_ellipsis_stands_for_any_text() -> None:
    assert agrees('{"id":1,"name":"x",\n"total":17.22}', '{"id":1,…"total":17.22}')


def test_anything_else_must_be_the_same() -> None:
    assert not agrees("4 created", "5 created")
    assert not agrees("4 created\nmore", "4 created")
