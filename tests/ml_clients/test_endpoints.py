"""Bad input for every endpoint, and how the process starts and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import pytest
import urllib3

from tests.ml_clients.conftest import ROOT

TEXT_ENDPOINTS = [f"/v1/{name}" for name in ("triage", "language", "sentiment", "redact", "doses", "suggest")]
DATED = {"at": "2026-03-02T09:30:00+01:00", "zone": "Europe/Berlin"}
ANY_TEXT = [
    *("x", "a" * 8192, "😀" * 8192, "\u0000\u0007", " ", "\n", "but " * 2048, "!?" * 4000, "é" * 8192, "中" * 8192),
    *(
        "1 " * 4096,
        "1" * 8192,
        "1-" * 4096,
        "a@" * 4096,
        "may 1 " * 1365,
        "monday " * 1170,
        "0 x" * 2730,
        "in a " * 1638,
        "born 99.99.9999 " * 512,
        "@" + "jan" * 2730,
        "1,111," * 1365,
        "a@b.co " * 1170,
    ),
    *(
        "9" * 400 + " mg",
        "9" * 400 + "/1 mg",
        "1/0 tablet",
        "1 tablet\u017f",
        "1 p\u0131ll",
        "\u017fix tablets",
        "tomorrow at half past 30",
        "half past \u017fix tomorrow",
        "quarter to 999 tomorrow",
    ),
]
http = urllib3.PoolManager(retries=False)


def post(url: str, body: bytes) -> tuple[int, Any]:
    response = http.request("POST", url, body=body)
    return response.status, json.loads(response.data)


@pytest.mark.parametrize("path", TEXT_ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"{}",
        b'{"text": 5}',
        b'{"text": null}',
        b'{"text": ""}',
        b'{"text": "hi", "lang": "en"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\xff"}',
        b'{"text": "hi"',
        b"[" * 100_000,
        json.dumps({"text": "x" * 8193}).encode(),
    ],
)
def test_a_wrong_question_is_refused_with_a_reason(model_server: str, path: str, body: bytes) -> None:
    status, answer = post(model_server + path, body)
    assert status == 400
    assert answer["error"]["code"] == "bad_request"
    assert answer["error"]["message"]


@pytest.mark.parametrize("path", TEXT_ENDPOINTS)
@pytest.mark.parametrize("text", ANY_TEXT)
def test_any_text_of_the_chat_gets_an_answer(model_server: str, path: str, text: str) -> None:
    assert post(model_server + path, json.dumps({"text": text}).encode())[0] == 200


@pytest.mark.parametrize("text", ANY_TEXT)
def test_moments_are_looked_for_in_any_text(model_server: str, text: str) -> None:
    assert post(f"{model_server}/v1/appointment", json.dumps({"text": text, **DATED}).encode())[0] == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": "yesterday"},
        {"at": 5},
        {"at": "2026-03-02T09:30:00"},
        {"zone": "Mars/Olympus"},
        {"zone": "../etc/passwd"},
        {"zone": ""},
        {"zone": "Europe"},
        {"text": ""},
        {"year": 2026},
    ],
)
def test_a_moment_needs_a_time_and_a_zone(model_server: str, wrong: dict[str, Any]) -> None:
    asked = {"text": "tomorrow at 10", **DATED, **wrong}
    status, answer = post(f"{model_server}/v1/appointment", json.dumps(asked).encode())
    assert (status, answer["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("path", ["/v1/thumbnail", "/v1/barcode"])
@pytest.mark.parametrize("body", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_what_is_no_picture_is_refused(model_server: str, path: str, body: bytes) -> None:
    status, answer = post(model_server + path, body)
    assert (status, answer["error"]["code"]) == (400, "bad_picture")


@pytest.mark.parametrize("path", ["/v1/ocr", "/v1/transcribe"])
def test_extras_are_there_only_where_they_are_asked_for(model_server: str, path: str) -> None:
    assert post(model_server + path, b"")[0] == 404


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"messages": {}}',
        b'{"messages": ["hi"]}',
        b'{"messages": [{"sender": "Ann"}]}',
        b'{"messages": [{"sender": 1, "text": "hi"}]}',
        b'{"messages": [{"sender": "Ann", "text": "hi", "at": 1}]}',
        json.dumps({"messages": [{"sender": "A", "text": "hi"}] * 1001}).encode(),
    ],
)
def test_a_wrong_conversation_is_refused_with_a_reason(model_server: str, body: bytes) -> None:
    status, answer = post(model_server + "/v1/summary", body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    ("path", "size"),
    [(path, 130_000 + 2000) for path in TEXT_ENDPOINTS] + [("/v1/summary", 2_100_000), ("/v1/monochrome", 34_000_000)],
)
def test_a_request_over_its_bound_is_413(model_server: str, path: str, size: int) -> None:
    status, answer = post(model_server + path, b" " * size)
    assert (status, answer["error"]["code"]) == (413, "too_large")


def test_what_is_not_there_is_said_in_the_same_form(model_server: str) -> None:
    assert post(model_server + "/v1/nothing", b"{}")[1]["error"]["code"] == "not_found"
    assert post(model_server + "/livez", b"{}")[1]["error"]["code"] == "method_not_allowed"


def test_livez_answers_once_the_models_are_there(model_server: str) -> None:
    assert http.request("GET", model_server + "/livez").status == 200


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_server_says_when_it_is_ready_runs_niced_and_stops_without_a_word(stop: signal.Signals) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "ml_clients.embedded", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    assert server.stdout.readline().startswith("model server ready http://127.0.0.1:")
    assert os.getpriority(os.PRIO_PROCESS, server.pid) >= 10
    server.send_signal(stop)
    out, err = server.communicate(timeout=20)
    assert (server.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_ends_the_start_with_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = subprocess.run(
            [sys.executable, "-m", "ml_clients.embedded", "--port", str(taken.getsockname()[1])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 1
    assert ran.stderr.startswith("model server cannot start: ")
    assert ran.stderr.count("\n") == 1
