"""`python -m app replay`: a conversation through real clients."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.compare.system import ROOT, System
from tests.command import command
from tests.web import environment

LINES = [
    ("Ann", "Good morning, can I move my appointment to Thursday?"),
    ("Ben", "Guten Morgen, ich brauche ein neues Rezept"),
    ("Ann", "My father has collapsed and he is not breathing, please help"),
    ("Cem", "Merci beaucoup, c'est très gentil"),
    ("Ben", "This is terrible, I am very angry about the bill"),
    ("Ann", "Thank you so much, that was wonderful"),
] * 5
TASKS = ("triage", "language", "sentiment")


@pytest.fixture(autouse=True)
def on_simple(system: System) -> None:
    """Each test begins on the simple path, whatever the one before did."""
    system.flag("simple")


@pytest.fixture
def conversation(tmp_path: Path) -> Path:
    """A file of thirty lines by three people."""
    file = tmp_path / "talk.jsonl"
    file.write_text("\n".join(json.dumps({"sender": sender, "text": text}) for sender, text in LINES) + "\n")
    return file


def words(url: str, file: Path, *more: str) -> list[str]:
    """The command as it is typed."""
    return ["--url", url, "replay", str(file), *more]


def replay(url: str, file: Path, room: str, *more: str) -> list[dict[str, Any]]:
    """What it prints with --json."""
    done = command(*words(url, file, "--room", room, "--speed", "200", "--json", *more))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def findings(replayed: list[dict[str, Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """Line by line: who, what, and what the models found."""
    return [(each["sender"], each["text"], {task: each["found"].get(task) for task in TASKS}) for each in replayed]


def test_every_line_has_its_results_and_they_are_the_same_on_both_paths(
    system: System, conversation: Path, room: str
) -> None:
    simple = findings(replay(system.url, conversation, room))
    assert [(sender, text) for sender, text, _ in simple] == LINES
    for _, _, found in simple:
        assert found["triage"].keys() - {"urgency_probability"} == {"intent", "urgency", "confidence"}
        assert found["language"].keys() == {"language", "confidence"}
        assert found["sentiment"].keys() == {"label", "score"}
    system.flag("queued")
    assert findings(replay(system.url, conversation, f"{room}.queued")) == simple


def test_flipping_the_flag_in_the_middle_loses_no_result(system: System, conversation: Path, room: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "app", *words(system.url, conversation, "--room", room, "--speed", "20", "--json")],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as playing:
        flips = 0
        while playing.poll() is None:
            system.flag("queued" if flips % 2 == 0 else "simple")
            flips += 1
            try:
                playing.wait(0.15)
            except subprocess.TimeoutExpired:
                continue
        assert playing.stdout
        replayed = [json.loads(line) for line in playing.stdout]
    assert playing.returncode == 0
    assert flips > 3
    assert len(replayed) == len(LINES)
    for _, text, found in findings(replayed):
        assert all(found[task] and "state" not in found[task] for task in TASKS), (text, found)


def test_the_table_shows_each_line_and_how_jobs_ended(system: System, conversation: Path, room: str) -> None:
    done = command(*words(system.url, conversation, "--room", room, "--speed", "200"), COLUMNS="240")
    assert done.returncode == 0, done.stderr
    assert all(text in done.stdout for _, text in LINES)
    assert re.fullmatch(r"\d+ succeeded on simple", done.stdout.splitlines()[-1])


def test_a_line_may_hold_what_unicode_calls_a_line_end(system: System, tmp_path: Path, room: str) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_text('{"sender": "Ann", "text": "one\u2028two\x85three"}\n', "utf-8")
    (line,) = replay(system.url, file, room)
    assert line["text"] == "one\u2028two\x85three"


@pytest.mark.slow
def test_the_example_conversation_can_be_played(system: System, room: str) -> None:
    file = ROOT / "docs" / "examples" / "clinic.jsonl"
    replayed = replay(system.url, file, room)
    assert len(replayed) >= 200
    assert all(each["found"].keys() >= set(TASKS) for each in replayed)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"sender": "Ann", "text": "fine"}\nnot json\n', "line 2"),
        ('{"sender": "Ann", "text": "fine"}\n\n{"sender": "Ann"}\n', "line 3"),
        ('{"sender": "", "text": "x"}\n', "line 1"),
        ('{"sender": "Ann", "text": ""}\n', "line 1"),
        ('{"sender": "Ann", "text": "x", "at": 1}\n', "line 1"),
        ("[1]\n", "line 1"),
        ('{"sender": "Ann", "text": "a\\u0000"}\n', "line 1"),
        ("\n\n", "has no lines"),
        (b"\xff\xfe\x00", "line 1"),
    ],
)
def test_a_file_that_is_no_conversation_gets_a_sentence(tmp_path: Path, content: str | bytes, said: str) -> None:
    file = tmp_path / "talk.jsonl"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = command(*words("http://127.0.0.1:9", file, "--room", "lobby"))
    assert done.returncode == 1
    assert said in done.stderr
    assert str(file) in done.stderr.replace("\n", "")


def test_without_a_server_it_says_so(conversation: Path) -> None:
    done = command(*words("http://127.0.0.1:9", conversation, "--room", "lobby"))
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "http://127.0.0.1:9 does not answer" in sentence
