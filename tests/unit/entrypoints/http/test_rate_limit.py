"""The limit on wrong API keys from one address."""

import pytest

from paymentagg.entrypoints.http.rate_limit import MAX_ADDRESSES, WINDOW, WRONG_KEYS, Limiter


class Clock:
    """A clock that a test sets, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(clock)


def send(limiter: Limiter, times: int, address: str = "192.0.2.1") -> None:
    """Note so many wrong keys from an address."""
    for _ in range(times):
        limiter.note(address)


def test_an_address_is_refused_from_one_wrong_key_on_until_its_window_is_over(limiter: Limiter, clock: Clock) -> None:
    send(limiter, WRONG_KEYS - 1)
    assert limiter.wait("192.0.2.1") == 0
    clock.now += 10
    send(limiter, 1)
    assert limiter.wait("192.0.2.1") == WINDOW - 10
    assert limiter.wait("192.0.2.2") == 0
    clock.now += WINDOW - 10.5
    assert limiter.wait("192.0.2.1") == 1
    clock.now += 0.5
    assert limiter.wait("192.0.2.1") == 0


def test_a_new_window_begins_with_the_next_wrong_key(limiter: Limiter, clock: Clock) -> None:
    send(limiter, WRONG_KEYS)
    clock.now += WINDOW
    send(limiter, WRONG_KEYS - 1)
    assert limiter.wait("192.0.2.1") == 0
    send(limiter, 1)
    assert limiter.wait("192.0.2.1") == WINDOW


def test_the_first_addresses_are_forgotten_when_there_are_too_many(limiter: Limiter) -> None:
    send(limiter, WRONG_KEYS, "first")
    send(limiter, WRONG_KEYS, "second")
    for number in range(MAX_ADDRESSES - 2):
        limiter.note(f"{number}")
    assert limiter.wait("first") == WINDOW
    limiter.note("one more")
    assert limiter.wait("first") == 0
    assert limiter.wait("second") == WINDOW


def test_a_larger_count_of_all_processes_is_taken_over_with_its_window(limiter: Limiter, clock: Clock) -> None:
    send(limiter, 1)
    limiter.take_over("192.0.2.1", WRONG_KEYS, 15)
    assert limiter.wait("192.0.2.1") == WINDOW - 15
    clock.now += WINDOW - 15
    assert limiter.wait("192.0.2.1") == 0


def test_a_smaller_count_of_all_processes_is_not_taken_over(limiter: Limiter) -> None:
    send(limiter, WRONG_KEYS)
    limiter.take_over("192.0.2.1", 1, 15)
    assert limiter.wait("192.0.2.1") == WINDOW


@pytest.mark.parametrize("age", [-1e6, 1e6])
def test_a_clock_of_another_host_makes_no_window_longer_and_fails_nothing(limiter: Limiter, age: float) -> None:
    limiter.take_over("192.0.2.1", WRONG_KEYS, age)
    assert 0 <= limiter.wait("192.0.2.1") <= WINDOW
