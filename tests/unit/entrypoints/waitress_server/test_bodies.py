"""The space for bodies: bounded in memory and on disk, for all requests together."""

import pytest

from paymentagg.entrypoints.waitress_server.bodies import IN_MEMORY, BodyStorage, RequestBody

PART = b"x" * (IN_MEMORY // 4)


def test_a_small_body_is_kept_in_memory_and_a_large_one_on_disk() -> None:
    storage = BodyStorage(10 * IN_MEMORY, 10 * IN_MEMORY)
    body = RequestBody(storage)
    for parts in range(1, 5):
        body.append(PART)
        assert (storage.free_memory, storage.free_disk) == (10 * IN_MEMORY - parts * len(PART), 10 * IN_MEMORY)
    body.append(b"y")
    assert (storage.free_memory, storage.free_disk) == (10 * IN_MEMORY, 9 * IN_MEMORY - 1)
    assert body.getfile().read() == 4 * PART + b"y"
    assert len(body) == IN_MEMORY + 1
    body.close()


def test_bodies_that_are_small_take_a_bounded_amount_of_memory_together() -> None:
    storage = BodyStorage(2 * len(PART), 10 * IN_MEMORY)
    bodies = [RequestBody(storage) for _ in range(6)]
    for body in bodies:
        body.append(PART)
    assert (storage.free_memory, storage.free_disk) == (0, 10 * IN_MEMORY - 4 * len(PART))
    for body in bodies:
        assert body.getfile().read() == PART
        body.close()


def test_a_body_is_refused_when_all_of_the_disk_space_is_taken() -> None:
    storage = BodyStorage(0, len(PART))
    first, second = RequestBody(storage), RequestBody(storage)
    first.append(PART)
    second.append(b"y")
    assert first.error is None
    assert second.error is not None
    assert second.error.code == 429
    second.append(b"y")
    second.close()
    assert storage.free_disk == 0
    first.close()
    assert storage.free_disk == len(PART)


@pytest.mark.parametrize("memory", [0, IN_MEMORY])
def test_closing_gives_the_space_back_once(memory: int) -> None:
    storage = BodyStorage(memory, IN_MEMORY)
    body = RequestBody(storage)
    body.append(PART)
    for _ in range(2):
        body.close()
        assert (storage.free_memory, storage.free_disk) == (memory, IN_MEMORY)
    body.append(PART)  # the event loop may still append while a worker closes it
    assert (storage.free_memory, storage.free_disk) == (memory, IN_MEMORY)
