"""Whose requests are counted as whose: rates over HTTP, and the addresses of those who come through proxies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from app.web.proxies import Proxied
from tests.guest import WAIT
from tests.web import Web

BURST = 20  # of an address under RATE_LIMIT=1: ten times as much as a connection, and twice that at once
FAR = 60  # requests in a row that are more than anybody may make, however slow this machine is


@pytest.fixture(scope="module", params=["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process behind two proxies."""
    folder = tmp_path_factory.mktemp("web")
    with Web(folder, RATE_LIMIT="1", TRUST_PROXY="2", ASYNC_MODE=request.param) as running:
        yield running


def ask(web: Web, forwarded: str | None, path: str = "/api/tasks") -> requests.Response:
    """One request, as the last proxy hands it over."""
    fields = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return requests.get(web.url + path, headers=fields, timeout=WAIT)


def refusal(web: Web, forwarded: str | None) -> requests.Response:
    """The first answer that is no 200 to whoever asks again and again."""
    for _ in range(FAR * 10):
        answer = ask(web, forwarded)
        if answer.status_code != 200:
            return answer
    raise AssertionError("nobody is ever told to wait")


def test_who_asks_too_often_is_told_how_long_to_wait(web: Web) -> None:
    answer = refusal(web, "10.1.0.1, 10.9.0.1")
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert error["code"] == "rate_limited"
    assert 0 < error["retry_after"] <= 0.1
    assert answer.headers["Retry-After"] == "1"
    assert ask(web, "10.1.0.2, 10.9.0.1").status_code == 200  # who comes through the same proxy from elsewhere


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz", "/static/words.js", "/socket.io/?EIO=4"])
def test_probes_files_and_socket_io_are_not_counted(web: Web, path: str) -> None:
    refusal(web, "10.2.0.1, 10.9.0.1")
    assert {ask(web, "10.2.0.1, 10.9.0.1", path).status_code for _ in range(3)} <= {200, 400}


def test_what_a_client_invents_to_the_left_changes_nothing(web: Web) -> None:
    answer = None
    for number in range(FAR * 10):
        answer = ask(web, f"10.3.{number // 250}.{number % 250}, 10.3.255.1, 10.9.0.1")
        if answer.status_code == 429:
            break
    assert answer is not None
    assert answer.status_code == 429


@pytest.mark.parametrize("malformed", ["10.4.0.{}", "unknown-{}, 10.9.0.1", "10.4.0.{}.9, 10.9.0.1", "'{}, 10.9.0.1"])
def test_headers_that_make_no_sense_count_as_the_peer_itself(web: Web, malformed: str) -> None:
    """Each of them differs from all others, so that nobody would ever be refused if they were believed."""
    statuses = {ask(web, malformed.format(number % 250)).status_code for number in range(FAR * 4)}
    assert statuses == {200, 429}


def shake(web: Web, forwarded: str) -> websocket.WebSocket:
    """A Socket.IO client on a websocket that came through proxies."""
    url = f"{web.url.replace('http', 'ws', 1)}/socket.io/?EIO=4&transport=websocket"
    sock = websocket.create_connection(url, timeout=WAIT, header={"X-Forwarded-For": forwarded})
    sock.recv()
    sock.send('40{"name":"Ann"}')
    assert str(sock.recv()).startswith("40{")
    return sock


def burst(sock: websocket.WebSocket) -> list[bool]:
    """Whether each of two events, all that a connection may send at once, was refused for its rate."""
    refused = []
    for _ in range(2):
        sock.send('427["room:who",{"room":"nowhere"}]')
        refused.append("rate_limited" in str(sock.recv()))
    return refused


def test_websockets_through_proxies_are_counted_by_their_own_address(web: Web) -> None:
    crowd = [shake(web, "10.5.0.1, 10.9.0.1") for _ in range(FAR)]
    assert any(refused for sock in crowd for refused in burst(sock))
    other = shake(web, "10.5.0.2, 10.9.0.1")
    assert burst(other) == [False, False]
    for sock in [*crowd, other]:
        sock.close()


def test_without_proxies_nobody_is_believed(tmp_path: Path) -> None:
    with Web(tmp_path, RATE_LIMIT="1") as web:
        answers = [ask(web, f"10.6.{number // 250}.{number % 250}, 10.9.0.1") for number in range(FAR * 2)]
        assert answers[0].status_code == 200
        assert 429 in {answer.status_code for answer in answers}


def seen(proxies: int, **fields: str) -> tuple[str, str]:
    """Address and scheme that the application sees."""
    environ: dict[str, Any] = {"REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "HTTP_HOST": "own"}
    environ |= {f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in fields.items()}
    Proxied(lambda environ, start_response: [], proxies)(environ, None)
    assert environ["HTTP_HOST"] == "own"
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


@pytest.mark.parametrize(
    ("proxies", "fields", "expected"),
    [
        (0, {"for": "10.0.0.1", "proto": "https"}, ("127.0.0.1", "http")),
        (1, {"for": "10.0.0.1", "proto": "https"}, ("10.0.0.1", "https")),
        (1, {"for": "6.6.6.6, 10.0.0.1", "proto": "http, HTTPS"}, ("10.0.0.1", "https")),
        (2, {"for": "6.6.6.6,10.0.0.1 ,10.0.0.2", "proto": "https,http"}, ("10.0.0.1", "https")),
        (2, {"for": "10.0.0.1", "proto": "https"}, ("127.0.0.1", "http")),
        (1, {"for": "10.0.0.1:50000"}, ("10.0.0.1", "http")),
        (1, {"for": "[2001:db8::1]:50000"}, ("2001:db8::1", "http")),
        (1, {"for": "2001:DB8:0::1"}, ("2001:db8::1", "http")),
        (1, {"for": "10.0.0.1, unknown", "proto": "gopher"}, ("127.0.0.1", "http")),
        (1, {"for": "10.0.0.1,", "host": "evil"}, ("127.0.0.1", "http")),
    ],
)
def test_proxies_are_counted_from_the_right(proxies: int, fields: dict[str, str], expected: tuple[str, str]) -> None:
    assert seen(proxies, **fields) == expected
