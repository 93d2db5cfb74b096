"""What the clients make of servers that are slow, gone, busy or no model servers at all."""

import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest

import ml_clients
from ml_clients import language, picture, sentiment, summary, transport, triage
from ml_clients.transport import DEFAULT_URL
from tests.ml_clients.servers import answer, answering, read_request, talking_to

ENGLISH = answer(b'{"language": "en", "confidence": 0.9}')


def test_an_answer_comes_back_as_it_was_given() -> None:
    with talking_to(answering(ENGLISH)):
        assert language.detect("hello") == {"language": "en", "confidence": 0.9}


def test_a_connection_is_used_again() -> None:
    with talking_to(answering(ENGLISH, ENGLISH, ENGLISH)) as connections:
        for _ in range(3):
            language.detect("hello")
        assert connections == [0]


def test_many_callers_at_once_get_a_connection_each() -> None:
    all_here = threading.Barrier(5)

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        all_here.wait(timeout=10)  # nobody is answered before everybody has asked
        connection.sendall(ENGLISH)

    with talking_to(handle):
        callers = [threading.Thread(target=language.detect, args=("hello",)) for _ in range(4)]
        for caller in callers:
            caller.start()
        assert language.detect("hello")["language"] == "en"
        for caller in callers:
            caller.join()


def test_in_a_patched_process_calls_overlap_and_each_green_thread_has_its_own_deadline() -> None:
    all_here = threading.Barrier(3)

    def handle(connection: socket.socket, number: int) -> None:
        if b"late" in read_request(connection):
            connection.recv(1)  # until the client gives up
            return
        all_here.wait(timeout=10)  # nobody is answered before all three have asked
        connection.sendall(ENGLISH)

    with talking_to(handle):
        port = str(transport._server.pool.port)
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", GREEN, port], capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.stdout.split() == ["model_timeout", "en", "en", "en"], ran.stderr


GREEN = """
import sys, eventlet
eventlet.monkey_patch()
import ml_clients
from ml_clients import language
ml_clients.configure("http://127.0.0.1:" + sys.argv[1])

def call(text, seconds):
    try:
        with ml_clients.within(seconds):
            return language.detect(text)["language"]
    except ml_clients.ModelError as error:
        return error.code

calls = [eventlet.spawn(call, "late", 0.3)] + [eventlet.spawn(call, "hello", 20) for _ in range(3)]
print(*[one.wait() for one in calls])
"""


def test_a_refused_connection_is_unavailable_and_worth_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    ml_clients.configure(f"http://127.0.0.1:{port}")
    with pytest.raises(ml_clients.ModelUnavailable) as caught:
        language.detect("hello")
    ml_clients.configure(DEFAULT_URL)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == ("model_unavailable", True, None)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_cannot_answer_now_is_unavailable(status: int) -> None:
    with talking_to(answering(answer(b"later", f"{status} X"))), pytest.raises(ml_clients.ModelUnavailable) as caught:
        language.detect("hello")
    assert caught.value.retryable


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("-3", None)])
def test_retry_after_is_passed_on_when_it_makes_sense(header: str, seconds: float | None) -> None:
    busy = answer(b"{}", "503 Service Unavailable", f"Retry-After: {header}")
    with talking_to(answering(busy)), pytest.raises(ml_clients.ModelUnavailable) as caught:
        language.detect("hello")
    assert caught.value.retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    busy = answer(b"{}", "429 Too Many Requests", f"Retry-After: {formatdate(time.time() + 3600, usegmt=True)}")
    with talking_to(answering(busy)), pytest.raises(ml_clients.ModelUnavailable) as caught:
        language.detect("hello")
    assert caught.value.retry_after is not None
    assert 3000 < caught.value.retry_after <= 3600


@pytest.mark.parametrize("status", [400, 401, 404, 413, 415, 422])
def test_other_client_errors_are_refusals_for_good(status: int) -> None:
    with talking_to(answering(answer(b"no", f"{status} X"))), pytest.raises(ml_clients.ModelRefused) as caught:
        language.detect("hello")
    assert (caught.value.code, caught.value.retryable) == ("model_refused", False)
    assert str(status) in str(caught.value)


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        answer(b"<html>hello</html>"),
        answer(b"[1, 2]"),
        answer(b'{"language": "en"}'),
        answer(b'{"language": "English", "confidence": 0.9}'),
        answer(b'{"language": "en", "confidence": 7}'),
        answer(b'{"language": "en", "confidence": NaN}'),
        answer(b"\xff\xfe"),
        answer(b"", "302 Found", "Location: http://127.0.0.1/"),
    ],
)
def test_what_is_no_answer_of_a_model_is_invalid(garbage: bytes) -> None:
    with talking_to(answering(garbage)), pytest.raises(ml_clients.ModelAnswerInvalid) as caught:
        language.detect("hello")
    assert (caught.value.code, caught.value.retryable) == ("model_answer_invalid", False)


def test_every_client_checks_what_it_gets() -> None:
    wrong = answer(b'{"urgency": "soon", "label": "fine", "score": 2, "lines": [1]}')
    with talking_to(answering(wrong, wrong, wrong, wrong)):
        with pytest.raises(ml_clients.ModelAnswerInvalid):
            triage.classify("hello")
        with pytest.raises(ml_clients.ModelAnswerInvalid):
            sentiment.score("hello")
        with pytest.raises(ml_clients.ModelAnswerInvalid):
            summary.summarize([{"sender": "Ann", "text": "hello"}])
        with pytest.raises(ml_clients.ModelAnswerInvalid):
            picture.monochrome(b"GIF89a")


def test_a_server_that_never_answers_is_left_at_the_deadline() -> None:
    ended = threading.Event()

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        ended.wait(20)

    with talking_to(handle):
        with pytest.raises(ml_clients.ModelTimeout) as caught, ml_clients.within(0.2):
            language.detect("hello")
        ended.set()
    assert (caught.value.code, caught.value.retryable) == ("model_timeout", True)


@pytest.mark.parametrize("drop", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"])
def test_a_server_that_answers_in_drops_is_left_at_the_deadline_too(drop: bytes) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(drop)
        for _ in range(400):  # each drop well inside the deadline, all of them far beyond it
            time.sleep(0.05)
            connection.sendall(b"x")

    with talking_to(handle), pytest.raises(ml_clients.ModelTimeout), ml_clients.within(0.3):
        language.detect("hello")


def test_a_server_that_does_not_read_is_left_at_the_deadline_too() -> None:
    ended = threading.Event()

    def handle(connection: socket.socket, number: int) -> None:
        ended.wait(20)

    with talking_to(handle):
        with pytest.raises(ml_clients.ModelTimeout), ml_clients.within(0.3):
            picture.monochrome(bytes(50_000_000))
        ended.set()


def test_the_deadline_counts_over_all_calls_inside_and_an_inner_one_cannot_lengthen_it() -> None:
    with talking_to(answering(ENGLISH)) as connections:
        with ml_clients.within(0), ml_clients.within(10), pytest.raises(ml_clients.ModelTimeout):
            language.detect("hello")
        assert connections == []
        with ml_clients.within(10):
            assert language.detect("hello")["language"] == "en"


def test_a_deadline_is_of_its_own_thread_only() -> None:
    answers: list[str] = []
    with talking_to(answering(ENGLISH)), ml_clients.within(0):
        other = threading.Thread(target=lambda: answers.append(language.detect("hello")["language"]))
        other.start()
        other.join()
    assert answers == ["en"]


def test_a_kept_connection_closed_under_our_hands_is_replaced_unseen() -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(ENGLISH)
        read_request(connection)  # the first connection takes the second question and closes without a word

    with talking_to(handle) as connections:
        assert language.detect("hello")["language"] == "en"
        assert language.detect("hello again")["language"] == "en"
        assert connections == [0, 1]


def test_a_fresh_connection_closed_without_an_answer_is_not_tried_again() -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)

    with talking_to(handle) as connections:
        with pytest.raises(ml_clients.ModelUnavailable):
            language.detect("hello")
        assert connections == [0]


def test_an_answer_cut_off_in_the_middle_is_unavailable() -> None:
    with (
        talking_to(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")),
        pytest.raises(ml_clients.ModelUnavailable),
    ):
        language.detect("hello")


def test_a_base_path_is_kept() -> None:
    paths: list[bytes] = []

    def handle(connection: socket.socket, number: int) -> None:
        paths.append(read_request(connection).split()[1])
        connection.sendall(ENGLISH)

    with talking_to(handle):
        ml_clients.configure(f"http://127.0.0.1:{transport._server.pool.port}/models/")
        language.detect("hello")
    assert paths == [b"/models/v1/language"]


@pytest.mark.parametrize("url", ["", "localhost:5001", "ftp://models", "http://", "http://[::1"])
def test_a_wrong_url_is_refused_with_a_sentence_that_names_it(url: str) -> None:
    with pytest.raises(ValueError, match="a model server's URL is like"):
        ml_clients.configure(url)
