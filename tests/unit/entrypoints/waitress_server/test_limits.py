"""The minimum rate of clients."""

from paymentagg.entrypoints.waitress_server.limits import Limits, Pace

LIMITS = Limits(grace=10, pace=100, idle=30)


def test_a_client_may_be_silent_for_the_grace_period_at_first() -> None:
    pace = Pace(LIMITS, now=0)
    assert not pace.is_too_slow(10, 0)
    assert pace.is_too_slow(10.1, 0)


def test_a_client_that_keeps_the_rate_is_never_too_slow() -> None:
    pace = Pace(LIMITS, now=0)
    assert not any(pace.is_too_slow(second, 100 * second) for second in range(1, 10_000))


def test_a_client_below_the_rate_is_too_slow_after_a_while() -> None:
    pace = Pace(LIMITS, now=0)
    late = [second for second in range(1, 200) if pace.is_too_slow(second, 90 * second)]
    assert late[0] == 101


def test_a_fast_start_allows_no_longer_silence_than_the_limit() -> None:
    pace = Pace(LIMITS, now=0)
    assert not pace.is_too_slow(1, 24_000_000)
    assert not pace.is_too_slow(30, 24_000_000)
    assert pace.is_too_slow(31, 24_000_000)
