"""The kinds of message that a room can switch on, and those that are asked for: end to end, with the real models."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import requests
import zxingcpp
from PIL import Image

from tests.conftest import Site
from tests.contract.test_uploads import send
from tests.guest import SECRETS, WAIT, Guest, signed


@pytest.fixture
def ben(site: Site, guests: Callable[..., Guest], room: str) -> Guest:
    """Ben, who answers people, and has joined the room."""
    proof: dict[str, Any] = {}
    if site.asks_tokens:
        proof["token"] = signed(SECRETS[site.url], sub="Ben", name="Ben", rooms=["*"], role="staff")
    guest = guests(site.url, "Ben", **proof)
    guest.join(room)
    return guest


def code(text: str) -> bytes:
    """A picture of a QR code."""
    drawn = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode), scale=6)
    out = io.BytesIO()
    Image.fromarray(np.asarray(drawn)).convert("RGB").save(out, "PNG")
    return out.getvalue()


def test_a_room_switches_kinds_on_and_its_messages_are_looked_at(ann: Guest, ben: Guest, room: str) -> None:
    kinds = ("appointment", "doses", "redact")
    before = ben.ok("room:tasks", {"room": room})["tasks"]
    assert [before[kind] for kind in kinds] == [False, False, False]
    ben.ok("room:tasks", {"room": room, "tasks": {**dict.fromkeys(kinds, True), "sentiment": False}})
    assert ann.saw("room:tasks")["tasks"] == {**before, **dict.fromkeys(kinds, True), "sentiment": False}

    text = "500 mg ibuprofen, call 020 7946 0018 on 1 May 2099 at 10:00"
    said = ann.say(room, text, zone="Asia/Kolkata")
    found = ben.found(said["seq"], *kinds, "language", "triage")
    assert "sentiment" not in found
    assert found["redact"]["result"]["text"] == "500 mg ibuprofen, call [phone] on 1 May 2099 at 10:00"
    assert [(dose["amount"], dose["unit"]) for dose in found["doses"]["result"]["doses"]] == [(500, "mg")]
    assert [each["at"] for each in found["appointment"]["result"]["times"]] == ["2099-05-01T10:00:00+05:30"]


def test_a_room_with_every_task_on_looks_at_the_worst_of_messages_and_goes_on(
    ann: Guest, ben: Guest, room: str
) -> None:
    every = ben.ok("room:tasks", {"room": room})["tasks"]
    ben.ok("room:tasks", {"room": room, "tasks": dict.fromkeys(every, True)})
    worst = "He took 9999 mg, call +44 20 7946 0018 on 31.12.9999 at 25:61? <script> " * 140
    said = ann.say(room, worst[:8192])
    looked = {"triage", "language", "sentiment", "redact", "doses", "appointment"}  # the others pass it over
    found = ben.found(said["seq"], *looked)
    assert {found[task]["state"] for task in looked} == {"succeeded"}
    assert ben.found(ann.say(room, "How are you?")["seq"], "triage")["triage"]["state"] == "succeeded"


def test_under_tokens_only_those_who_answer_choose(site: Site, ann: Guest, room: str) -> None:
    if site.asks_tokens:
        error = ann.refused("room:tasks", {"room": room, "tasks": {"redact": True}})
        assert (error["code"], error["field"]) == ("forbidden", "tasks")
    assert ann.ok("room:tasks", {"room": room})["tasks"]["redact"] is False
    error = ann.refused("room:tasks", {"room": "elsewhere"})
    assert (error["code"], error["field"]) == ("not_in_room", "room")


def test_a_question_gets_its_usual_answer_and_earlier_ones_like_it(ann: Guest, room: str) -> None:
    ann.say(room, "When are you open?")
    suggested = ann.final(ann.ask(room, "suggest", text="At what time do you close?")["id"])["result"]["suggestions"]
    assert suggested[0]["topic"] == "opening"
    alike = ann.final(ann.ask(room, "similar", text="what are your opening hours")["id"])["result"]["similar"]
    assert [each["text"] for each in alike] == ["When are you open?"]


def test_a_picture_is_made_small_and_its_code_is_read(site: Site, ann: Guest, room: str) -> None:
    token = ann.join(room)["upload_token"]
    upload = send(site, room, token, code("PZN-01234567")).json()["upload"]
    codes = ann.final(ann.ask(room, "barcode", upload=upload)["id"])["result"]["codes"]
    assert [each["text"] for each in codes] == ["PZN-01234567"]
    small = ann.final(ann.ask(room, "thumbnail", upload=upload)["id"])["result"]["upload"]
    said = ann.ok("message:send", {"room": room, "key": "small", "text": "See", "upload": small})["message"]
    answer = requests.get(site.url + said["data"]["url"], timeout=WAIT)
    assert answer.headers["Content-Type"] == "image/jpeg"


def test_a_reminder_comes_in_time_unless_it_is_cancelled(ann: Guest, ben: Guest, room: str) -> None:
    later = ann.ask(room, "remind", text="Never", in_s=3600)
    assert later["state"] == "accepted"
    assert "due" in later
    assert ann.ok("job:cancel", {"job": later["id"]})["job"]["state"] == "cancelled"
    soon = ann.ask(room, "remind", text="Drink some water", in_s=0.1)
    assert ben.saw("message:new", job=soon["id"])["text"] == "Reminder: Drink some water"


@pytest.mark.parametrize(("args", "field"), [({}, "args.at"), ({"in_s": -1}, "args.in_s"), ({"at": "9999"}, "args.at")])
def test_a_reminder_without_a_good_time_is_refused(ann: Guest, room: str, args: dict[str, Any], field: str) -> None:
    asked = {"room": room, "key": "r", "task": "remind", "args": {"text": "x", **args}}
    error = ann.refused("job:create", asked)
    assert (error["code"], error["field"]) == ("bad_request", field)


def test_an_extra_that_is_not_installed_says_how_to_get_it(site: Site, ann: Guest, room: str) -> None:
    listed = {each["task"]: each for each in site.ask("GET", "/api/tasks").json()["tasks"]}
    for name, setting in (("ocr", "OCR"), ("transcribe", "SPEECH")):
        assert f"{setting}=1 make run" in listed[name]["not_configured"]
        asked = {"room": room, "key": name, "task": name, "args": {"upload": "0" * 26}}
        assert f"{setting}=1" in ann.refused("job:create", asked)["message"]


def test_an_urgent_message_that_nobody_answers_is_told_to_the_room(ann: Guest, ben: Guest, room: str) -> None:
    ben.ok("room:tasks", {"room": room, "tasks": {"unanswered": True, "escalate": False}})
    said = ann.say(room, "My father collapsed and does not breathe")
    waits = ben.saw("job:update", task="unanswered", state="accepted", message=said["seq"])
    assert "due" in waits
    notice = ben.saw("message:new", job=waits["id"])
    assert "Nobody has answered yet (emergency)" in notice["text"]


def test_an_answer_in_time_makes_the_notice_needless(ann: Guest, ben: Guest, room: str) -> None:
    ben.ok("room:tasks", {"room": room, "tasks": {"unanswered": True, "escalate": False}})
    said = ann.say(room, "My father collapsed and does not breathe")
    waits = ben.saw("job:update", task="unanswered", state="accepted", message=said["seq"])
    ben.say(room, "Call an ambulance, I am coming")
    assert ann.final(waits["id"])["state"] == "skipped"
