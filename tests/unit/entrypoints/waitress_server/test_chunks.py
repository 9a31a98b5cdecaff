"""Decoding chunked bodies, however they are cut into reads."""

import random

import pytest

from paymentagg.entrypoints.waitress_server.bodies import BodyStorage, RequestBody
from paymentagg.entrypoints.waitress_server.chunks import ChunkedReceiver

MAX_HEADER = 100
TEXT = bytes(range(256)) * 40
NEXT = b"GET /patients HTTP/1.1\r\n"


def receiver() -> ChunkedReceiver:
    return ChunkedReceiver(RequestBody(BodyStorage(1 << 20, 1 << 20)), MAX_HEADER)


def chunked(text: bytes, sizes: random.Random, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    parts = []
    while text:
        size = sizes.choice([1, 2, 15, 16, 17, 300])
        part, text = text[:size], text[size:]
        parts.append(b"%x%s\r\n%s\r\n" % (len(part), extension, part))
    return b"".join([*parts, b"0\r\n", trailer, b"\r\n"])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("trailer", [b"", b"A: b\r\n", b"A: b\r\nC: d\r\n"])
def test_a_body_is_decoded_however_it_is_cut(seed: int, trailer: bytes) -> None:
    choices = random.Random(seed)  # noqa: S311  # reproducible
    wire = chunked(TEXT, choices, choices.choice([b"", b";a", b' ;a="b"']), trailer)
    decoder, sent = receiver(), wire + NEXT
    consumed = 0
    while not decoder.completed:
        step = choices.choice([1, 2, 3, 7, 1000])
        consumed += decoder.received(sent[consumed : consumed + step])
        assert decoder.error is None
    assert decoder.getfile().read() == TEXT
    assert sent[consumed:] == NEXT


@pytest.mark.parametrize(
    "wire",
    [
        b"\r\n0\r\n\r\n",
        b"1\r\na\r\n\r\n0\r\n\r\n",
        b"\n0\r\n\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1 \r\n",
        b"1_0\r\n",
        b"1\na\r\n",
        b"1;\x00\r\n",
        b"1;a\rb\r\n",
        b"11111111111111111\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\r\na\rx",
        b"1\r\na0\r\n\r\n",
        b"f" * (MAX_HEADER + 1),
        b"0\r\n" + b"a" * (MAX_HEADER + 1),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_invalid_framing_is_refused_however_it_is_cut(wire: bytes, step: int) -> None:
    decoder = receiver()
    for start in range(0, len(wire), step):
        decoder.received(wire[start : start + step])
        if decoder.error:
            break
    assert decoder.error is not None
    assert not decoder.completed


@pytest.mark.parametrize(
    "wire", [b"", b"1", b"1\r", b"1\r\n", b"1\r\na", b"1\r\na\r", b"0\r\n", b"0\r\n\r", b"0\r\nA: b\r\n"]
)
def test_a_body_that_is_incomplete_is_waited_for(wire: bytes) -> None:
    decoder = receiver()
    assert decoder.received(wire) == len(wire)
    assert (decoder.completed, decoder.error) == (False, None)
