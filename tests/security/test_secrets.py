"""A whole run, looked through for every secret that it used: what it wrote, answered, counted and showed to `ps`."""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from app.compare.system import ROOT, System
from tests.guest import SECRETS, WAIT, Guest, Raw, signed
from tests.lossless.evidence import until
from tests.web import ended, environment

KEEPERS = (
    "secret_key",
    "nats/nats.conf",
    "nats/url",
    "nats/worker-url",
    "nats/service-url",
)  # made to hold secrets, readable by their owner only
MARKER = "A sentence that nobody else would write"

pytestmark = pytest.mark.slow


@dataclass
class Run:
    """A system under AUTH=token on both paths, what it was given, and what it said."""

    system: System
    secrets: dict[str, str]  # name -> what must be nowhere
    links: dict[str, str] = field(default_factory=dict)  # what its holder may see, and no log, figure or `ps`
    answers: list[str] = field(default_factory=list)  # every answer, as text
    printed: list[str] = field(default_factory=list)  # what commands printed

    def ask(self, method: str, path: str, token: str | None = None, **more: Any) -> requests.Response:
        """One request; its answer is kept."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, self.system.url + path, headers=headers, timeout=WAIT, **more)
        self.answers.append(f"{answer.headers}\n{answer.content.decode('utf-8', 'replace')}")
        return answer

    def token(self, name: str, **claims: Any) -> str:
        """A token, which is a secret, too."""
        made = signed(self.secrets["AUTH_SECRET"], sub=name, rooms=["clinic"], **claims)
        self.secrets[f"token of {name}"] = made
        self.secrets[f"signature of {name}"] = made.rpartition(".")[2]
        return made

    def command(self, *words: str, code: int, **settings: str) -> None:
        """Run a command that ends with this code; what it prints is kept."""
        done = ended(["-m", "app", *words], settings)
        assert done.returncode == code, done.stdout + done.stderr
        self.printed.append(done.stdout + done.stderr)


@pytest.fixture(scope="module")
def run(parts: None) -> Iterator[Run]:
    """It is used as people, operators and strangers would, and looked at while it runs."""
    names = ("AUTH_SECRET", "METRICS_TOKEN", "SECRET_KEY", "CALLBACK_SECRET")
    given = {name: secrets.token_hex(24) for name in names}
    more = {"AUTH": "token", "LOG_LEVEL": "debug", "CALLBACK_HOSTS": "127.0.0.1", "NATS_INTAKE": "1"}
    with System(root=ROOT, queue=True, folder=None, log=None, **more, **given) as system:
        SECRETS[system.url] = given["AUTH_SECRET"]
        system.token = signed(given["AUTH_SECRET"], sub="root", role="operator", rooms=["*"])
        made = Run(system, {**given, "token of the operator": system.token})
        config = (system.data / "nats" / "nats.conf").read_text()
        made.secrets |= {
            f"password of {user}": word for user, word in re.findall(r'user: "(\w+)", password: "(\w+)"', config)
        }
        _people(made)
        _programs(made)
        _strangers(made)
        _operators(made)
        yield made


def _people(run: Run) -> None:
    """Ada sends, asks, and shows an image; her job goes over the queue."""
    run.system.flag("queued")
    ada = Guest(run.system.url, "Ada", token=run.token("ada"))
    upload_token = ada.join("clinic")["upload_token"]
    message = ada.say("clinic", MARKER)
    ada.found(message["seq"], "language")
    picture = {"file": ("x.png", (ROOT / "docs" / "screenshot.png").read_bytes(), "image/png")}
    form = {"room": "clinic", "token": upload_token}
    upload = run.ask("POST", "/api/uploads", run.token("ben"), data=form, files=picture)
    if upload.status_code != 201:  # the upload token is Ada's
        upload = run.ask("POST", "/api/uploads", run.secrets["token of ada"], data=form, files=picture)
    shown = ada.say("clinic", "Look", upload=upload.json()["upload"])
    url = shown["data"]["url"]
    run.links = {"upload token": upload_token, "signature of a link": re.search(r"sig=([^&]+)", url)[1]}  # type: ignore[index]
    assert run.ask("GET", url).status_code == 200
    assert run.ask("GET", url[:-4] + "xxxx").status_code == 403
    ada.close()


def _programs(run: Run) -> None:
    """A program asks for a job, and is away when it is called back."""
    place = run.links["path of a callback"] = secrets.token_hex(24)
    token = run.token("billing", role="service")
    sender = {"id": "ada", "name": "Ada"}
    body = {"key": "k", "task": "language", "args": {"text": "x"}, "callback": f"http://127.0.0.1:9/{place}"}
    job = run.ask("POST", "/api/rooms/clinic/jobs", token, json={**body, "sender": sender}).json()["job"]
    run.ask("POST", "/api/rooms/clinic/jobs", token, json={**body, "callback": f"https://elsewhere/{place}"})
    until(lambda: "a callback was not taken" in run.system.log.read_text(), "it is called back")
    for path in (f"/api/jobs/{job['id']}", "/api/rooms/clinic/messages"):
        assert run.ask("GET", path, token).status_code == 200


def _strangers(run: Run) -> None:
    """Tokens that are no good, over Socket.IO and HTTP, and secrets where they do not belong."""
    run.token("eve", exp=1)
    forged = signed(secrets.token_hex(24), sub="mallory")
    run.secrets |= {"forged token": forged, "long token": "q" * 5000}
    for name in ("token of eve", "forged token", "long token"):
        bare = Raw(run.system.url, {"token": run.secrets[name]})
        run.answers.append(bare.answer)
        bare.close()
        for path in ("/api/tasks", "/api/flags?room=clinic", "/api/jobs", "/nowhere", "/metrics"):
            run.ask("GET", path, run.secrets[name])
    run.ask("GET", "/nowhere?x=y", run.secrets["token of ada"])
    run.ask("PUT", "/api/flags/triage", run.secrets["token of ada"], json={"path": 7})
    beside = Raw(run.system.url, {"token": run.secrets["token of ada"], "name": "Ada"})
    run.answers.append(beside.answer)
    beside.close()


def _operators(run: Run) -> None:
    """Figures and commands, also those that fail."""
    for path in ("/api/jobs", "/api/operator", "/api/live", "/api/dead-letters", "/openapi.json", "/asyncapi.json"):
        assert run.ask("GET", path, run.system.token).status_code == 200
    assert run.ask("GET", "/metrics", run.secrets["METRICS_TOKEN"]).status_code == 200
    wrong = {"NATS_URL": f"nats://web:{run.secrets['password of web']}@127.0.0.1:9"}
    token = run.system.token or ""
    run.command("flags", "ls", "--url", run.system.url, code=0, SPILLWAY_TOKEN=token)
    run.command("flags", "ls", "--url", run.system.url, code=1, SPILLWAY_TOKEN=run.secrets["forged token"])
    run.command("streams", "plan", code=0, DATA_DIR=str(run.system.data))
    run.command("streams", "plan", code=1, **wrong)
    run.command("worker-check", "--task", "language", code=1, **wrong)
    run.command("flags", "ls", code=1, SECRET_KEY=run.secrets["SECRET_KEY"][:31])
    run.secrets["short key"] = run.secrets["SECRET_KEY"][:31]


def found(words: dict[str, str], texts: dict[str, bytes]) -> list[str]:
    """Which of these is in which text."""
    return [
        f"{name} in {place}" for name, word in words.items() for place, text in texts.items() if word.encode() in text
    ]


def written(run: Run) -> dict[str, bytes]:
    """Everything in DATA_DIR but what is made to hold secrets, and the log."""
    files = [path for path in run.system.data.rglob("*") if path.is_file()]
    kept = {str(path.relative_to(run.system.data)): path for path in files}
    assert set(KEEPERS) - {"secret_key"} <= set(kept)
    texts = {name: path.read_bytes() for name, path in kept.items() if name not in KEEPERS}
    return {**texts, "the log": run.system.log.read_bytes()}


def shown_by_ps(run: Run) -> dict[str, bytes]:
    """The command lines of every process of the run."""
    lines = {}
    for process in psutil.process_iter():
        try:
            lines[f"ps: {process.pid} {process.name()}"] = " ".join(process.cmdline()).encode()
        except psutil.Error:  # it has just ended
            continue
    return {place: line for place, line in lines.items() if b"pytest" not in line}


def test_no_secret_is_in_anything_that_a_run_wrote(run: Run) -> None:
    texts = written(run)
    assert found({"what Ada said": MARKER}, texts), "the search finds nothing at all"
    assert any(b"connection refused" in text for text in texts.values())
    assert found(run.secrets, texts) == []
    logs = {name: text for name, text in texts.items() if name.endswith(("log", ".ready", ".lock"))}
    assert len(logs) >= 3
    assert found(run.links, logs) == []


def test_no_secret_is_in_an_answer_or_in_what_commands_print(run: Run) -> None:
    answers = {f"answer {number}": text.encode() for number, text in enumerate(run.answers)}
    printed = {f"command {number}": text.encode() for number, text in enumerate(run.printed)}
    assert len(answers) > 20
    place = {"path of a callback": run.links["path of a callback"]}
    assert found({**run.secrets, **place}, answers | printed) == []


def test_no_secret_is_in_the_figures_or_shown_by_ps(run: Run) -> None:
    figures = run.ask("GET", "/metrics", run.secrets["METRICS_TOKEN"]).content
    assert b"spillway_" in figures
    lines = shown_by_ps(run)
    assert any(b"nats-server" in line for line in lines.values())
    assert found({**run.secrets, **run.links}, {**lines, "/metrics": figures}) == []


@pytest.mark.parametrize("name", KEEPERS[1:])
def test_what_holds_secrets_is_for_its_owner_only(run: Run, name: str) -> None:
    path: Path = run.system.data / name
    assert found(run.secrets, {name: path.read_bytes()}), "then it is no keeper of secrets"
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_no_secret_is_in_the_report_of_a_comparison(parts: None, tmp_path: Path) -> None:
    given = {name: secrets.token_hex(24) for name in ("METRICS_TOKEN", "SECRET_KEY")}
    file = tmp_path / "small.toml"
    file.write_text('about = "few"\nseconds = 1\nrate = 5\nrooms = 1\nmodels = "synthetic"\n')
    words = ["compare", "--workload", str(file), "--out", str(tmp_path / "out"), "--variants", "simple,queued"]
    done = subprocess.run(
        [sys.executable, "-m", "app", *words],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=WAIT * 4,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    texts = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert len(texts) >= 2
    assert found(given, {**texts, "printed": (done.stdout + done.stderr).encode()}) == []
