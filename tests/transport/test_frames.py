"""The frame layer: whatever comes, in whatever pieces, it is messages or one protocol error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transport import frames
from app.transport.frames import BINARY, CLOSE, PING, PONG, TEXT, Parser, pack
from tests.transport.peer import frame

LIMIT = 200_000


def feed(*pieces: bytes, limit: int = LIMIT) -> tuple[list[tuple[int, bytes]], int | None]:
    """The messages in these pieces, and the code of the failure behind them."""
    parser = Parser(limit)
    messages = [message for piece in pieces for message in parser.feed(piece)]
    return messages, parser.failure.code if parser.failure else None


sizes = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65535, 65536]))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300).map(str.encode)
frames_sent = st.one_of(
    texts.map(lambda text: frame(TEXT, text)),
    sizes.map(lambda size: frame(BINARY, b"x" * size)),
    st.binary(max_size=125).map(lambda data: frame(PING, data)),
    st.lists(texts, min_size=1, max_size=4).map(
        lambda parts: b"".join(
            frame(TEXT if i == 0 else 0, part, fin=i == len(parts) - 1) for i, part in enumerate(parts)
        )
    ),
)


@given(sent=st.lists(frames_sent, max_size=6).map(b"".join), cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_messages(sent: bytes, cuts: list[int]) -> None:
    pieces, begin = [], 0
    for cut in sorted(cuts):
        pieces.append(sent[begin:cut])
        begin = max(begin, cut)
    pieces.append(sent[begin:])
    assert feed(*pieces) == feed(sent)


@given(sent=st.lists(frames_sent, max_size=3).map(b"".join))
def test_byte_by_byte_gives_the_same_messages(sent: bytes) -> None:
    if len(sent) < 3000:
        assert feed(*(sent[i : i + 1] for i in range(len(sent)))) == feed(sent)


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_garbage_raises_nothing_and_holds_no_more_than_the_limit(pieces: list[bytes]) -> None:
    parser = Parser(100)
    for piece in pieces:
        parser.feed(piece)
    assert len(parser._rest) <= 100 + 14 + 200
    assert parser.failure is None or parser.failure.code in (1002, 1007, 1009)


@given(
    sent=st.lists(frames_sent, min_size=1, max_size=3).map(b"".join), at=st.integers(0, 400), byte=st.integers(0, 255)
)
def test_one_wrong_byte_never_raises(sent: bytes, at: int, byte: int) -> None:
    changed = bytearray(sent)
    changed[at % len(changed)] = byte
    feed(bytes(changed))


@given(payload=st.binary(max_size=300), opcode=st.sampled_from([TEXT, BINARY]))
def test_what_we_pack_is_what_a_parser_reads(payload: bytes, opcode: int) -> None:
    packed = pack(payload, opcode)
    head = 2 if len(payload) < 126 else 4
    masked = bytes((packed[0], packed[1] | 0x80)) + packed[2:head] + bytes(4) + payload
    messages, _ = feed(masked)
    assert messages in ([(opcode, payload)], [])  # [] where a text is not UTF-8


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 70000])
def test_lengths_at_each_width(size: int) -> None:
    assert feed(frame(BINARY, b"x" * size)) == ([(BINARY, b"x" * size)], None)
    assert feed(frame(TEXT, b"x" * size)) == ([(TEXT, b"x" * size)], None)


WRONG: dict[str, tuple[bytes, int]] = {
    "reserved bit": (frame(TEXT, "a", reserved=0x40), 1002),
    "mask missing": (frame(TEXT, "a", masked=False), 1002),
    "opcode 3": (frame(3, "a"), 1002),
    "opcode 11": (frame(11, "a"), 1002),
    "ping over 125 bytes": (frame(PING, b"x" * 126), 1002),
    "close over 125 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "fragmented ping": (frame(PING, "a", fin=False), 1002),
    "continuation of nothing": (frame(0, "a"), 1002),
    "text inside a fragmented message": (frame(TEXT, "a", fin=False) + frame(TEXT, "b"), 1002),
    "binary inside a fragmented message": (frame(TEXT, "a", fin=False) + frame(BINARY, "b"), 1002),
    "length in two bytes that fits in one": (frame(TEXT, "a", size=2), 1002),
    "length in eight bytes that fits in two": (frame(TEXT, "a" * 200, size=8), 1002),
    "negative length": (b"\x81\xff" + b"\xff" * 8, 1002),
    "text that is not UTF-8": (frame(TEXT, b"\xff"), 1007),
    "text with a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text cut inside a character": (frame(TEXT, "ä".encode()[:1]), 1007),
    "fragments cut inside a character": (frame(TEXT, b"\xc3", fin=False) + frame(0, b""), 1007),
    "message too big": (frame(BINARY, b"x" * (LIMIT + 1))[:14], 1009),
    "fragments too big": (frame(BINARY, b"x" * LIMIT, fin=False) + frame(0, b"xx")[:6], 1009),
    "close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with a code nobody may send": (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "close with a code below 1000": (frame(CLOSE, (999).to_bytes(2, "big")), 1002),
    "close with a reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_breaks_the_protocol_fails_with_its_code_after_what_came_before(case: str) -> None:
    data, code = WRONG[case]
    before = frame(TEXT, "before")
    assert feed(before + data + frame(TEXT, "after")) == ([(TEXT, b"before")], code)
    assert feed(*(bytes((byte,)) for byte in before + data)) == ([(TEXT, b"before")], code)


@pytest.mark.parametrize("head", [b"\xc1\x81", b"\x81\x01", b"\x83\x80", b"\x89\xfe", b"\x09\x80", b"\x80\x80"])
def test_two_bytes_are_enough_to_refuse_a_head(head: bytes) -> None:
    assert feed(head) == ([], 1002)


def test_control_frames_come_between_fragments() -> None:
    sent = frame(TEXT, "one ", fin=False) + frame(PING, "p") + frame(PONG, "q") + frame(0, "two")
    assert feed(sent) == ([(PING, b"p"), (PONG, b"q"), (TEXT, b"one two")], None)


def test_a_character_may_be_cut_by_fragments() -> None:
    first, second = "ä".encode()[:1], "ä".encode()[1:]
    assert feed(frame(TEXT, first, fin=False) + frame(0, second)) == ([(TEXT, "ä".encode())], None)


@pytest.mark.parametrize(("sent", "answer"), [(b"", b""), (b"\x03\xe8bye", b"\x03\xe8"), (b"\x0f\xa0", b"\x0f\xa0")])
def test_a_close_is_answered_with_its_code_and_ends_everything(sent: bytes, answer: bytes) -> None:
    assert feed(frame(CLOSE, sent) + frame(TEXT, "after"), frame(TEXT, "later")) == ([(CLOSE, answer)], None)


def test_empty_fragments_are_not_kept() -> None:
    parser = Parser(LIMIT)
    parser.feed(frame(TEXT, "a", fin=False))
    for _ in range(1000):
        parser.feed(frame(0, "", fin=False))
    assert len(parser._parts) == 1
    assert parser.feed(frame(0, "b")) == [(TEXT, b"ab")]


def test_small_pieces_of_a_large_frame_are_not_copied_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    parser, looks = Parser(LIMIT), []
    real = Parser._frames
    monkeypatch.setattr(Parser, "_frames", lambda self, *args: looks.append(1) or real(self, *args))  # type: ignore[func-returns-value]
    data = frame(BINARY, b"x" * 100_000)
    got: list[Any] = []
    for i in range(0, len(data), 10):
        got += parser.feed(data[i : i + 10])
    assert got == [(BINARY, b"x" * 100_000)]
    assert len(looks) < 10


def test_close_codes_are_those_one_may_send() -> None:
    assert {1000, 1011, 3000, 4999} <= frames.CLOSE_CODES
    assert not {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000} & frames.CLOSE_CODES
