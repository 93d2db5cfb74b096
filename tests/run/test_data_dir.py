"""DATA_DIR: for its owner only, for one supervisor at a time, and a key that is whole or not there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.compare.system import ROOT, System
from app.data_dir import DataDirInUse, locked, make_private, secret_key
from app.settings import SettingInvalid, from_env
from tests.guest import WAIT
from tests.web import Web, environment


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """The umask of this process, as it was."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """Who may do what with it."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_random_key_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    settings = from_env({"DATA_DIR": str(tmp_path)})
    key = secret_key(settings)
    assert len(key) == 64
    assert secret_key(settings) == key
    assert mode(tmp_path / "secret_key") == 0o600
    assert secret_key(from_env({"DATA_DIR": str(tmp_path), "SECRET_KEY": "mine" * 8})) == "mine" * 8


@pytest.mark.parametrize("text", ["x" * 31, *(pytest.param(each, marks=pytest.mark.slow) for each in ("", "\n"))])
def test_a_key_file_that_is_too_short_stops_the_start_with_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret_key").write_text(text)
    with pytest.raises(SettingInvalid, match="expected at least 32"):
        secret_key(from_env({"DATA_DIR": str(tmp_path)}))
    done = subprocess.run(
        [sys.executable, "wsgi.py"],
        cwd=ROOT,
        env=environment(DATA_DIR=str(tmp_path), PORT="0"),
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "secret_key has" in done.stderr


def test_a_key_that_cannot_be_written_whole_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: the file can be made, and nothing can be written into it."""
    full = OSError(28, "No space left on device")

    def fsync(_: int) -> None:
        raise full

    monkeypatch.setattr("os.fsync", fsync)
    with pytest.raises(SettingInvalid, match="No space left on device"):
        secret_key(from_env({"DATA_DIR": str(tmp_path)}))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(secret_key(from_env({"DATA_DIR": str(tmp_path)}))) == 64


def test_everything_a_web_process_keeps_is_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "spillway.db").touch(mode=0o644)  # as an earlier release left it
    with Web(data):
        assert mode(data) == 0o700
        kept = [path for path in data.rglob("*") if path.name != "web.log"]
        assert {path.name for path in kept} >= {"spillway.db", "spillway.db-wal", "secret_key"}
        assert {path.name: mode(path) for path in kept if mode(path) & 0o077} == {}


@pytest.mark.slow
def test_everything_a_whole_system_keeps_is_for_its_owner_only(ml_url: str, tmp_path: Path) -> None:
    with System(folder=str(tmp_path / "data"), ML_URL=ml_url) as system:
        kept = [system.data, *system.data.rglob("*")]
        assert {path.name for path in kept} >= {"nats", "jetstream", "nats.log"}
        assert {str(path): oct(mode(path)) for path in kept if mode(path) & 0o077} == {}


def test_a_folder_for_many_keeps_its_mode(tmp_path: Path) -> None:
    """DATA_DIR=/tmp is unwise; taking /tmp away from everybody else would be worse."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    make_private(shared)
    assert mode(shared) == 0o1777


def test_a_folder_is_locked_for_as_long_as_its_supervisor_lives(tmp_path: Path) -> None:
    settings = from_env({"DATA_DIR": str(tmp_path)})
    with locked(settings):
        with pytest.raises(DataDirInUse, match=rf"another make run \(process {os.getpid()}\)"), locked(settings):
            pass
        assert (tmp_path / "run.lock").read_text() == f"{os.getpid()}\n"
    with locked(settings):
        pass
