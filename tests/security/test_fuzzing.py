"""What nobody thought of: requests made from the OpenAPI document, and events made of anything."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.chat.events import Events
from tests.guest import SECRETS, WAIT, Guest, signed
from tests.web import Web

pytestmark = pytest.mark.slow

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
KINDS = Events.__new__(Events).kinds()
FIELDS = sorted({each.encode_name for kind in KINDS.values() for each in msgspec.structs.fields(kind)})


@pytest.fixture(scope="module", params=["eventlet", "threading"])
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process that was started for this, without models: jobs are refused or skipped."""
    given = {"RATE_LIMIT": "off", "UPLOAD_RATE": "off", "MAX_BACKLOG": "0", "ASYNC_MODE": request.param}
    with Web(tmp_path_factory.mktemp("data"), **given) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The same under AUTH=token."""
    secret = secrets.token_hex(24)
    given = {"RATE_LIMIT": "off", "UPLOAD_RATE": "off", "MAX_BACKLOG": "0", "AUTH": "token", "AUTH_SECRET": secret}
    with Web(tmp_path_factory.mktemp("data"), **given) as running:
        SECRETS[running.url] = secret
        yield running


def fuzz(web: Web, folder: Path, *more: str) -> None:
    """Have schemathesis ask everything that the document describes, and whatever comes to its mind."""
    options = ["--checks", CHECKS, "--max-examples", "40", "--seed", "9", "--no-color", *more]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{web.url}/openapi.json", *options],
        cwd=folder,  # it keeps what it learned where it runs
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert requests.get(f"{web.url}/livez", timeout=WAIT).json() == {"ok": True}


def test_no_request_makes_a_server_error(web: Web, tmp_path: Path) -> None:
    fuzz(web, tmp_path)


def test_no_request_with_a_token_makes_a_server_error(guarded: Web, tmp_path: Path) -> None:
    token = signed(SECRETS[guarded.url], sub="root", role="operator", rooms=["*"])
    fuzz(guarded, tmp_path, "--header", f"Authorization: Bearer {token}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
SENSE = {  # values with which an event gets further than the first look at it
    "room": st.sampled_from(["fuzz", "elsewhere"]),
    "key": st.text("abc_-", min_size=1, max_size=3),
    "text": st.text(min_size=1, max_size=40),
    "task": st.sampled_from(["language", "summarize", "monochrome", "triage", "escalate", "nothing"]),
    "args": st.dictionaries(st.sampled_from(["text", "upload", "x"]), JSON, max_size=2),
    "job": st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=26, max_size=26),
    "after": st.integers(0, 2**63 - 1) | st.text(max_size=30),
    "before": st.integers(0, 2**63 - 1),
    "limit": st.integers(1, 200),
    "on": st.booleans(),
}


def data_of(event: str) -> st.SearchStrategy[Any]:
    """Anything, or the event's own fields with values that make sense more often than not."""
    own = [each.encode_name for each in msgspec.structs.fields(KINDS[event])] if event in KINDS else []
    fitting = st.fixed_dictionaries({name: SENSE.get(name, JSON) | JSON for name in own})
    close = st.fixed_dictionaries({name: SENSE.get(name, JSON) for name in own})
    return close | fitting | st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4) | JSON


NAMES = st.sampled_from(sorted(KINDS)) | st.text(max_size=12).filter(lambda name: name not in ("connect", "disconnect"))
STEPS = st.lists(NAMES.flatmap(lambda name: st.tuples(st.just(name), data_of(name))), min_size=1, max_size=12)


def test_whatever_is_sent_is_answered_and_the_server_lives(web: Web) -> None:
    process = web.process.pid
    fuzzer = Guest(web.url, "Fuzzer")
    fuzzer.join("fuzz")

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS)
    def send(steps: list[tuple[str, Any]]) -> None:
        for event, data in steps:
            fuzzer.call(event, data)  # fails without an ack in the contract's shape
        assert fuzzer.connected

    send()
    fuzzer.close()
    ann = Guest(web.url, "Ann")
    ann.join("fuzz")
    assert ann.say("fuzz", "Chat goes on")["text"] == "Chat goes on"
    ann.close()
    assert web.process.pid == process
    assert web.process.poll() is None


def test_the_log_of_all_this_has_no_traceback(web: Web) -> None:
    text = Path(web.log).read_text(errors="replace")
    assert "web ready" in text
    assert "Traceback" not in text
