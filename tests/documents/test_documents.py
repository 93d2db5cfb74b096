"""The contract for programs: both documents are valid, say what is so, and change in the open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from flask import Flask
from jsonschema import Draft7Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.answers.events import ACKS, SENT
from app.chat.events import Events
from app.compare.system import ROOT, System, checkout_with
from app.documents.asyncapi import EventNotDeclared, asyncapi
from app.documents.openapi import RouteNotDeclared, openapi
from app.documents.route import route
from app.web.errors import STATUS
from tests import shapes
from tests.conftest import need
from tests.documents.served import documents, golden, text
from tests.documents.strict import Strict
from tests.guest import WAIT, Guest
from tests.web import Web

# The official JSON Schema of AsyncAPI, from the package that `make lint` installs where there is node.
OFFICIAL = ROOT / ".venv" / "js" / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.0.0.json"
RENEW = "python -m tests.documents.served"


@pytest.fixture(scope="module")
def served() -> dict[str, Any]:
    """Both documents."""
    return documents()


@pytest.mark.parametrize("name", ["asyncapi", "openapi"])
def test_each_change_of_the_contract_is_seen(served: dict[str, Any], name: str) -> None:
    assert golden(name).read_text() == text(served[name]), f"make documents ({RENEW}) renews it, once it is meant so"


def test_the_openapi_document_is_valid(served: dict[str, Any]) -> None:
    assert served["openapi"]["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(served["openapi"]).validate()


def test_the_asyncapi_document_is_valid(served: dict[str, Any]) -> None:
    need(OFFICIAL.exists(), "the JSON Schema of AsyncAPI (make lint installs it where there is node)")
    assert served["asyncapi"]["asyncapi"] == "3.0.0"
    schema = json.loads(OFFICIAL.read_text())
    validator = Draft7Validator(schema)
    assert [each.message[:200] for each in validator.iter_errors(served["asyncapi"])] == []
    broken = json.loads(json.dumps(served["asyncapi"]).replace('"action": "send"', '"action": "shout"'))
    assert list(validator.iter_errors(broken))


def test_every_reference_leads_somewhere(served: dict[str, Any]) -> None:
    for document in served.values():
        for place in _references(document):
            found = document
            for part in place.removeprefix("#/").split("/"):
                found = found[part]


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    for each in part if isinstance(part, list) else ():
        yield from _references(each)


def test_without_tokens_no_route_asks_for_one(served: dict[str, Any]) -> None:
    open_to_all = documents(AUTH="", AUTH_SECRET="")["openapi"]
    assert "security" not in json.dumps(open_to_all)
    assert served["openapi"]["paths"]["/api/jobs"]["get"]["security"] == [{"token": []}]
    assert "security" not in served["openapi"]["paths"]["/livez"]["get"]
    assert open_to_all["paths"].keys() == served["openapi"]["paths"].keys()


# What is not declared is noticed


def test_a_route_without_types_is_refused() -> None:
    app = Flask(__name__, static_folder=None)

    @app.get("/known")
    @route("Known", str)
    def known() -> str:
        return "known"

    assert openapi(app.url_map.iter_rules(), app.view_functions, STATUS, False)["paths"].keys() == {"/known"}
    app.get("/forgotten", endpoint="forgotten")(lambda: "")
    with pytest.raises(RouteNotDeclared, match="GET /forgotten"):
        openapi(app.url_map.iter_rules(), app.view_functions, STATUS, False)


def test_an_event_without_types_is_refused() -> None:
    table = Events.__new__(Events).kinds()
    with pytest.raises(EventNotDeclared, match="room:dance"):
        asyncapi({**table, "room:dance": table["room:join"]}, dict, {}, STATUS)


# What is declared is so


@pytest.mark.parametrize(("promised", "declared"), [(shapes.ACKS, ACKS), (shapes.EVENTS, SENT)], ids=["acks", "events"])
def test_the_types_are_those_that_real_answers_are_held_against(promised: Any, declared: Any) -> None:
    """Every ack and event that a guest of any test sees must fit `tests/shapes.py`, which knows nothing of ours."""
    assert promised.keys() == declared.keys()
    for event, kind in declared.items():
        assert _fields(kind) == _fields(promised[event]), event


def _fields(kind: type) -> dict[str, bool]:
    """Each field, and whether it is always there."""
    return {each.encode_name: each.required for each in msgspec.structs.fields(kind)}


def test_what_routes_answer_is_what_the_document_says(system: System, room: str) -> None:
    """Every route that answers JSON is asked, and its answer held against its schema, field by field."""
    document = requests.get(f"{system.url}/openapi.json", timeout=WAIT).json()
    strict, left = Strict(document), _with_json(document)
    ann = Guest(system.url, "Ann")
    token = ann.join(room)["upload_token"]
    message = ann.say(room, "My chest feels tight")
    ann.found(message["seq"], "triage", "language")
    job = ann.ask(room, "language", text="Guten Morgen")
    ann.final(job["id"])

    def ask(method: str, path: str, rule: str = "", **more: Any) -> Any:
        answer = requests.request(method, system.url + path, headers=system.headers, timeout=WAIT, **more)
        rule = rule or path.partition("?")[0]
        left.discard((method, rule))
        described = document["paths"][rule][method.lower()]["responses"][str(answer.status_code)]
        if "$ref" in described:
            described = document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        strict.check(answer.json(), described["content"]["application/json"]["schema"])
        return answer.json()

    for path in ("/livez", "/healthz", "/readyz", "/api/tasks", f"/api/flags?room={room}", "/api/flags", "/api/jobs",
                 "/api/operator", "/api/live", "/api/live?minutes=60&task=triage", "/api/dead-letters"):  # fmt: skip
        ask("GET", path)
    ask("PUT", "/api/flags/language", "/api/flags/{task}", json={"path": "simple"})
    ask("DELETE", "/api/flags/language", "/api/flags/{task}")
    ask("PUT", "/api/flags/nothing", "/api/flags/{task}", json={"path": "simple"})
    retries = {"attempts": 3, "codes": [503], "min_wait_s": 1, "max_wait_s": 9, "jitter": "none"}
    for paused, again in ((True, retries), (False, None)):
        ask("PUT", "/api/tasks/language", "/api/tasks/{task}", json={"paused": paused, "retries": again})
        ask("PUT", "/api/lanes/ml", "/api/lanes/{lane}", json={"paused": paused})
        ask("GET", "/api/tasks")
        ask("GET", "/api/lanes")
    ask("GET", f"/api/jobs/{job['id']}", "/api/jobs/{id}")
    ask("GET", "/api/jobs/nothing", "/api/jobs/{id}")
    ask("GET", f"/api/operator/jobs/{job['id']}", "/api/operator/jobs/{id}")
    ask("GET", "/api/operator/jobs/nothing", "/api/operator/jobs/{id}")
    ask("GET", "/api/jobs?state=succeeded&limit=1")
    theirs = {"key": "k", "sender": {"id": "ada", "name": "Ada"}}
    for what, body in (
        ("messages", {"text": "hello"}),
        ("jobs", {"task": "language", "args": {"text": "x"}, "delay_s": 60}),
    ):
        for _ in range(2):  # the second is a resend
            answered = ask("POST", f"/api/rooms/{room}/{what}", f"/api/rooms/{{room}}/{what}", json={**theirs, **body})
    for _ in range(2):
        ask("DELETE", f"/api/jobs/{answered['job']['id']}", "/api/jobs/{id}")
    ask("DELETE", "/api/jobs/nothing", "/api/jobs/{id}")
    ask("GET", f"/api/rooms/{room}/messages?limit=1", "/api/rooms/{room}/messages")
    for method, end in (("GET", ""), ("POST", "/replay"), ("DELETE", "")):
        ask(method, f"/api/dead-letters/nothing{end}", f"/api/dead-letters/{{id}}{end}")
    sender = {"sender": {"id": "service", "name": "Service"}}
    for _ in range(2):  # the second time under a known key
        messages, jobs = f"/api/rooms/{room}/messages", f"/api/rooms/{room}/jobs"
        ask("POST", messages, "/api/rooms/{room}/messages", json={"key": "m", "text": "Hello", **sender})
        asked = {"key": "j", "task": "language", "args": {"text": "Guten Tag"}, **sender}
        accepted = ask("POST", jobs, "/api/rooms/{room}/jobs", json=asked)
        ask("GET", messages, "/api/rooms/{room}/messages")
        ask("DELETE", f"/api/jobs/{accepted['job']['id']}", "/api/jobs/{id}")
    ask("POST", jobs, "/api/rooms/{room}/jobs", json={"key": "k", "task": "nothing", **sender})
    picture = {"file": ("x.png", (ROOT / "docs" / "screenshot.png").read_bytes(), "image/png")}
    ask("POST", "/api/uploads", data={"room": room, "token": token}, files=picture)
    ask("PUT", "/uploads/nothing", "/uploads/{id}")  # without a link that we signed
    ann.close()
    assert left == set()


FAILING = """
from app.tasks import Text, task


@task(attempts=1, deadline=60)
def breaks(text: Text) -> dict[str, int]:
    raise ValueError("no use")
"""


def test_dead_letters_are_what_the_document_says(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Web(data, checkout_with({"breaks": FAILING}, tmp_path)) as web:
        document = requests.get(f"{web.url}/openapi.json", timeout=WAIT).json()
        ann = Guest(web.url, "Ann")
        ann.join("lobby")
        job = ann.ask("lobby", "breaks", text="x")
        ann.final(job["id"])
        letters = requests.get(f"{web.url}/api/dead-letters", timeout=WAIT).json()
        Strict(document).check(letters, {"$ref": "#/components/schemas/LetterList"})
        letter = requests.get(f"{web.url}/api/dead-letters/{job['id']}", timeout=WAIT).json()
        assert "no use" in letter["traceback"]
        Strict(document).check(letter, {"$ref": "#/components/schemas/Letter"})
        again = requests.post(f"{web.url}/api/dead-letters/{job['id']}/replay", timeout=WAIT).json()
        Strict(document).check(again, {"$ref": "#/components/schemas/JobView"})
        ann.close()


def _with_json(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Every route whose answer has a schema."""
    return {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for status, answer in operation["responses"].items()
        if status.startswith("2") and answer["content"].get("application/json", {}).get("schema")
    }
