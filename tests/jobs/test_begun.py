"""Which runs had begun is known after a kill; where it cannot be known, all had."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.jobs import begun
from app.jobs.begun import Begun


def test_what_began_and_has_not_ended_is_known_to_the_next_process(tmp_path: Path) -> None:
    first = Begun(tmp_path / "begun", 4)
    for n in (1, 1 << 60, 3):
        first.note(n)
    first.forget(1)
    first.forget(99)

    next_one = Begun(tmp_path / "begun", 4)

    assert [n for n in (1, 1 << 60, 2, 3) if next_one.had(n)] == [1 << 60, 3]
    assert not any(Begun(tmp_path / "begun", 4).had(n) for n in (1, 1 << 60, 2, 3))


def test_a_place_serves_again_when_its_run_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun, "SPARE", 0)
    first = Begun(tmp_path / "begun", 2)
    for n in range(1, 100):
        first.note(n)
        first.note(n)  # another attempt
        first.forget(n)
    first.note(100)

    next_one = Begun(tmp_path / "begun", 2)
    assert [n for n in range(1, 102) if next_one.had(n)] == [100]


@pytest.mark.parametrize("kept", ["nothing", "too many"])
def test_all_had_begun_where_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    monkeypatch.setattr(begun, "SPARE", 0)
    if kept == "too many":
        first = Begun(tmp_path / "begun", 1)
        first.note(1)
        first.note(2)
    assert Begun(tmp_path / "begun", 1).had(3)


def test_a_file_that_cannot_be_had_is_said_and_everything_else_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "begun").mkdir()
    made = Begun(tmp_path / "begun", 1)
    made.note(1)
    made.forget(1)
    assert made.had(1)
    assert "which runs began is not kept" in capsys.readouterr().out


def test_who_has_it_open_already_is_not_disturbed(tmp_path: Path) -> None:
    first = Begun(tmp_path / "begun", 4)
    first.note(1)
    Begun(tmp_path / "begun", 1)
    first.note(2)
    first.forget(1)
    assert Begun(tmp_path / "begun", 1).had(2)


def test_a_file_of_something_else_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / "begun").write_bytes(bytes(8) + b"\x07" + bytes(7) + b"half")
    made = Begun(tmp_path / "begun", 1)
    assert [n for n in range(10) if made.had(n)] == [7]
