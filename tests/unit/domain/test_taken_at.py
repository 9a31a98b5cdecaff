"""Parsing the time at which a snapshot was taken."""

from datetime import UTC, datetime, timedelta

import pytest

from paymentagg.domain.taken_at import parse_taken_at

NOW = datetime(2026, 1, 31, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31T18:00:00Z", NOW),
        ("2026-01-31t18:00:00z", NOW),
        ("2026-01-31T19:30:00+01:30", NOW),
        ("2026-01-30T23:00:00-19:00", NOW),
        ("2026-01-31T17:59:59.25Z", NOW - timedelta(seconds=0.75)),
        ("2026-01-31T18:05:00Z", NOW + timedelta(minutes=5)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("2026-01-31T17:59:59.123456789Z", NOW - timedelta(microseconds=876_544)),
        ("2026-01-31T18:00:00." + "0" * 500 + "1+00:00", NOW),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31t15:59:60.5-08:00", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-30T23:59:00-17:59", NOW - timedelta(minutes=2)),
        ("2026-01-31T17:59:00+23:59", datetime(2026, 1, 30, 18, tzinfo=UTC)),
    ],
)
def test_a_time_with_its_zone_is_read_to_the_microsecond(text: str, time: datetime) -> None:
    assert parse_taken_at(text, NOW) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-31T18:00:00",
        "2026-01-31 18:00:00Z",
        "2026-01-31T18:00Z",
        "2026-01-31",
        "2026-02-30T18:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T18:00:00+25:00",
        "2026-01-31T18:00:00+24:00",
        "2026-01-31T18:00:00+00:60",
        "2026-01-31T18:00:00-05:99",
        "2026-01-31T18:00:00.Z",
        "2026-01-31T17:59:61Z",
        "2026-01-31T17:00:60Z",
        "2016-12-31T23:59:60-08:00",
        "9999-12-31T23:59:60Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T18:00:00 01:00",
        "20260131T180000Z",
        "２０２６-01-31T18:00:00Z",
        "2026-01-31T18:00:00Z\n",
        "0001-01-01T00:00:00+23:59",
        "1769882400",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 2026-01-31T18:00:00Z"):
        parse_taken_at(text, NOW)


def test_a_time_in_the_future_is_refused() -> None:
    with pytest.raises(ValueError, match="future"):
        parse_taken_at("2026-01-31T18:05:00.000001Z", NOW)
