"""Workloads: what arrives when, what is asked for, and which files are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import tasks as declared
from app.compare import workload
from app.compare.system import ROOT, checkout_with
from app.compare.workload import MAX_MESSAGES, PRESETS, Workload, WorkloadInvalid, arrivals, lines_of, load

TASKS = declared.discover()
CLINIC = ROOT / "docs" / "examples" / "clinic.jsonl"
SEEDS = st.integers(min_value=0, max_value=10**9)
NEEDED = 'about = "so"\nseconds = 3\nrate = 5\n'
RECORDED = 'arrivals = "recorded"\nrecorded = "talk.jsonl"\n'
TALK = [("Ann", "one"), ("Ben", "two"), ("Ann", "three")]


def made(**fields: object) -> Workload:
    """A workload with these fields."""
    return msgspec.convert({"about": "so", "seconds": 10.0, "rate": 20.0, **fields}, Workload)


def talk(folder: Path, *at: float) -> Path:
    """A conversation of three lines, with times or without."""
    path = folder / "talk.jsonl"
    times = [{"at": each} for each in at] or [{}] * len(TALK)
    lines = [{"sender": who, "text": text, **time} for (who, text), time in zip(TALK, times, strict=True)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def file(folder: Path, content: str | bytes, name: str = "mine.toml") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", workload.presets())
def test_every_preset_loads_and_something_arrives_from_its_beginning_to_its_end(name: str) -> None:
    preset = load(PRESETS / f"{name}.toml", TASKS)
    due = arrivals(preset, PRESETS, 1.0, 1)
    assert preset.name == name
    assert due == sorted(due)
    assert 0 <= due[0].at < preset.seconds / 4
    assert preset.seconds * 3 / 4 < due[-1].at < preset.seconds
    assert {each.room for each in due} <= set(range(preset.rooms))
    assert {task for each in due for task in each.asks} <= set(preset.requests)


@given(SEEDS)
def test_the_same_seed_gives_the_same_arrivals(seed: int) -> None:
    asked = made(seconds=3.0, requests={"summarize": 0.5})
    assert arrivals(asked, ROOT, 1.0, seed) == arrivals(asked, ROOT, 1.0, seed)


def test_another_seed_gives_others() -> None:
    assert arrivals(made(), ROOT, 1.0, 1) != arrivals(made(), ROOT, 1.0, 2)


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_the_rate_follows_the_curve_and_the_factor(factor: float) -> None:
    curve = [1.0, 10.0, 0.0, 4.0]
    due = arrivals(made(seconds=400.0, curve=curve), ROOT, factor, 7)
    there = Counter(int(each.at // 100) for each in due)
    for number, height in enumerate(curve):
        expected = 100 * 20 * height * factor
        assert abs(there[number] - expected) <= 6 * expected**0.5  # of a Poisson count; one in 10**9 is further away


def test_gaps_are_those_of_independent_arrivals() -> None:
    """Exponential: their spread is as large as their mean, and nobody waits for the one before."""
    times = [each.at for each in arrivals(made(seconds=500.0), ROOT, 1.0, 3)]
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert 0.045 < mean < 0.055
    assert 0.9 < spread / mean < 1.1


def test_every_room_gets_its_share_and_texts_are_those_of_the_example() -> None:
    due = arrivals(made(seconds=500.0, rooms=5), ROOT, 1.0, 3)
    shares = Counter(each.room for each in due)
    assert all(1800 < shares[room] < 2200 for room in range(5))
    assert {each.text for each in due} == {line.text for line in lines_of(CLINIC, workload.Recorded)}


@given(SEEDS, st.sampled_from([0.5, 1.0, 3.0]))
def test_requests_come_after_their_share_of_messages(seed: int, factor: float) -> None:
    asked = made(seconds=20.0, requests={"summarize": 0.25, "language": 2.0, "monochrome": 0.0})
    due = arrivals(asked, ROOT, factor, seed)
    wanted = Counter(task for each in due for task in each.asks)
    assert all(each.asks.count("language") == 2 for each in due)
    assert all(each.asks.count("summarize") <= 1 for each in due)
    assert wanted["monochrome"] == 0
    assert abs(wanted["summarize"] - len(due) / 4) <= 6 * (len(due) * 3 / 16) ** 0.5


def test_a_recorded_conversation_keeps_its_times_in_every_room_and_begins_again(tmp_path: Path) -> None:
    talk(tmp_path, 0.0, 1.0, 4.0)
    asked = made(rooms=3, rate=3.0, arrivals="recorded", recorded="talk.jsonl")  # a second until it begins again
    due = arrivals(asked, tmp_path, 1.0, 5)
    for room in range(3):
        mine = [each for each in due if each.room == room]
        start = mine[0].at
        assert 0 <= start < 1
        assert [round(each.at - start, 6) for each in mine[:6]] == [0, 1, 4, 5, 6, 9]
        assert [(each.sender, each.text) for each in mine[:3]] == TALK
    assert len({each.at for each in due if each.text == "one"}) > 3  # rooms do not speak in chorus


def test_a_recorded_conversation_without_times_is_as_fast_as_the_rate(tmp_path: Path) -> None:
    talk(tmp_path)
    asked = made(seconds=60.0, rooms=4, rate=8.0, arrivals="recorded", recorded="talk.jsonl")
    due = arrivals(asked, tmp_path, 1.0, 5)
    assert 8 * 60 - 4 <= len(due) <= 8 * 60
    assert [each.text for each in due if each.room == 2][:4] == ["one", "two", "three", "one"]


@pytest.mark.parametrize("at", [(), (0.0, 1.0, 4.0)])
def test_a_factor_plays_a_recorded_conversation_faster_for_as_long(tmp_path: Path, at: tuple[float, ...]) -> None:
    talk(tmp_path, *at)
    asked = made(seconds=60.0, rooms=1, rate=1.0, arrivals="recorded", recorded="talk.jsonl")
    once, thrice = (arrivals(asked, tmp_path, factor, 5) for factor in (1.0, 3.0))
    assert abs(len(thrice) - 3 * len(once)) <= 3
    assert thrice[-1].at < 60
    assert [each.at for each in thrice[: len(once)]] == pytest.approx([each.at / 3 for each in once])


def test_everybody_who_speaks_in_a_room_is_there(tmp_path: Path) -> None:
    talk(tmp_path)
    asked = made(rooms=2, arrivals="recorded", recorded="talk.jsonl")
    there = workload.senders(arrivals(asked, tmp_path, 1.0, 1))
    assert {room: sorted(names) for room, names in there.items()} == {0: ["Ann", "Ben"], 1: ["Ann", "Ben"]}


def test_a_conversation_is_a_workload() -> None:
    asked = load(CLINIC, TASKS)
    due = arrivals(asked, CLINIC.parent, 1.0, 1)
    lines = [(line.sender, line.text) for line in lines_of(CLINIC, workload.Recorded)]
    assert [(each.sender, each.text) for each in due] == lines
    assert asked.name == "clinic"


def test_a_conversation_with_times_is_played_whole(tmp_path: Path) -> None:
    asked = load(talk(tmp_path, 0.0, 5.0, 90.0), TASKS)
    due = arrivals(asked, tmp_path, 1.0, 1)
    assert [each.at for each in due] == [0.0, 5.0, 90.0]
    assert asked.seconds > 90


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (NEEDED + "[requests]\nfoo = 1", "requests: unknown task 'foo'"),
        (NEEDED + "[bounds.tasks]\nfoo = 1", "bounds.tasks: unknown task 'foo'"),
        (NEEDED + "[requests]\nescalate = 1", "requests: task escalate cannot be requested"),
        (NEEDED + "[requests]\nsummarize = -1", "`requests"),
        (NEEDED + "requests = 5", "`requests`"),
        (NEEDED.replace("rate = 5", "rate = -5"), "`rate`"),
        (NEEDED.replace("rate = 5", "rate = 0"), "`rate`"),
        (NEEDED.replace("rate = 5", "rate = nan"), "rate: nan"),
        (NEEDED.replace("seconds = 3\n", ""), "`seconds`"),
        (NEEDED.replace("seconds = 3", "seconds = inf"), "seconds: inf"),
        (NEEDED.replace("seconds = 3", "seconds = nan"), "seconds: nan"),
        (NEEDED.replace("seconds = 3", "seconds = 86401"), "`seconds`"),
        (NEEDED.replace("seconds = 3", 'seconds = "long"'), "`seconds`"),
        (NEEDED + "speed = 4", "`speed`"),
        (NEEDED + "[bounds]\nack_s = 4", "`ack_s`"),
        (NEEDED + "[bounds]\nack_ms = nan", "bounds.ack_ms: nan"),
        (NEEDED + 'models = "synthetic"\n[times.foo]\nmedian_ms = 1', "times: unknown model foo"),
        (NEEDED + 'models = "synthetic"\n[times.triage]\nsigma = 1', "`median_ms`"),
        (NEEDED + "[times.triage]\nmedian_ms = 1", "times: expected only with models"),
        (NEEDED + 'models = "real"', "`models`"),
        (NEEDED + 'arrivals = "recorded"', "recorded: expected if and only if"),
        (NEEDED + 'recorded = "talk.jsonl"', "recorded: expected if and only if"),
        (NEEDED + RECORDED, "recorded: cannot read"),
        (NEEDED + 'arrivals = "recorded"\nrecorded = "."', "recorded: cannot read"),
        (NEEDED + "curve = [0, 0]", "curve: expected at least one"),
        (NEEDED + "curve = []", "`curve`"),
        (NEEDED + "curve = [1, -1]", "`curve"),
        (NEEDED + "deploy_every = 1", "deploy_every: expected 0, or at least"),
        (NEEDED + "[python_ms]\ntriage = 5", "python_ms: there is a task 'triage' already"),
        (NEEDED + "[python_ms]\ncrunch = 0", "`python_ms"),
        (NEEDED + "[python_ms]\n'../x' = 5", "`python_ms"),
        (NEEDED + "[python_ms]\ncrunch = 5\n[requests]\ncrash = 1", "requests: unknown task 'crash'"),
        (NEEDED.replace("3", "86400").replace("5", "10000"), "rate: 864,000,000 messages in all"),
        ("= so", "is not TOML"),
        (b"about = '\xff'", "is not UTF-8"),
        ("", "`about`"),
    ],
)
def test_a_wrong_file_is_refused_with_the_field_named(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(WorkloadInvalid, match=r"^mine\.toml") as refused:
        load(file(tmp_path, content), TASKS)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            '{"sender": "Ann", "text": "a", "at": 1}\n{"sender": "Ann", "text": "b"}',
            "an increasing time `at` on every line",
        ),
        ('{"sender": "Ann", "text": "a", "at": 2}\n{"sender": "Ann", "text": "b", "at": 1}', "increasing"),
        ('{"sender": "Ann", "text": "a", "at": -1}', "`at`"),
        ('{"sender": "Ann"}', "line 1"),
        ("hello", "line 1"),
        (b'{"sender": "Ann", "text": "\xff"}', "line 1"),
        ("", "has no lines"),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_a_wrong_conversation_is_refused_by_itself_and_in_a_workload(
    tmp_path: Path, content: str | bytes, words: str, alone: bool
) -> None:
    talked = file(tmp_path, content, "talk.jsonl")
    with pytest.raises(WorkloadInvalid) as refused:
        load(talked if alone else file(tmp_path, NEEDED + RECORDED), TASKS)
    assert words in str(refused.value)
    assert "talk.jsonl" in str(refused.value)


def test_a_curve_is_for_poisson_arrivals_only(tmp_path: Path) -> None:
    talk(tmp_path)
    with pytest.raises(WorkloadInvalid, match="curve: expected only"):
        load(file(tmp_path, NEEDED + RECORDED + "curve = [1, 2]"), TASKS)


def test_a_recorded_load_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    talk(tmp_path, 0.0, 0.0, 0.001)
    content = f'about = "so"\nseconds = 86400\nrate = 10000\nrooms = 1\n{RECORDED}'
    with pytest.raises(WorkloadInvalid, match=f"expected at most {MAX_MESSAGES:,}"):
        load(file(tmp_path, content), TASKS)


def test_a_workload_can_bring_a_task_that_computes_in_python(tmp_path: Path) -> None:
    asked = load(file(tmp_path, NEEDED + "[python_ms]\ncrunch = 5\n[requests]\ncrunch = 1"), TASKS)
    assert {task for each in arrivals(asked, tmp_path, 1.0, 1) for task in each.asks} == {"crunch"}
    root = checkout_with(workload.python_task_files(asked), tmp_path)
    run = "from app import tasks; done = tasks.discover()['crunch']('x'); print(done['rounds'] > 0)"
    done = subprocess.run([sys.executable, "-c", run], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert not (ROOT / "app" / "tasks" / "crunch.py").exists()
