"""The client of a language model, against servers that speak the protocol in every way that was seen, and badly."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_clients import (
    ModelAnswerInvalid,
    ModelError,
    ModelRefused,
    ModelTimeout,
    ModelUnavailable,
    Stop,
    llm,
    stoppable,
    within,
)
from ml_clients.events import Events, LineTooLong
from tests.ml_clients.servers import Handler, answer, read_request, talking_to

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ASKED: list[llm.Message] = [{"role": "user", "content": "Hello?"}]


def said(content: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk as OpenAI has it."""
    delta = {} if content is None else {"content": content}
    return {"choices": [{"index": 0, "delta": delta | more, "finish_reason": finish}]}


def event(chunk: Any) -> bytes:
    """A chunk on its line."""
    return b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n"


def chunked(data: bytes) -> bytes:
    """The same as a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def streaming(*parts: bytes, end: bytes = b"0\r\n\r\n", pause: float = 0.0, hold: bool = False) -> Handler:
    """A server that streams these bytes one after the other; `hold`: and then says nothing more."""

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(HEAD)
        for part in parts:
            connection.sendall(chunked(part))
            time.sleep(pause)
        if hold:
            connection.recv(1)
        else:
            connection.sendall(end)

    return handle


def plain(data: bytes) -> Handler:
    """A server that answers with these bytes."""

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(data)

    return handle


def heard(handle: Handler, seconds: float = 20) -> tuple[str, llm.Usage]:
    """The text and the usage that the client makes of it."""
    with talking_to(handle), within(seconds):
        pieces, text = llm.answer(ASKED, 100), ""
        while True:
            try:
                text += next(pieces)
            except StopIteration as ended:
                return text, ended.value


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
DONE = b"data: [DONE]\n\n"
GOOD = event(said("Good ")) + event(said("morning")) + event(said(finish="stop"))


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([GOOD, event({"choices": [], "usage": USAGE}), DONE], id="a last chunk with empty choices"),
        pytest.param([GOOD, event({"choices": None, "usage": USAGE}), DONE], id="a last chunk with null choices"),
        pytest.param([GOOD, event({"usage": USAGE}), DONE], id="a last chunk without choices"),
        pytest.param([bytes([byte]) for byte in GOOD + event({"usage": USAGE}) + DONE], id="half lines"),
        pytest.param([b": keep-alive\n\n", b":\n\n", GOOD, b": x\n", event({"usage": USAGE}), DONE], id="comments"),
        pytest.param([(GOOD + event({"usage": USAGE}) + DONE).replace(b"\n", b"\r\n")], id="CRLF"),
        pytest.param([(GOOD + event({"usage": USAGE}) + DONE).replace(b"\n", b"\r")], id="CR"),
        pytest.param([b"event: message\nid: 7\nretry: 10\n", GOOD, event({"usage": USAGE}), DONE], id="other fields"),
        pytest.param([GOOD, event({"usage": USAGE})], id="no [DONE]"),
        pytest.param([GOOD, event({"usage": USAGE}).rstrip()], id="no last empty line"),
        pytest.param([event(said(None, role="assistant")), GOOD, event({"usage": USAGE})], id="a role first"),
        pytest.param([event(said("")), event({"choices": [{"delta": None}]}), GOOD, event({"usage": USAGE})], id="null delta"),
        pytest.param(
            [event(said(None, reasoning_content="Hm. ")), event(said(None, reasoning="Hm.")), GOOD, event({"usage": USAGE})],
            id="thoughts that come apart",
        ),
    ],
)  # fmt: skip
def test_an_answer_is_read_however_it_is_sent(parts: list[bytes]) -> None:
    assert heard(streaming(*parts)) == ("Good morning", USAGE)


def test_one_that_does_not_stream_is_understood_too() -> None:
    whole = {"choices": [{"message": {"content": "Good morning"}, "finish_reason": "stop"}], "usage": USAGE}
    assert heard(plain(answer(json.dumps(whole).encode()))) == ("Good morning", USAGE)


def test_a_body_without_length_ends_with_the_connection() -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + GOOD)

    assert heard(handle) == ("Good morning", {})


def test_halves_of_a_pair_in_two_chunks_are_handed_on() -> None:
    parts = [
        event(b'{"choices":[{"delta":{"content":"\\ud83d"}}]}'),
        event(b'{"choices":[{"delta":{"content":"\\ude00"}}]}'),
    ]
    text, _ = heard(streaming(*parts, event(said(finish="stop"))))
    assert text == "\ud83d\ude00"  # app/jobs/streamed.py makes one code point of them


def test_it_is_asked_as_openai_would_be() -> None:
    requests: list[bytes] = []

    def handle(connection: socket.socket, number: int) -> None:
        requests.append(read_request(connection))
        connection.sendall(HEAD + chunked(GOOD) + b"0\r\n\r\n")

    heard(handle)
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer a-key\r\n" in head
    assert b"\r\nConnection: close\r\n" in head
    assert json.loads(body) == {
        "model": "a-model", "messages": ASKED, "max_tokens": 100, "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("handle", "error", "words"),
    [
        (streaming(event(said("Go")), event({"error": {"message": "overloaded"}})), ModelUnavailable, "overloaded"),
        (streaming(event({"error": {"message": "too long", "code": 400}})), ModelRefused, "too long"),
        (streaming(event({"error": "plain words"})), ModelUnavailable, "plain words"),
        (streaming(event(said("Go"))), ModelUnavailable, "stopped in the middle"),
        (streaming(event(said("Go")), end=b""), ModelUnavailable, "middle of its answer"),
        (streaming(event(b"{half")), ModelAnswerInvalid, "no JSON"),
        (streaming(event(b"[1]")), ModelAnswerInvalid, "no object"),
        (streaming(b"data: " + b"x" * (1 << 20) + b"x" * 9), ModelAnswerInvalid, "a line of the stream"),
        (streaming(event(said(finish="stop")), DONE), ModelAnswerInvalid, "answered nothing"),
        (streaming(DONE), ModelAnswerInvalid, "answered nothing"),
        (streaming(), ModelUnavailable, "stopped in the middle"),
        (lambda sock, _: sock.close(), ModelUnavailable, "cannot be reached"),
        (plain(b"SSH-2.0\r\n"), ModelAnswerInvalid, "no HTTP"),
        (plain(answer(b"no", "401 No")), ModelRefused, "answered 401: no"),
        (plain(answer(b"", "503 No")), ModelUnavailable, "answered 503"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_clear_error(handle: Handler, error: type[ModelError], words: str) -> None:
    with pytest.raises(error, match=words):
        heard(handle)


def test_a_server_that_has_too_much_to_do_says_when_to_come_again() -> None:
    busy = answer(b"slow down", "429 Too Many Requests", "Retry-After: 7")
    with pytest.raises(ModelUnavailable) as refused:
        heard(plain(busy))
    assert refused.value.retry_after == 7
    assert refused.value.retryable


def silent(connection: socket.socket, number: int) -> None:
    """Takes the question and says nothing."""
    read_request(connection)
    connection.recv(1)


def alive(connection: socket.socket, number: int) -> None:
    """Keeps the connection alive, and never says a word."""
    read_request(connection)
    connection.sendall(HEAD)
    while True:
        connection.sendall(chunked(b": keep-alive\n\n"))
        time.sleep(0.05)


def slow_for_ever(connection: socket.socket, number: int) -> None:
    """One character at a time, and no end."""
    read_request(connection)
    connection.sendall(HEAD)
    while True:
        connection.sendall(chunked(event(said("a"))))
        time.sleep(0.05)


@pytest.mark.parametrize("handle", [silent, alive, slow_for_ever, streaming(event(said("Go")), hold=True)])
def test_a_server_that_hangs_is_left_at_the_deadline(handle: Handler) -> None:
    with pytest.raises(ModelTimeout):
        heard(handle, seconds=0.5)


@pytest.mark.parametrize(
    ("handle", "bound"),
    [(silent, "FIRST_SECONDS"), (alive, "FIRST_SECONDS"), (streaming(event(said("Go")), hold=True), "BETWEEN_SECONDS")],
)
def test_the_model_must_give_a_sign_now_and_then(monkeypatch: pytest.MonkeyPatch, handle: Handler, bound: str) -> None:
    monkeypatch.setattr(llm, bound, 0.3)
    before = time.monotonic()
    with pytest.raises(ModelTimeout):
        heard(handle, seconds=600)
    assert time.monotonic() - before < 60  # not the whole time of the call


def test_one_that_keeps_the_connection_when_it_is_done_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm, "AFTER_SECONDS", 0.2)
    assert heard(streaming(GOOD, hold=True), seconds=600)[0] == "Good morning"


@pytest.mark.parametrize("handle", [silent, alive, slow_for_ever, streaming(event(said("Go")), hold=True)])
def test_a_call_that_is_stopped_ends_at_once_and_its_server_sees_that(handle: Handler) -> None:
    stop, gone = Stop(), threading.Event()

    def watched(connection: socket.socket, number: int) -> None:
        try:
            handle(connection, number)
        finally:
            gone.set()

    with talking_to(watched), within(600), stoppable(stop):
        threading.Timer(0.3, stop.now).start()
        before = time.monotonic()
        with pytest.raises(ModelError):
            list(llm.answer(ASKED, 100))
        assert gone.wait(60)
        assert time.monotonic() - before < 60  # not the whole time of the call


def test_one_that_was_stopped_before_asks_nobody() -> None:
    stop = Stop()
    stop.now()
    with talking_to(silent), within(600), stoppable(stop), pytest.raises(ModelUnavailable):
        list(llm.answer(ASKED, 100))


def test_without_a_model_it_says_what_to_set() -> None:
    with pytest.raises(ModelRefused, match="set LLM_URL"):
        list(llm.answer(ASKED, 100))


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), max_size=5), st.data())
def test_events_do_not_depend_on_how_the_stream_was_cut(texts: list[str], data: st.DataObject) -> None:
    stream = b"".join(b"data: %b\n\n" % text.encode() for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    ends = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    parts = [stream[a:b].replace(b"\n", ends) for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events, found = Events(), list[bytes]()
    for part in parts:
        found += events.feed(part)
    found += events.rest()
    assert [each.decode() for each in found] == texts


def test_a_line_without_end_is_given_up() -> None:
    events = Events()
    for _ in range(16):
        list(events.feed(b"x" * 65536))
    with pytest.raises(LineTooLong):
        list(events.feed(b"x"))


def test_the_estimate_of_tokens_is_on_the_safe_side() -> None:
    assert llm.tokens("") < llm.tokens("Good morning") < llm.tokens("Guten Morgen, Großmütterchen")
