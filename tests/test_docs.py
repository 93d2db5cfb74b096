"""The documentation says what the code says: every name that people rely on is in it, and its examples work."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import click
import pytest
import requests
from flask import Flask

import ml_clients
from app import tasks as declared
from app.__main__ import main as commands
from app.chat.events import Events
from app.compare.system import ROOT, checkout_with
from app.compare.workload import conversation
from app.concurrency import patch
from app.contract import JobError, JobMessage, ResultMessage
from app.settings import Settings, from_env
from app.task import Options, Task
from app.worker import main as worker
from tests.guest import Guest
from tests.web import Web

README = (ROOT / "README.md").read_text()
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def page(name: str) -> str:
    """One page of docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text()


def cells(text: str) -> dict[str, list[str]]:
    """The rows of all tables, by their first cell without backticks."""
    rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in text.splitlines() if line.startswith("| ")]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def calls(*names: str) -> Iterator[tuple[str, str]]:
    """Every call of these functions in app/ whose first argument is a string or names one: the function and the string."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "app").rglob("*.py")]
    constants = {
        target.id: node.value.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in (each for tree in trees for each in ast.walk(tree)):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first = node.args[0]
        value = first.value if isinstance(first, ast.Constant) else constants.get(getattr(first, "id", ""))
        if name in names and isinstance(value, str):
            yield name, value


@pytest.mark.parametrize("setting", fields(Settings), ids=lambda each: each.name)
def test_every_setting_is_in_the_readme_with_its_default(setting: object) -> None:
    default = f"`{setting.metadata['default']}`" if setting.metadata["default"] else "empty"  # type: ignore[attr-defined]
    row = cells(README)[setting.name.upper()]  # type: ignore[attr-defined]
    assert row[0] == default
    assert row[1]


def test_the_readme_has_no_setting_that_does_not_exist() -> None:
    section = README.partition("## Settings")[2].partition("## Commands")[0]
    assert set(cells(section)) - {"setting", "---"} == {each.name.upper() for each in fields(Settings)}


def test_every_event_is_in_readme_and_contract() -> None:
    client = Events.table(Events.__new__(Events))
    server = {name for function, name in calls("show", "packet")}
    assert server >= {"message:new", "job:update"}
    for event in (*client, *server):
        assert f"`{event}`" in README
        assert event in cells(page("contract")), event


def test_the_readme_has_no_event_that_does_not_exist() -> None:
    section = README.partition("## What clients speak")[2].partition("\nHTTP:\n")[0]
    rows = {
        who: set(re.findall(r"`([a-z:]+)`", row[0]))
        for who, row in cells(section).items()
        if who in ("client", "server")
    }
    assert rows["client"] == set(Events.table(Events.__new__(Events)))
    assert rows["server"] == {name for _, name in calls("show", "packet")}


def test_what_an_event_takes_is_in_the_contract() -> None:
    rows = cells(page("contract").partition("### What a client sends")[2].partition("### What the server sends")[0])
    for event, (kind, _) in Events.table(Events.__new__(Events)).items():
        required = {each for each in kind.__struct_fields__ if each not in _optional(kind)}
        words = re.findall(r"(\w+)(\??)", rows[event][0].partition("}")[0])
        assert {name for name, mark in words if not mark} == required, event
        assert {name for name, mark in words if mark} == set(_optional(kind)), event


def _optional(kind: type) -> tuple[str, ...]:
    with_default = inspect.signature(kind).parameters.values()
    return tuple(each.name for each in with_default if each.default is not inspect.Parameter.empty)


@pytest.mark.parametrize("name", declared.discover())
def test_every_task_is_in_the_contract(name: str) -> None:
    runs, args, result = cells(page("contract"))[name]
    task = declared.discover()[name]
    assert [word for word in ("message", "request") if word in runs] == list(task.runs)
    assert (f"after `{task.after}`" in runs) == (task.after is not None)
    assert all(field in args for field in task.arguments.__struct_fields__)
    assert all(field in result for field in task.returns.__annotations__)


def test_every_option_of_a_task_is_documented_with_its_default() -> None:
    rows = cells(page("tasks").partition("## Options")[2])
    defaults = {field.name: field.default for field in dataclasses.fields(Task)}
    for option in Options.__annotations__:
        assert option in rows
        if isinstance(defaults[option], int) and defaults[option]:
            assert rows[option][0] == f"`{defaults[option]}`"


def test_the_example_in_the_page_on_tasks_is_the_file_it_names() -> None:
    example = re.search(r"```python\n(.*?)```", page("tasks"), re.DOTALL)
    assert example
    assert example[1] == (ROOT / "app" / "tasks" / "triage.py").read_text()


def test_every_metric_is_documented_and_no_other() -> None:
    sources = "".join((ROOT / "app" / name).read_text() for name in ("metrics.py", "gauges.py"))
    counters = set(re.findall(r'(?i)counter\(\s*"(\w+)"', sources))
    there = {f"{name}_total" if name in counters else name for name in re.findall(r'"(spillway_\w+)"', sources)}
    assert len(there) > 10
    assert {name for name in cells(page("metrics")) if re.fullmatch(r"spillway_\w+", name)} == there


def test_the_metrics_in_the_table_are_those_that_are_served(served: Flask) -> None:
    text = served.test_client().get("/metrics").text
    documented = {name for name in cells(page("metrics")) if re.fullmatch(r"spillway_\w+", name)}
    told = {re.sub(r"_total$", "", name) for name in re.findall(r"^# TYPE (spillway_\w+)", text, re.MULTILINE)}
    assert {re.sub(r"_total$", "", name) for name in documented} == {n for n in told if not n.endswith("_created")}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The web process' routes, without a server in front."""
    from app import create_app

    concurrency = patch("threading")
    server = create_app(from_env({"DATA_DIR": str(tmp_path_factory.mktemp("data"))}), concurrency)
    yield server.flask
    concurrency.await_(server.store.close(), 10)


def test_every_route_is_in_the_contract(served: Flask) -> None:
    routes = page("contract").partition("## HTTP")[2]
    for rule in served.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            assert f"`{method} {rule.rule}`" in routes, f"{method} {rule.rule}"


def test_every_route_is_in_the_readme_and_no_other(served: Flask) -> None:
    section = README.partition("\nHTTP:\n")[2].partition("\n## ")[0]
    there = {
        f"{method} {rule.rule}"
        for rule in served.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert set(re.findall(r"`([A-Z]+ /[^`]*)`", section)) == there


def test_every_error_code_is_in_the_contract() -> None:
    models = [each.code for each in vars(ml_clients).values() if isinstance(each, type) and hasattr(each, "code")]
    found = {code for _, code in calls("Refused", "JobError", "failure")} | {*models, "task_error"}
    assert {"bad_request", "poison", "model_timeout"} <= found
    rows = cells(page("contract"))
    assert [code for code in sorted(found) if code not in rows] == []


def test_every_field_of_the_queue_messages_is_in_the_contract() -> None:
    section = page("contract").partition("## NATS JetStream")[2]
    for message in (JobMessage, ResultMessage, JobError):
        for field in message.__struct_fields__:
            assert f"`{field}`" in section or f'"{field}"' in section, field


def test_every_make_target_is_in_the_readme_or_among_those_for_development() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "run" in targets
    there = {*cells(README), *cells((ROOT / "CONTRIBUTING.md").read_text())}
    for target in targets:
        assert f"make {target}" in there, target
    for target in ("run", "test", "compare", "help"):
        assert f"make {target}" in cells(README), target


def test_every_command_and_option_is_in_the_readme() -> None:
    section = README.partition("## Commands")[2].partition("## What clients")[0]
    for words, command in _commands(commands):
        assert re.search(rf"\b{re.escape(words[-1])}\b", _row(section, words[0])), words
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "help":
                assert option.opts[0] in section, (words, option.opts)
    for option in worker.params:
        assert option.opts[0] in _row(section, "app.worker")


def _commands(group: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that can be given, by its words."""
    if not isinstance(group, click.Group):
        yield words, group
        return
    for name, command in group.commands.items():
        yield from _commands(command, (*words, name))


def _row(section: str, word: str) -> str:
    return next((line for line in section.splitlines() if word in line.split("|")[1:2].__str__()), "")


def test_every_requirement_has_its_reason() -> None:
    rows = cells(page("dependencies"))
    for name in required("requirements.in"):
        why, home, licence = rows[name]
        assert why
        assert licence
        for path in re.findall(r"`([a-z_]+/[\w/.]*)`", home):
            assert (ROOT / path).exists(), path
    for name in required("requirements-dev.in"):
        assert name in page("dependencies")


def test_every_command_in_contributing_exists() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", page, re.MULTILINE)) <= targets
    for name in re.findall(r"\.venv/bin/([a-z-]+)", page):
        assert shutil.which(name, path=str(Path(sys.executable).parent)), name
    for path in re.findall(r"`((?:app|tests|ml_clients|docs|\.ci)(?:/[a-z_.]+)+)`", page):
        assert (ROOT / path).exists(), path


def required(file: str) -> list[str]:
    """The packages that a list of ours names itself."""
    return re.findall(r"^([a-z0-9][a-z0-9-]*)", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_a_lock_file_has_all_that_is_required_with_hashes_and_names_no_registry(name: str) -> None:
    lock = (ROOT / f"{name}.txt").read_text()
    locked = re.findall(r"^([a-z0-9-]+)==[^\n]*\\\n    --hash=sha256:", lock, re.MULTILINE)
    assert set(required(f"{name}.in")) <= set(locked)
    assert "://" not in lock
    entries = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert [re.split("==", entry)[0] for entry in entries] == locked


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


def test_every_file_named_in_the_map_is_there() -> None:
    section = page("architecture").partition("## The map")[2].partition("## The life")[0]
    for path in re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[2:]:
        for name in re.findall(r"`([^`]+)`", path):
            assert (ROOT / name).exists(), name


def test_the_example_conversation_is_long_and_can_be_played() -> None:
    lines = conversation(ROOT / "docs" / "examples" / "clinic.jsonl")
    assert len(lines) >= 200
    assert f"{len(lines)} lines" in README


def test_the_task_in_the_readme_works(tmp_path: Path, ml_url: str, guests: Callable[..., Guest], room: str) -> None:
    """Its one file, in a copy of Spillway in which nothing else was changed."""
    found = re.search(r"Save this as `(\S+)`.*?```python\n(.*?)```", README, re.DOTALL)
    assert found
    copy = checkout_with({}, tmp_path)
    assert not (copy / found[1]).exists(), "it is to be a file that was not there"
    (copy / found[1]).write_text(found[2])
    data = tmp_path / "data"
    data.mkdir()
    with Web(data, copy, ML_URL=ml_url) as web:
        ann = guests(web.url, "Ann")
        ann.join(room)
        message = ann.say(room, "He had 39.5 °C in the morning, and 102 degrees F at night")
        found_in_it = ann.found(message["seq"], "temperature")["temperature"]["result"]
        assert found_in_it == {"temperatures": ["39.5 °C", "102 degrees F"]}
        asked = ann.ask(room, "temperature", text="nothing")
        assert ann.final(asked["id"])["result"] == {"temperatures": []}
        error = ann.refused("job:create", {"room": room, "key": "k", "task": "temperature", "args": {"text": 5}})
        assert error["field"] == "args.text"
        described = {each["task"]: each for each in requests.get(f"{web.url}/api/tasks", timeout=10).json()["tasks"]}
        assert described["temperature"]["about"] == "Temperatures in a message"
        ann.close()
