"""Kept connections: what becomes of them, and of calls that share a process, on threads and on green threads alike."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

import ml_clients
from ml_clients import connection as connections_module
from ml_clients import files, language, picture, transport
from ml_clients.connection import Answer, NotHttp
from tests.ml_clients.servers import answer, answering, read_request, talking_to

ROOT = Path(__file__).parents[2]
ENGLISH = answer(b'{"language": "en", "confidence": 0.9}')
PNG = b"\x89PNG\r\n\x1a\n"

every_mode = pytest.mark.parametrize("mode", ["threads", "eventlet", "web process"])


def calls(mode: str, *groups: list[dict[str, Any]], scheme: str = "http", **environment: str) -> list[dict[str, Any]]:
    """What these calls came to in a process of their own, in this mode, with the server of `talking_to`."""
    url = f"{scheme}://127.0.0.1:{transport._server.pool.port}"
    ran = subprocess.run(
        [sys.executable, "-m", "tests.ml_clients.caller", mode, url, json.dumps(groups)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    results: list[dict[str, Any]] = json.loads(ran.stdout)
    return results


def by_text(texts: dict[bytes, Callable[[socket.socket], object]]) -> Callable[[socket.socket, int], None]:
    """A server that does with each request what its text says, until the client closes."""

    def handle(connection: socket.socket, number: int) -> None:
        while request := read_request(connection):
            next(do for text, do in texts.items() if text in request)(connection)

    return handle


def drips(head: bytes) -> Callable[[socket.socket], None]:
    def drip(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(400):
            time.sleep(0.05)
            connection.sendall(b"x")

    return drip


@every_mode
def test_calls_at_once_get_their_own_answers_and_leave_no_more_than_one_connection_each(mode: str) -> None:
    words = {bytes([a, b]): answer(b'{"language": "%c%c", "confidence": 1}' % (a, b)) for a in b"abcd" for b in b"wxyz"}
    server = by_text(
        {b"text-" + word: lambda sock, said=said: sock.sendall(said) for word, said in words.items()}  # type: ignore[misc]
    )
    group = [{"text": "text-" + word.decode()} for word in words]
    with talking_to(server) as connections:
        results = calls(mode, group, group, group, group)
    for result in results:
        assert result["answers"] == [word.decode() for word in words]
        assert result["sockets"] <= len(words)
    assert len(connections) <= len(words)


@every_mode
def test_each_kind_of_slowness_ends_at_the_deadline_and_leaves_no_connection(mode: str) -> None:
    server = by_text(
        {
            b"silent": lambda sock: sock.recv(1),
            b"drips a head": drips(b"HTTP/1.1 200 OK\r\nX: "),
            b"drips a body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"),
            b"drips chunks": drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"),
            b"drips early hints": drips(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + b"HTTP/1.1 103 "),
        }
    )
    texts = ["silent", "drips a head", "drips a body", "drips chunks", "drips early hints"]
    with talking_to(server):
        (result,) = calls(mode, [{"text": text, "within": 0.5} for text in texts])
    assert result["answers"] == ["model_timeout"] * 4 + [result["answers"][4]]
    assert result["answers"][4] in ("model_timeout", "model_answer_invalid")  # "103 x" is no HTTP
    assert result["seconds"] < 5
    assert result["sockets"] == 0


@every_mode
def test_a_server_that_reads_slowly_or_not_at_all_is_left_at_the_deadline(mode: str) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(60):
            time.sleep(0.02)
            if number:
                connection.recv(4096)

    with talking_to(handle):
        results = calls(mode, [{"size": 30_000_000, "within": 0.5}], [{"size": 30_000_000, "within": 0.5}])
    for result in results:
        assert result["answers"] == ["model_timeout"]
        assert result["seconds"] < 5
        assert result["sockets"] == 0


@every_mode
def test_connections_that_the_server_closed_are_replaced_unseen(mode: str) -> None:
    """One answer a connection, which is closed without a word: at once, or with the next question."""

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(ENGLISH)
        if number % 2:
            read_request(connection)

    with talking_to(handle) as connections:
        results = calls(mode, *[[{"text": "hello"}]] * 6)
    assert [result["answers"] for result in results] == [["en"]] * 6
    assert connections == [0, 1, 2, 3, 4, 5]
    assert results[-1]["sockets"] <= 1


@every_mode
def test_a_server_started_again_costs_nobody_an_answer(mode: str) -> None:
    at_once = threading.Barrier(4)
    again = threading.Event()

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        if not again.is_set():
            at_once.wait(10)
            again.set()
        connection.sendall(ENGLISH)
        if number >= 4:
            read_request(connection)

    with talking_to(handle):
        results = calls(mode, [{"text": "hello"}] * 4, [{"text": "hello"}] * 4, [{"text": "hello"}])
    assert [result["answers"] for result in results] == [["en"] * 4, ["en"] * 4, ["en"]]
    assert results[1]["sockets"] <= 4


@every_mode
def test_large_bodies_go_both_ways_whole(mode: str) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        while request := read_request(connection):
            body = request.partition(b"\r\n\r\n")[2]
            connection.sendall(answer(PNG + body[:3_000_000] + str(len(body)).encode()))

    with talking_to(handle) as connections:
        results = calls(mode, *[[{"size": 5_000_000}]] * 2)
    expected = (PNG + bytes(3_000_000) + b"5000000").decode("latin-1")
    assert all(result["answers"] == [expected] for result in results)
    assert connections == [0]


@every_mode
def test_a_server_behind_tls_is_asked_over_kept_connections(mode: str, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    def handle(connection: socket.socket, number: int) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            answering(ENGLISH, ENGLISH)(secured, number)

    trust = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    with talking_to(handle) as connections:
        results = calls(mode, *[[{"text": "hello"}]] * 3, scheme="https", **trust)
        assert [result["answers"] for result in results] == [["en"]] * 3
        assert connections == [0, 1]
        (untrusted,) = calls(mode, [{"text": "hello"}], scheme="https")
    assert untrusted["answers"] == ["model_unavailable"]


WEB_PROCESS = 'from app.concurrency import patch; wait = patch("eventlet").wait_readable'


@pytest.mark.parametrize("set_up", ["eventlet.monkey_patch(); wait = None", WEB_PROCESS])
def test_a_green_thread_that_is_killed_leaves_no_half_answer_to_the_next_call(set_up: str) -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(0.5)
        connection.sendall(answer(b'{"language": "de", "confidence": 1}'))

    with talking_to(by_text({b"slow": slow, b"hello": lambda sock: sock.sendall(ENGLISH)})):
        port = str(transport._server.pool.port)
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", KILLED.replace("SET_UP", set_up), port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.stdout.split() == ["en", "en", "0"], ran.stderr


KILLED = """
import sys, eventlet
SET_UP
import ml_clients
from ml_clients import language, transport
ml_clients.configure("http://127.0.0.1:" + sys.argv[1], wait)
print(language.detect("hello")["language"])
call = eventlet.spawn(language.detect, "slow")
eventlet.sleep(0.1)
call.kill()
kept = len(transport._server.pool._idle)
print(language.detect("hello")["language"], kept)
"""


@pytest.mark.parametrize(
    "said",
    [
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n{"lan\r\n23\r\nguage": "en", "confidence": 0.95}  \r\n'
        b"0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ENGLISH,
        b"HTTP/1.1 100 Continue\r\n\r\n" + ENGLISH,
    ],
)
@pytest.mark.parametrize("pieces", [1, 7, 10_000])
def test_an_answer_may_come_in_chunks_after_hints_and_in_any_pieces(said: bytes, pieces: int) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while read_request(connection):
            for start in range(0, len(said), pieces):
                connection.sendall(said[start : start + pieces])
                time.sleep(0.0002)

    with talking_to(handle) as connections:
        assert [language.detect("hello")["language"] for _ in range(2)] == ["en", "en"]
    assert connections == [0]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n"])
def test_an_answer_without_a_length_ends_where_its_connection_ends(head: bytes) -> None:
    with talking_to(answering(head + b'{"language": "en", "confidence": 1}')) as connections:
        assert [language.detect("hello")["language"] for _ in range(2)] == ["en", "en"]
    assert connections == [0, 1]


@pytest.mark.parametrize("headers", [("Connection: close",), ("Connection: keep-alive, close",)])
def test_a_connection_that_the_server_will_close_is_not_kept(headers: tuple[str, ...]) -> None:
    said = answer(b'{"language": "en", "confidence": 1}', "200 OK", *headers)
    with talking_to(answering(said, said)) as connections:
        assert [language.detect("hello")["language"] for _ in range(2)] == ["en", "en"]
    assert connections == [0, 1]


@pytest.mark.parametrize("unasked", [answer(b"{}", "408 Request Timeout"), b"junk", b"HTTP/1.1 "])
@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_what_nobody_asked_for_is_never_taken_for_an_answer(unasked: bytes, delay: float) -> None:
    """Together with the answer or after it: a server says 408 to an idle connection before it closes it."""

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(ENGLISH + (unasked if not delay else b""))
        if delay:
            connection.sendall(unasked)
        read_request(connection)

    with talking_to(handle) as connections:
        assert language.detect("hello")["language"] == "en"
        time.sleep(delay)
        assert language.detect("hello")["language"] == "en"
    assert connections == [0, 1]


def test_a_stale_connection_is_replaced_once_and_by_a_new_one_only() -> None:
    """Every connection but the first closes without an answer: the call fails after one more try."""

    def handle(connection: socket.socket, number: int) -> None:
        if number == 0:
            answering(ENGLISH)(connection, number)
        read_request(connection)

    with talking_to(handle) as connections:
        assert language.detect("hello")["language"] == "en"
        with pytest.raises(ml_clients.ModelUnavailable):
            language.detect("hello again")
    assert connections == [0, 1]


def test_a_kept_connection_that_breaks_in_the_middle_of_an_answer_is_not_tried_again() -> None:
    def handle(connection: socket.socket, number: int) -> None:
        answering(ENGLISH, b"HTTP/1.1 200 OK\r\nContent-Le")(connection, number)

    with talking_to(handle) as connections:
        language.detect("hello")
        with pytest.raises(ml_clients.ModelUnavailable):
            language.detect("hello again")
    assert connections == [0]


def test_an_answer_that_comes_before_the_body_was_read_is_the_answer() -> None:
    def handle(connection: socket.socket, number: int) -> None:
        connection.recv(1000)
        connection.sendall(answer(b"too large", "413 Content Too Large", "Connection: close"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1_000_000):
            pass

    with talking_to(handle), pytest.raises(ml_clients.ModelRefused, match="413"):
        picture.monochrome(bytes(2_000_000))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5f5e0ff\r\n",
    ],
)
def test_an_answer_beyond_the_bound_is_invalid(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(connections_module, "MAX_ANSWER_BYTES", 100_000)

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(bytes(50_000))

    with talking_to(handle), pytest.raises(ml_clients.ModelAnswerInvalid, match="more than 100000 bytes"):
        language.detect("hello")


@pytest.mark.parametrize(
    ("head", "repeated"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1_000),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"x" * 10_000),
    ],
)
def test_headers_without_end_are_left_early(head: bytes, repeated: bytes) -> None:
    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        connection.sendall(head)
        while True:
            connection.sendall(repeated)

    with talking_to(handle), pytest.raises(ml_clients.ModelAnswerInvalid), ml_clients.within(20):
        language.detect("hello")


def test_many_tiny_chunks_are_an_answer() -> None:
    body = b'{"language": "en", "confidence": 1}' + b" " * 60_000
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    with talking_to(answering(said)):
        assert language.detect("hello")["language"] == "en"


def test_idle_connections_are_bounded_in_number_and_age(monkeypatch: pytest.MonkeyPatch) -> None:
    all_here = threading.Barrier(6)

    def handle(connection: socket.socket, number: int) -> None:
        read_request(connection)
        if number < 6:
            all_here.wait(10)
        connection.sendall(ENGLISH)
        answering(ENGLISH, ENGLISH)(connection, number)

    def at_once(times: int) -> None:
        callers = [threading.Thread(target=language.detect, args=("hello",)) for _ in range(times)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    with talking_to(handle):
        idle = transport._server.pool._idle
        monkeypatch.setattr(connections_module, "MAX_IDLE_CONNECTIONS", 4)
        at_once(6)
        assert len(idle) == 4
        monkeypatch.setattr(connections_module, "MAX_IDLE_SECONDS", -1.0)
        language.detect("hello")
        assert len(idle) == 0


def test_a_link_cannot_smuggle_a_request() -> None:
    requests: list[bytes] = []

    def handle(connection: socket.socket, number: int) -> None:
        requests.append(read_request(connection))
        connection.sendall(answer(b"content"))

    with talking_to(handle):
        link = f"http://127.0.0.1:{transport._server.pool.port}/a b\u00e9?x= HTTP/1.1\u2028Host: y"
        assert files.get(link) == b"content"
    assert requests[0].startswith(b"GET /a%20b%C3%A9?x=%20HTTP/1.1%E2%80%A8Host:%20y HTTP/1.1\r\nHost: 127.0.0.1:")


def test_a_name_is_resolved_when_a_connection_is_made_and_at_no_other_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def counted(host: str, *rest: Any, **options: Any) -> Any:
        asked.append(host)
        return resolve(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with talking_to(answering(ENGLISH, ENGLISH, ENGLISH)) as connections:
        ml_clients.configure(f"http://localhost:{transport._server.pool.port}")
        for _ in range(3):
            language.detect("hello")
    assert (asked, connections) == (["localhost"], [0])


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        refused = closed_soon.getsockname()
    with talking_to(answering(ENGLISH)):
        open_ = ("127.0.0.1", transport._server.pool.port)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (refused, open_)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert language.detect("hello")["language"] == "en"


def test_a_name_that_does_not_exist_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", missing)
    with talking_to(answering(ENGLISH)), pytest.raises(ml_clients.ModelUnavailable):
        language.detect("hello")


class Pieces:
    """A socket that gives what it is told to give, piece by piece, and then its end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def settimeout(self, _: float) -> None:
        pass

    def recv(self, _: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def parsed(pieces: list[bytes]) -> tuple[Any, ...]:
    """What becomes of an answer that comes in these pieces: status, body and header, or the class of the error."""
    found = Answer()
    try:
        found.receive(Pieces(pieces), time.monotonic() + 5)  # type: ignore[arg-type]  # all of a socket it uses
    except (ConnectionError, NotHttp) as error:
        return (type(error),)
    return (found.status, found.body, found.retry_after, found.reusable)


LINES = [
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 503 Busy\r\n",
    b"HTTP/1.1 103 Early Hints\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Retry-After: 7\r\n",
    b"Connection: close\r\n",
    b"\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"hello",
]
some_answer = st.lists(st.sampled_from(LINES) | st.binary(max_size=8), min_size=1, max_size=12).map(b"".join)


@given(some_answer, st.lists(st.integers(1, 60), max_size=6))
def test_what_an_answer_means_does_not_depend_on_its_pieces(said: bytes, cuts: list[int]) -> None:
    pieces, rest = [], said
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    whole, cut_up = parsed([said]), parsed([*pieces, rest])
    # What follows a whole answer is seen only where it comes along with it.
    assert whole[:3] == cut_up[:3]
    assert whole == cut_up or cut_up[3]


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://models", "models", 80, "models"),
        ("https://models.example/v2", "models.example", 443, "models.example"),
        ("http://[::1]:5001", "::1", 5001, "[::1]:5001"),
        ("http://user:word@models:80", "models", 80, "models"),
        ("http://b\u00fccher.example", "xn--bcher-kva.example", 80, "xn--bcher-kva.example"),
    ],
)
def test_a_url_becomes_an_address(url: str, host: str, port: int, authority: str) -> None:
    pool = transport.server_at(url).pool
    assert (pool.host, pool.port) == (host, port)
    assert f"\r\nHost: {authority}\r\n" in pool._headers


@pytest.mark.parametrize("url", ["http://a b", "http://models:x", "http://models:99999", "http://" + "a" * 64])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="a model server's URL is like"):
        ml_clients.configure(url)
