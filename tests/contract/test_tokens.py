"""AUTH=token from outside: who is let in, what they hear, and what they may ask for over HTTP."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from joserfc import jwt
from joserfc.jwk import ECKey

from app.compare.system import System
from tests.guest import SECRETS, WAIT, Guest, Raw, signed
from tests.https import Handing
from tests.lossless.evidence import until
from tests.web import Web

Come = Callable[..., Guest]
OPERATORS = [
    ("GET", "/api/jobs"),
    ("GET", "/api/operator"),
    ("GET", "/api/operator/jobs/0123"),
    ("GET", "/api/live"),
    ("GET", "/api/dead-letters"),
    ("GET", "/api/dead-letters/0123456789"),
    ("POST", "/api/dead-letters/0123456789/replay"),
    ("DELETE", "/api/dead-letters/0123456789"),
    ("PUT", "/api/flags/triage"),
    ("DELETE", "/api/flags/triage"),
]
ANYBODY = [("GET", "/api/tasks"), ("GET", "/api/flags")]


@pytest.fixture(
    scope="module", params=["threading with tokens", pytest.param("eventlet with tokens", marks=pytest.mark.slow)]
)
def running(request: pytest.FixtureRequest, systems: Callable[[str], System]) -> System:
    """A system that asks for tokens, on each concurrency library."""
    return systems(request.param)


def bearer(running: System, **claims: Any) -> str:
    """A token of Ada, who may be in `clinic-*`, unless the claims say otherwise."""
    return signed(SECRETS[running.url], **{"sub": "ada", "name": "Ada", "rooms": ["clinic-*"], **claims})


def ask(running: System, method: str, path: str, token: str | None, **more: Any) -> requests.Response:
    """A request with this token."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    return requests.request(method, running.url + path, headers=headers, timeout=WAIT, **more)


def refusal(url: str, auth: Any) -> dict[str, Any]:
    """The error of a connect that must be refused."""
    bare = Raw(url, auth)
    bare.close()
    assert bare.answer.startswith("44{"), bare.answer
    error: dict[str, Any] = json.loads(bare.answer[2:])["data"]
    return error


@pytest.fixture
def clinic(room: str) -> str:
    """A room that Ada may enter."""
    return f"clinic-{room}"


@pytest.mark.parametrize(
    "auth",
    [
        None,
        {},
        {"name": "Ann"},
        {"token": None},
        {"token": 7},
        {"token": "junk"},
        {"token": "x" * 20_000},
        {"token": signed("another secret of 32 bytes or more", sub="ada")},
        {"token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJleHAiOjQxMDI0NDQ4MDB9."},
    ],
)
def test_a_bad_token_is_refused_with_one_line_that_does_not_have_it(running: System, auth: Any) -> None:
    before = len(running.log.read_text())
    given = auth.get("token") if isinstance(auth, dict) else None
    error = refusal(running.url, auth if auth is not None else [])
    assert error["code"] == "unauthorized"

    def lines() -> list[str]:
        new = re.sub("\x1b\\[[0-9;]*m", "", running.log.read_text()[before:])
        return [line for line in new.splitlines() if "connection refused" in line]

    until(lines, "nobody waits for the line to be written")
    assert len(lines()) == 1
    if isinstance(given, str) and len(given) > 10:
        assert given[:20] not in lines()[0] + error["message"]


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1}, "expired"),
        ({"nbf": 4102444800}, "not valid yet"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
        ({"aud": "somebody else"}, "aud"),
        ({"role": "god"}, "role"),
        ({"rooms": "clinic"}, "rooms"),
    ],
)
def test_a_signed_token_is_refused_all_the_same_where_it_says_what_it_must_not(
    running: System, claims: dict[str, Any], words: str
) -> None:
    error = refusal(running.url, {"token": bearer(running, **claims)})
    assert (error["code"], error["field"]) == ("unauthorized", "token")
    assert words in error["message"]


@pytest.mark.parametrize("extra", [{"name": "Ann"}, {"id": "ann"}])
def test_beside_a_token_nobody_says_who_they_are(running: System, extra: dict[str, str]) -> None:
    error = refusal(running.url, {"token": bearer(running), **extra})
    assert (error["code"], error["field"]) == ("bad_request", *extra)


def test_a_token_says_who_speaks_and_where(running: System, guests: Come, clinic: str, room: str) -> None:
    ada = guests(running.url, token=bearer(running))
    ada.join(clinic)
    assert ada.say(clinic, "Good morning")["sender"] == {"id": "ada", "name": "Ada"}
    refused = ada.refused("room:join", {"room": room})
    assert (refused["code"], refused["field"]) == ("forbidden", "room")
    assert ada.refused("message:send", {"room": room, "key": "k", "text": "Hello"})["code"] == "not_in_room"


def test_a_new_token_holds_at_once(running: System, guests: Come, clinic: str) -> None:
    watcher, ada = guests(running.url, "Ben"), guests(running.url, token=bearer(running, rooms=["clinic-*", "other"]))
    watcher.join(clinic)
    for name in (clinic, "other"):
        ada.join(name)
    expires = int(time.time()) + 500
    renewed = ada.ok("auth:renew", {"token": bearer(running, name="Ada L.", rooms=["clinic-*"], exp=expires)})
    assert (renewed["exp"], renewed["rooms"]) == (expires, ["clinic-*"])
    assert ada.saw("room:removed") == {"room": "other"}
    assert ada.refused("message:send", {"room": "other", "key": "k", "text": "Hello"})["code"] == "not_in_room"
    assert ada.say(clinic, "Still here")["sender"]["name"] == "Ada L."
    watcher.wait(
        lambda seen: [event for _, event in seen if {"id": "ada", "name": "Ada L."} in event.get("joined", [])]
    )


def test_a_room_that_was_lost_is_not_heard_any_more(running: System, guests: Come, clinic: str) -> None:
    watcher, ada = guests(running.url, "Ben"), guests(running.url, token=bearer(running))
    for guest in (watcher, ada):
        guest.join(clinic)
    ada.ok("auth:renew", {"token": bearer(running, rooms=[])})
    seq = watcher.say(clinic, "Is she gone?")["seq"]
    watcher.saw("message:new", seq=seq)
    ada.refused("room:join", {"room": clinic})  # whatever was sent to her before is here by now
    assert not ada.all("message:new", seq=seq)


@pytest.mark.parametrize(("claims", "code"), [({"sub": "eve"}, "forbidden"), ({"exp": 1}, "unauthorized")])
def test_a_token_of_somebody_else_or_none_renews_nothing(
    running: System, guests: Come, clinic: str, claims: dict[str, Any], code: str
) -> None:
    ada = guests(running.url, token=bearer(running))
    ada.join(clinic)
    refused = ada.refused("auth:renew", {"token": bearer(running, **claims)})
    assert (refused["code"], refused["field"]) == (code, "token")
    assert ada.say(clinic, "As before")["sender"]["name"] == "Ada"


def test_the_end_is_told_before_and_enforced_after(running: System, guests: Come) -> None:
    soon = guests(running.url, token=bearer(running, exp=int(time.time()) + 50))
    assert 0 < soon.saw("auth:expiring")["seconds"] <= 50
    over = guests(running.url, token=bearer(running, exp=int(time.time()) - 26))  # good for 30 s after its end
    assert over.saw("auth:expiring")["seconds"] == 0
    until(lambda: not over.connected, "the connection ends with its token")
    assert soon.connected


def test_with_a_new_token_a_connection_outlives_the_old_one(running: System, guests: Come, clinic: str) -> None:
    ada = guests(running.url, token=bearer(running, exp=int(time.time()) - 26))
    ada.saw("auth:expiring")
    ada.ok("auth:renew", {"token": bearer(running)})
    over = guests(running.url, token=bearer(running, sub="eve", exp=int(time.time()) - 26))
    until(lambda: not over.connected, "the connection ends with its token")
    ada.join(clinic)


def test_under_open_there_is_no_token_to_renew(system: System, guests: Come) -> None:
    refused = guests(system.url, "Ann").refused("auth:renew", {"token": "x"})
    assert (refused["code"], refused["field"]) == ("bad_request", "token")


@pytest.mark.parametrize(
    ("method", "path"), [*OPERATORS, *ANYBODY, ("GET", "/api/jobs/0123"), ("POST", "/api/uploads")]
)
def test_a_request_without_a_good_token_is_unauthorized(running: System, method: str, path: str) -> None:
    for token in (None, "junk", bearer(running, exp=1)):
        answer = ask(running, method, path, token)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized"), (token, answer.text)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), OPERATORS)
def test_what_operators_do_is_for_operators(running: System, method: str, path: str) -> None:
    for role in ("member", "staff", "service"):
        answer = ask(running, method, path, bearer(running, role=role, rooms=["*"]))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert ask(running, method, path, bearer(running, role="operator", rooms=[])).status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path"), ANYBODY)
def test_tasks_and_flags_are_for_everybody_with_a_token(running: System, method: str, path: str) -> None:
    assert ask(running, method, path, bearer(running)).status_code == 200


def test_the_path_of_a_room_is_for_those_who_may_enter_it(running: System) -> None:
    assert ask(running, "GET", "/api/flags?room=clinic-1", bearer(running)).status_code == 200
    assert ask(running, "GET", "/api/flags?room=lobby", bearer(running)).status_code == 403


def test_a_job_of_another_room_is_not_there(running: System, guests: Come, clinic: str) -> None:
    ada = guests(running.url, token=bearer(running))
    ada.join(clinic)
    job = ada.ask(clinic, "language", text="Good morning")["id"]
    ada.final(job)
    assert ask(running, "GET", f"/api/jobs/{job}", bearer(running)).json()["id"] == job
    assert ask(running, "GET", f"/api/jobs/{job}", bearer(running, rooms=["lobby"])).status_code == 404


def test_an_image_is_for_a_room_that_one_may_enter(running: System, clinic: str) -> None:
    def send(room: str) -> tuple[int, str]:
        answer = ask(running, "POST", "/api/uploads", bearer(running), data={"room": room}, files={"file": b"x"})
        return answer.status_code, answer.json()["error"]["code"]

    assert send("lobby") == (403, "forbidden")
    assert send(clinic) == (400, "bad_request")  # it is let in, and it is no image


@pytest.mark.parametrize("page", ["/", "/operator", "/livez", "/readyz", "/metrics"])
def test_pages_and_probes_need_no_token_and_pages_show_nothing(running: System, page: str) -> None:
    answer = requests.get(running.url + page, timeout=WAIT)
    assert answer.status_code == 200


class Handed:
    """Keys at an https address, which change while a web process runs that reads them there."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.authority))
        self.keys: list[ECKey] = [ECKey.generate_key("P-256")]
        self.server = Handing(authority.issue_cert("127.0.0.1"), self._content)

    def _content(self) -> bytes:
        entries = [{**key.as_dict(private=False), "kid": key.thumbprint()} for key in self.keys]
        return json.dumps({"keys": entries}).encode()

    def token(self, key: ECKey) -> str:
        """A token signed with it."""
        claims = {"sub": "ada", "rooms": ["clinic"], "exp": time.time() + 600}
        return jwt.encode({"alg": "ES256", "kid": key.thumbprint()}, claims, key)


@pytest.fixture(params=["eventlet", pytest.param("threading", marks=pytest.mark.slow)])
def rotated(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Handed, Web]]:
    """Such keys, and such a process on each concurrency library."""
    handed = Handed(tmp_path)
    web = Web(
        tmp_path / "data",
        ASYNC_MODE=request.param,
        AUTH="token",
        AUTH_KEYS=handed.server.url,
        SSL_CERT_FILE=str(handed.authority),
    )
    with handed.server, web:
        yield handed, web


def test_keys_are_changed_without_a_restart(rotated: tuple[Handed, Web], guests: Come) -> None:
    handed, web = rotated
    old, new = handed.keys[0], ECKey.generate_key("P-256")
    guests(web.url, token=handed.token(old)).join("clinic")
    handed.keys = [new]
    guests(web.url, token=handed.token(new)).join("clinic")
    assert refusal(web.url, {"token": handed.token(old)})["code"] == "unauthorized"
    asked = handed.server.asked
    for _ in range(5):
        unknown = ECKey.generate_key("P-256")
        assert refusal(web.url, {"token": handed.token(unknown)})["code"] == "unauthorized"
    assert handed.server.asked == asked  # at most once a minute


def test_a_public_key_is_no_secret_and_a_private_one_of_a_stranger_is_none_of_ours(
    rotated: tuple[Handed, Web],
) -> None:
    handed, web = rotated
    public, stranger = handed.keys[0], ECKey.generate_key("P-256")
    head = {"alg": "HS256", "kid": public.thumbprint()}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (head, {"sub": "eve", "exp": 4102444800})]
    unsigned = b".".join(part.rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(public.as_pem(private=False), unsigned, "sha256")).rstrip(b"=")
    claims = {"sub": "eve", "exp": time.time() + 600}
    for forged in (
        f"{unsigned.decode()}.{signature.decode()}",
        jwt.encode({"alg": "ES256", "kid": public.thumbprint()}, claims, stranger),
        jwt.encode({"alg": "ES256"}, claims, stranger),
    ):
        assert refusal(web.url, {"token": forged})["code"] == "unauthorized"


def test_while_the_keys_are_away_those_known_go_on(rotated: tuple[Handed, Web], guests: Come) -> None:
    handed, web = rotated
    handed.server.close()
    assert refusal(web.url, {"token": handed.token(ECKey.generate_key("P-256"))})["code"] == "unauthorized"
    guests(web.url, token=handed.token(handed.keys[0])).join("clinic")


def test_metrics_are_for_this_machine_or_for_who_has_the_token(tmp_path: Path, system: System) -> None:
    forwarded = requests.get(f"{system.url}/metrics", headers={"X-Forwarded-For": "1.2.3.4"}, timeout=WAIT)
    assert (forwarded.status_code, forwarded.json()["error"]["code"]) == (403, "forbidden")
    word = secrets.token_hex(16)
    with Web(tmp_path / "data", METRICS_TOKEN=word) as web:
        for given, status in ((None, 401), ("x", 401), (word, 200)):
            headers = {"Authorization": f"Bearer {given}"} if given else {}
            assert requests.get(f"{web.url}/metrics", headers=headers, timeout=WAIT).status_code == status
