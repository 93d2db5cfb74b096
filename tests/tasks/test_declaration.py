"""@task: what a file in app/tasks says, and what it may not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypedDict

import pytest

from app import tasks
from app.payload import Refused
from app.tasks import Line, Links, Task, TaskDeclarationInvalid, Text, Upload, task


class Size(TypedDict):
    """How long a text is."""

    letters: int


@task
def measure(text: Text, unit: Literal["letters", "words"] = "letters") -> Size:
    """Length of a text

    Only the first line is shown.
    """
    return Size(letters=len(text))


def test_a_declared_task_is_still_a_function() -> None:
    assert measure("four") == {"letters": 4}
    assert measure(text="four") == {"letters": 4}


def test_name_and_words_come_from_the_function() -> None:
    assert (measure.name, measure.about) == ("measure", "Length of a text")


def test_a_bare_task_runs_on_request_only() -> None:
    assert (measure.runs, measure.after, measure.lane) == (("request",), None, "ml")


def test_a_task_after_another_does_not_run_by_request_unless_it_says_so() -> None:
    @task(after="triage")
    def quiet(triage: dict[str, Any]) -> Size:
        return Size(letters=0)

    @task(after="triage", runs=("request",))
    def loud() -> Size:
        return Size(letters=0)

    assert (quiet.runs, set(quiet.given)) == ((), {"triage"})
    assert (loud.runs, set(loud.given)) == (("request",), set())


def test_arguments_are_checked_against_the_signature() -> None:
    assert measure.check({"text": "x"}) == {"text": "x", "unit": "letters"}
    assert measure.check({"text": "x", "unit": "words"})["unit"] == "words"


@pytest.mark.parametrize(
    ("args", "field"),
    [
        ({}, "args.text"),
        ({"text": 1}, "args.text"),
        ({"text": ""}, "args.text"),
        ({"text": "x", "unit": "miles"}, "args.unit"),
        ({"text": "x", "colour": "red"}, "args.colour"),
        ({"text": "a\x00"}, "args.text"),
        ("text", "args"),
        (None, "args"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_the_field_named(args: Any, field: str) -> None:
    with pytest.raises(Refused, match="measure") as refused:
        measure.check(args)
    assert (refused.value.code, refused.value.field) == ("bad_request", field)


def test_what_spillway_fills_in_is_no_argument() -> None:
    @task(history=5)
    def recall(upload: Upload, history: list[Line], links: Links) -> Size:
        return Size(letters=0)

    assert recall.given == {"history", "links"}
    assert recall.arguments.__struct_fields__ == ("upload",)
    with pytest.raises(Refused) as refused:
        recall.check({"upload": "0" * 26, "links": {}})
    assert refused.value.field == "args.links"


def test_a_result_must_be_what_the_function_promises() -> None:
    measure.check_result(b'{"letters": 3}')
    for wrong in (b'{"letters": "3"}', b"{}", b"null", b"3", b"", b'{"letters": NaN}'):
        with pytest.raises(Refused):
            measure.check_result(wrong)


def takes_a_number(number: int) -> None: ...


def takes_text(text: Text) -> None: ...


def takes_history(history: list[Line]) -> None: ...


def takes_nothing() -> None: ...


def gives_a_size() -> Size: ...  # type: ignore[empty-body]  # only its types are looked at


def takes_anything(thing) -> None: ...  # type: ignore[no-untyped-def]  # what is wrong is the point


@pytest.mark.parametrize(
    ("options", "function", "words"),
    [
        ({"runs": ("sometimes",)}, takes_text, "sometimes"),
        ({"runs": ("message",)}, takes_a_number, "number"),
        ({"after": "triage"}, takes_a_number, "number"),
        ({"when": bool}, takes_text, "when"),
        ({"history": 3}, takes_text, "history"),
        ({}, takes_history, "history"),
        ({}, takes_anything, "thing"),
        ({"attempts": 0}, takes_nothing, "attempts"),
        ({"timeout": 0}, takes_nothing, "timeout"),
        ({"deadline": -1}, takes_nothing, "deadline"),
        ({"lane": "Two Words"}, takes_nothing, "Two Words"),
        ({"lane": "a.b"}, takes_nothing, "lane"),
        ({"chip": "{letters}"}, takes_nothing, "no named fields"),
        ({"chip": "{words}"}, gives_a_size, "words.*letters"),
        ({"chip": "{letters.real}"}, gives_a_size, "letters.real"),
        ({"chip": "{letters:>5}"}, gives_a_size, "format"),
        ({"chip": "{letters!r}"}, gives_a_size, "format"),
        ({"chip": "{}"}, gives_a_size, "field"),
        ({"chip": "{letters"}, gives_a_size, "chip"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused_at_once(
    options: dict[str, Any], function: Callable[..., Any], words: str
) -> None:
    with pytest.raises(TaskDeclarationInvalid, match=words) as refused:
        task(**options)(function)
    assert function.__name__ in str(refused.value)


def test_a_task_can_word_its_own_chip() -> None:
    assert task(chip="{letters} letters, in {{braces}}")(gives_a_size).chip == "{letters} letters, in {{braces}}"


def test_the_tasks_of_this_repository_are_found_by_their_files() -> None:
    found = tasks.discover()
    assert list(found) == sorted(found)
    assert {"triage", "escalate", "language", "sentiment", "summarize", "monochrome"} <= set(found)
    assert [each.name for each in tasks.on_message(found) if each.on] == ["language", "sentiment", "triage"]
    assert len(found) >= 16
    assert found["triage"].followers == ("escalate", "unanswered")
    assert all(isinstance(each, Task) and each.about for each in found.values())
