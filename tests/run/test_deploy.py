"""What deploy/ says of Spillway is so: its settings, probes, ports and commands are those of the code.

No container engine runs here: the topology is tested as plain processes (test_cluster.py), these files by what they say.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.compare.system import ROOT
from app.process import HARD_EXIT_SECONDS
from app.settings import Settings
from tests.conftest import need

DEPLOY = ROOT / "deploy"
SETTINGS = {each.name.upper() for each in fields(Settings)}
OTHERS = {"POD_IP", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}  # not read by Spillway
PROBES = ("/livez", "/readyz")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def manifests() -> list[dict[str, Any]]:
    """Every object for Kubernetes."""
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / "spillway.yml").read_text()))


def services() -> dict[str, dict[str, Any]]:
    """The services of the compose file that run Spillway."""
    every = yaml.safe_load((DEPLOY / "compose.yml").read_text())["services"]
    return {name: each for name, each in every.items() if each["image"] == "spillway"}


def pods() -> dict[str, dict[str, Any]]:
    """What runs on Kubernetes, by name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests()
        if each["kind"] == "Deployment"
    }


def environments() -> Iterator[tuple[str, set[str]]]:
    """The names that each file gives values for."""
    for name, service in services().items():
        yield f"compose: {name}", set(service.get("environment", {}))
    for each in manifests():
        if each["kind"] == "ConfigMap":
            yield "kubernetes: ConfigMap", set(each["data"])
    for name, pod in pods().items():
        yield f"kubernetes: {name}", {value["name"] for value in pod["containers"][0].get("env", ())}
    for unit in UNITS:
        given = re.findall(r"^Environment=(.*)$", unit.read_text(), re.MULTILINE)
        yield unit.name, {word.partition("=")[0] for line in given for word in line.split()}
    given = re.findall(r"^ENV (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    yield "Dockerfile", {word.partition("=")[0] for line in given for word in line.split()}


def test_every_value_is_one_of_a_setting() -> None:
    for where, names in environments():
        assert names <= SETTINGS | OTHERS, f"{where}: {names - SETTINGS - OTHERS}"


def commands() -> Iterator[tuple[str, list[str]]]:
    """What each of them runs."""
    for name, service in services().items():
        yield name, service.get("command", ["python", "wsgi.py"])
    for name, pod in pods().items():
        yield name, pod["containers"][0].get("command", ["python", "wsgi.py"])
    for unit in UNITS:
        line = re.search(r"^ExecStart=\S+/python (.*)$", unit.read_text(), re.MULTILINE)
        assert line, unit
        yield unit.name, ["python", *line[1].split()]


def test_every_command_is_there() -> None:
    for where, (program, *arguments) in commands():
        assert program == "python", where
        if arguments[0] == "-m":
            assert importlib.util.find_spec(arguments[1]), where
        else:
            assert (ROOT / arguments[0]).is_file(), where


def test_every_probe_asks_what_there_is() -> None:
    for name, pod in pods().items():
        container = pod["containers"][0]
        for kind in ("readinessProbe", "livenessProbe", "startupProbe"):
            path = container.get(kind, {}).get("httpGet", {}).get("path")
            assert path in (None, *PROBES), f"{name}: {kind}"
    web = pods()["spillway-web"]["containers"][0]
    assert web["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert web["livenessProbe"]["httpGet"]["path"] == "/livez"  # not /readyz: a database that is away kills nobody


def test_a_process_has_time_to_stop() -> None:
    most = Settings().drain_seconds + HARD_EXIT_SECONDS
    assert pods()["spillway-web"]["terminationGracePeriodSeconds"] > most
    assert all(int(each["stop_grace_period"].rstrip("s")) > most for name, each in services().items() if "web" in name)
    for unit in UNITS:
        if "web" in unit.name:
            found = re.search(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE)
            assert found
            assert int(found[1]) > most


def test_nothing_runs_as_root_or_may_write_where_it_need_not() -> None:
    assert "USER spillway" in (DEPLOY / "Dockerfile").read_text()
    for name, pod in pods().items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"], name
    assert all(service["read_only"] for service in services().values())


def test_the_image_has_what_it_copies() -> None:
    for line in re.findall(r"^COPY (?!--from)(.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    need(shutil.which("systemd-analyze"), "systemd-analyze")
    for unit in UNITS:  # with a program that is there
        text = unit.read_text().replace("/opt/spillway/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "spillway" in line]
    assert not said
    assert UNITS


@pytest.mark.parametrize("name", ["compose/listen.conf", "compose/processes.conf", "nginx.conf"])
def test_what_compose_mounts_is_there(name: str) -> None:
    assert (DEPLOY / name).is_file()
    assert f"./{name}:" in (DEPLOY / "compose.yml").read_text()
