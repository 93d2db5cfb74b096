"""`reply`: a draft for the professional in the room, from a language model that streams. On both paths."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import pytest
import requests

from app.compare.system import System
from app.tasks import Line, discover
from app.tasks.reply import ANSWER_TOKENS, MAX_CHARACTERS, question, reply
from ml_clients import llm
from tests.guest import WAIT, Guest
from tests.streams.test_streams import joined, pieces

TEXT = "".join(f"word{number} " for number in range(150))
STOP_SECONDS = 1.0  # the promise of docs/contract.md


def under_way(talker: str) -> int:
    """How many answers the model is giving at this moment."""
    return int(requests.get(f"{talker}/v1/chat/open", timeout=WAIT).json()["open"])


def test_a_draft_grows_and_says_what_it_took(told: Guest, room: str, path: str) -> None:
    told.say(room, "May I take it with milk?")
    final = told.final(told.ask(room, "reply")["id"])
    assert (final["state"], final["path"]) == ("succeeded", path), final
    assert final["result"] == {
        "text": TEXT,
        "usage": {"prompt_tokens": 10, "completion_tokens": 150, "total_tokens": 160},
    }
    assert joined(pieces(told, final)) == TEXT
    assert not told.all("message:new", kind="ml")  # a draft is not a message
    sent = told.say(room, "Yes, with a glass of milk.", draft=final["id"])
    assert sent["data"]["draft"] == final["id"]


def stop_one(told: Guest, other: Guest, talker: str, room: str) -> float:
    """Somebody stops what another asked for; returns how many seconds it took until the model was let go."""
    job = told.ask(room, "reply")
    told.wait(lambda seen: len(told.all("job:delta", job=job["id"])) > 2)
    assert under_way(talker) == 1
    other.ok("job:cancel", {"job": job["id"]})
    asked = time.monotonic()
    while under_way(talker):
        assert time.monotonic() < asked + WAIT, "the model still works"
        time.sleep(0.02)
    took = time.monotonic() - asked
    final = told.final(job["id"])
    assert final["state"] == "cancelled"
    assert TEXT.startswith(final["text"])
    assert final["text"] == joined(pieces(told, final))
    return took


def test_stopping_lets_the_model_go_and_keeps_the_text(
    told: Guest, telling: System, talker: str, room: str, guests: Callable[..., Guest]
) -> None:
    other = guests(telling.url, "Ben")
    other.join(room)
    stop_one(told, other, talker, room)


@pytest.mark.slow
def test_stopping_ends_the_models_work_within_a_second_twenty_times_of_twenty(
    told: Guest, telling: System, talker: str, room: str, guests: Callable[..., Guest]
) -> None:
    other = guests(telling.url, "Ben")
    other.join(room)
    times = [stop_one(told, other, talker, room) for _ in range(20)]
    assert max(times) < STOP_SECONDS


def test_without_a_model_it_is_listed_with_what_to_set(system: System, guests: Callable[..., Guest], room: str) -> None:
    listed = {each["task"]: each for each in requests.get(f"{system.url}/api/tasks", timeout=WAIT).json()["tasks"]}
    assert listed["reply"]["not_configured"] == "set LLM_URL"
    assert listed["reply"]["draft"] is True
    assert not {"draft", "not_configured"} & set(listed["triage"])
    ann = guests(system.url, "Ann")
    ann.join(room)
    error = ann.refused("job:create", {"room": room, "key": "k", "task": "reply"})
    assert error["code"] == "conflict"
    assert "set LLM_URL" in error["message"]


def test_the_newest_messages_that_fit_are_the_context() -> None:
    lines = [Line(sender="Ann", text=f"line {number} " + "x" * 300) for number in range(50)]
    system, user = question(lines, 2048)
    assert system["role"] == "system"
    assert "drafts" in system["content"]
    assert "line 49" in user["content"]
    assert "line 0 " not in user["content"]
    assert sum(llm.tokens(each["content"]) for each in (system, user)) + ANSWER_TOKENS <= 2048
    assert "line 0 " in question(lines, 100_000)[1]["content"]


def test_a_model_that_does_not_stop_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def endless(messages: list[llm.Message], most: int) -> Generator[str, None, llm.Usage]:
        try:
            while True:
                yield "on and on "
        finally:
            closed.append(True)

    monkeypatch.setattr(llm, "answer", endless)
    monkeypatch.setattr(llm, "context_tokens", lambda: 2048)
    told = list(reply(history=[Line(sender="Ann", text="Hello?")]))
    assert MAX_CHARACTERS < sum(len(delta.text) for delta in told) < MAX_CHARACTERS + 100
    assert closed == [True]


def test_it_waits_in_a_lane_of_its_own() -> None:
    assert [task.name for task in discover().values() if task.lane == "llm"] == ["reply"]
