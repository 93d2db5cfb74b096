"""`python -m app` as an operator types it, against a real web process and a real broker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.compare.system import System, checkout_with
from tests.command import command
from tests.guest import WAIT, Guest
from tests.lossless.evidence import until
from tests.web import Web, ended

FAILING = """
from app.tasks import Text, task


class Broken(Exception):
    code = "{code}"


@task(attempts=1)
def {name}(text: Text) -> dict[str, int]:
    raise Broken("it cannot be done, whatever is tried, and this sentence is much too long for a table")
"""
TASKS = {name: FAILING.format(name=name, code=code) for name, code in (("breaks", "broken"), ("shatters", "in_shards"))}

SECRET = "a secret that only these commands sign with"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process with tasks that fail."""
    root = checkout_with(TASKS, tmp_path_factory.mktemp("copy"))
    with Web(tmp_path_factory.mktemp("data"), root, RATE_LIMIT="off", LOG_LEVEL="error") as running:
        yield running


@pytest.fixture
def letters(web: Web) -> dict[str, list[str]]:
    """IDs of fresh dead letters by task, the newest first; none besides."""
    for each in listed(web):
        requests.delete(f"{web.url}/api/dead-letters/{each['id']}", timeout=WAIT).raise_for_status()
    ann = Guest(web.url, "Ann")
    ann.join("a-room-with-quite-a-long-name")
    made: dict[str, list[str]] = {name: [] for name in TASKS}
    for name in [*TASKS, "breaks"]:
        job = ann.ask("a-room-with-quite-a-long-name", name, text="x")
        ann.final(job["id"])
        made[name].insert(0, job["id"])
    ann.close()
    return made


def listed(web: Web, **which: str) -> list[dict[str, Any]]:
    """The dead letters there are."""
    found: list[dict[str, Any]] = requests.get(f"{web.url}/api/dead-letters", params=which, timeout=WAIT).json()[
        "dead_letters"
    ]
    return found


def in_common(*words: str) -> str:
    """The beginning that all of them have."""
    return next(
        words[0][:size] for size in range(len(words[0]), -1, -1) if all(w.startswith(words[0][:size]) for w in words)
    )


def run(*words: str, code: int = 0, **settings: str) -> str:
    """What the command printed; it has ended with this code."""
    done = command(*words, **settings)
    assert done.returncode == code, done.stderr
    return done.stdout or done.stderr


def test_it_is_a_command_that_ends_with_a_code(web: Web) -> None:
    listed = ended(["-m", "app", "flags", "ls", "--json", "--url", web.url], {})
    assert (listed.returncode, listed.stderr) == (0, "")
    assert json.loads(listed.stdout)[0]["task"] == "*"
    wrong = ended(["-m", "app", "dead-letters", "show", "zzzzzzzz", "--url", web.url], {})
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("Error: ")


def test_a_list_of_dead_letters_fits_80_columns_and_its_ids_can_be_used(
    web: Web, letters: dict[str, list[str]]
) -> None:
    head, *rows = run("--url", web.url, "dead-letters", "ls").splitlines()
    assert head.split() == ["id", "at", "task", "room", "error"]
    assert max(map(len, [head, *rows])) <= 80
    assert len(rows) == 3
    for row in rows:
        start = row.split()[0]
        assert re.search(r" \d\d-\d\d \d\d:\d\d ", row)
        found = json.loads(run("dead-letters", "show", start, "--json", "--url", web.url))
        assert found["id"].startswith(start)
        assert found["id"] in [*letters["breaks"], *letters["shatters"]]


def test_a_dead_letter_is_shown_with_its_traceback_in_lines(web: Web, letters: dict[str, list[str]]) -> None:
    text = run("dead-letters", "show", letters["breaks"][0], "--url", web.url)
    assert re.search(r"^Traceback \(most recent call last\):$", text, re.MULTILINE)
    assert "breaks.py" in text
    assert json.loads(text.partition("\nTraceback")[0])["error"]["code"] == "broken"


def test_a_beginning_that_several_have_is_refused(web: Web, letters: dict[str, list[str]]) -> None:
    common = in_common(*letters["breaks"], *letters["shatters"])
    assert len(common) >= 6
    assert "several dead letters begin like this" in run("dead-letters", "show", common[:6], "--url", web.url, code=1)
    assert "not_found" in run("dead-letters", "show", "zzzzzzzz", "--url", web.url, code=1)


@pytest.mark.parametrize(
    ("which", "left"),
    [
        (["--task", "breaks"], {"shatters"}),
        (["--error", "in_shards"], {"breaks"}),
        (["--task", "breaks", "--error", "in_shards"], {"breaks", "shatters"}),
        (["--all"], set()),
    ],
)
def test_many_are_dropped_at_once(web: Web, letters: dict[str, list[str]], which: list[str], left: set[str]) -> None:
    before = len(listed(web))
    said = run("dead-letters", "drop", *which, "--url", web.url)
    assert {each["task"] for each in listed(web)} == left
    gone = before - len(listed(web))
    assert said == f"dropped {gone}\n" if gone != 1 else "dropped" in said


def test_many_are_replayed_at_once_and_each_once(web: Web, letters: dict[str, list[str]]) -> None:
    replayed = json.loads(run("--json", "dead-letters", "replay", "--task", "breaks", "--url", web.url))
    assert {each["id"] for each in replayed} == set(letters["breaks"])
    assert len(replayed) == len(letters["breaks"])
    assert {each["attempt"] for each in replayed} == {2}


def test_which_ones_must_be_said(web: Web) -> None:
    for verb in ("replay", "drop"):
        assert "--all" in run("dead-letters", verb, "--url", web.url, code=2)
        assert "--all" in run("dead-letters", verb, "x", "--all", "--url", web.url, code=2)


def test_one_of_several_ids_may_be_a_beginning(web: Web, letters: dict[str, list[str]]) -> None:
    first, second = letters["breaks"]
    other = letters["shatters"][0]
    length = 1 + max(len(in_common(first, each)) for each in (second, other))
    dropped = json.loads(run("dead-letters", "drop", first[:length], other, "--json", "--url", web.url))
    assert dropped == [{"dropped": first}, {"dropped": other}]


def test_jobs_are_listed_by_room_task_and_state(web: Web, letters: dict[str, list[str]]) -> None:
    head, *rows = run(
        "jobs", "ls", "--task", "breaks", "--state", "failed", "--limit", "2", "--url", web.url
    ).splitlines()
    assert head.split() == ["id", "at", "task", "room", "state", "error"]
    assert [row.split()[0] for row in rows] == letters["breaks"]
    assert max(map(len, rows)) <= 80
    assert run("jobs", "ls", "--room", "nowhere", "--json", "--url", web.url) == "[]\n"
    assert json.loads(run("jobs", "ls", "--state", "running", "--json", "--url", web.url)) == []
    for query in ("limit=0", "limit=501", "limit=x", "state=lost"):
        answer = requests.get(f"{web.url}/api/jobs?{query}", timeout=WAIT)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize(
    "words",
    [
        "--json --url URL flags ls",
        "flags --json --url URL ls",
        "flags ls --json --url URL",
        "--url URL flags ls --json",
    ],
)
def test_json_and_url_may_stand_anywhere(web: Web, words: str) -> None:
    rows = json.loads(run(*words.replace("URL", web.url).split()))
    assert rows[0]["task"] == "*"


@pytest.mark.parametrize("group", ["flags", "dead-letters", "jobs", "tasks", "lanes"])
def test_a_list_is_had_by_either_name(web: Web, group: str) -> None:
    assert run(group, "ls", "--json", "--url", web.url) == run(group, "list", "--json", "--url", web.url)


def test_streams_are_planned_on_the_broker_of_make_run(system: System) -> None:
    system.flag("queued")  # from now on there are some
    until(lambda: requests.get(f"{system.url}/readyz", timeout=WAIT).ok, "the queue is there")
    run("streams", "apply", DATA_DIR=str(system.data))  # which the web process does once a flag asks for the queue
    assert run("streams", "plan", DATA_DIR=str(system.data)).split() == ["streams", "as", "they", "should", "be"]


def test_streams_without_any_broker_say_what_to_set(tmp_path: Path) -> None:
    assert re.search(r"NATS_URL is empty, .* DATA_DIR=", run("streams", "plan", DATA_DIR=str(tmp_path), code=1))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A web process that asks for tokens."""
    with Web(
        tmp_path_factory.mktemp("guarded") / "data", AUTH="token", AUTH_SECRET=SECRET, AUTH_AUDIENCE="spillway"
    ) as web:
        yield web


def printed_token(*words: str) -> str:
    """What `token` prints, on the settings of that web process."""
    return run("token", *words, AUTH_SECRET=SECRET, AUTH_AUDIENCE="spillway").strip()


def test_a_token_that_is_printed_lets_commands_in(guarded: Web) -> None:
    assert "unauthorized" in run("flags", "ls", "--url", guarded.url, code=1)
    operator = printed_token("--sub", "root", "--role", "operator")
    run("flags", "set", "triage", "--path", "simple", "--url", guarded.url, SPILLWAY_TOKEN=operator)
    member = printed_token("--sub", "ada", "--name", "Ada", "--rooms", "clinic, ward-*", "--hours", "0.5")
    assert "triage" in run("--token", member, "flags", "ls", "--url", guarded.url)
    assert "forbidden" in run("jobs", "ls", "--token", member, "--url", guarded.url, code=1)


def test_a_token_that_is_printed_says_who_and_where(guarded: Web) -> None:
    printed = printed_token("--sub", "ada", "--name", "Ada", "--rooms", "clinic, ward-*")
    ada = Guest(guarded.url, token=printed)
    ada.join("ward-7")
    assert ada.say("ward-7", "Good morning")["sender"] == {"id": "ada", "name": "Ada"}
    assert ada.refused("room:join", {"room": "lobby"})["code"] == "forbidden"
    ada.close(wait=False)


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        (["--sub", "ada"], {}, "AUTH_SECRET is empty"),
        (["--sub", "x" * 65], {"AUTH_SECRET": "s" * 40}, "sub"),
        (["--sub", "ada"], {"AUTH_SECRET": "short"}, "AUTH_SECRET=... is not allowed"),
        (["--sub", "ada", "--hours", "0"], {"AUTH_SECRET": "s" * 40}, "hours"),
        (["--sub", "ada", "--role", "king"], {"AUTH_SECRET": "s" * 40}, "role"),
    ],
)
def test_a_token_that_would_not_be_accepted_is_not_printed(
    words: list[str], settings: dict[str, str], sentence: str
) -> None:
    done = command("token", *words, **settings)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert done.stdout == ""
