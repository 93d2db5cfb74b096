"""The rules and the dashboard of deploy/: each expression is run by a real Prometheus that scrapes a real run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from app.compare.system import ROOT, System
from app.ports import free_port
from tests.cluster import Cluster
from tests.conftest import need
from tests.guest import WAIT, Guest
from tests.lossless.evidence import until

RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "spillway.json"
# There is nothing to see of these while nothing goes wrong and nobody is called back.
QUIET = ("dead_letters", "callbacks", "outcomes_dropped", "loop_failures", "retries")


def rules() -> list[dict[str, Any]]:
    """Every rule."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """Every expression, by where it is."""
    found = {f"rule {rule.get('record') or rule['alert']}": rule["expr"] for rule in rules()}
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        found |= {f"panel {panel['title']} {each['refId']}": each["expr"] for each in panel["targets"]}
    return found


def test_every_figure_they_name_is_one_of_ours() -> None:
    documented = set(re.findall(r"`(spillway_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    known = documented | {f"{name}_bucket" for name in documented}
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for where, expression in expressions().items():
        assert set(re.findall(r"\bspillway_\w+", expression)) <= known, where
        assert set(re.findall(r"\bspillway:[\w:]+", expression)) <= recorded, where


def test_every_alert_says_what_it_means_and_is_in_the_handbook() -> None:
    handbook = (ROOT / "docs" / "operations.md").read_text()
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("page", "warn")
            assert f"`{rule['alert']}`" in handbook, rule["alert"]


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.fixture(scope="module")
def run(cluster: Cluster) -> Iterator[System]:
    """Two web processes, a broker and a worker, that people have used on both paths."""
    with System(WEB="2", DATABASE_URL=cluster.database(), SECRET_KEY="k" * 32) as system:
        guests = [Guest(f"http://127.0.0.1:{system.port + number}", name) for number, name in enumerate(("Ann", "Ben"))]
        for guest in guests:
            guest.join("ward")
        for path in ("simple", "queued"):
            system.flag(path)
            for number in range(3):
                said = guests[0].say("ward", f"Good morning, {path} {number}")
                guests[1].found(said["seq"], "triage", "language", "sentiment")
        guests[0].refused("message:send", {"room": "elsewhere", "key": "k", "text": "x"})
        yield system
        for guest in guests:
            guest.close(wait=False)


@pytest.fixture(scope="module")
def prometheus(run: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that has scraped them for a while."""
    binary = shutil.which("prometheus")
    need(binary, "Prometheus (make prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    address = f"127.0.0.1:{free_port()}"
    configuration = configured(run)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [binary or "", f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, f"--storage.tsdb.path={folder / 'data'}"], stdout=log, stderr=log)
    try:
        until(lambda: _is_ready(server, address, folder / "log"), "Prometheus is ready")
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(WAIT)


def _is_ready(server: subprocess.Popen[bytes], address: str, log: Path) -> bool:
    assert server.poll() is None, log.read_text()
    try:
        return requests.get(f"http://{address}/-/ready", timeout=WAIT).status_code == 200
    except requests.ConnectionError:
        return False


def configured(run: System) -> dict[str, Any]:
    """deploy/prometheus/prometheus.yml with these processes as its targets, and no token, for they are on this machine."""
    configuration: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms", "scrape_timeout": "500ms"}
    configuration["rule_files"] = [str(RULES)]
    (scraped,) = configuration["scrape_configs"]
    del scraped["authorization"]
    scraped["static_configs"] = [{"targets": [f"127.0.0.1:{run.port + number}" for number in range(2)]}]
    return configuration


def asked(prometheus: str, expression: str) -> list[Any]:
    """What it finds; fails when it cannot be run."""
    answer = requests.get(f"{prometheus}/api/v1/query", params={"query": expression}, timeout=WAIT)
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    return list(answer.json()["data"]["result"])


@pytest.mark.slow
def test_every_expression_runs_and_those_of_a_healthy_system_find_something(run: System, prometheus: str) -> None:
    until(lambda: len(asked(prometheus, 'up{job="spillway"} == 1')) == 2, "both are scraped")
    until(lambda: asked(prometheus, "spillway:answer_seconds:p95"), "the rules are evaluated")
    alerts = {f"rule {rule['alert']}" for rule in rules() if "alert" in rule}
    for where, expression in expressions().items():
        if where in alerts or any(name in expression for name in QUIET):
            asked(prometheus, expression)
        else:
            until(partial(asked, prometheus, expression), f"{where} finds something")


@pytest.mark.slow
def test_nothing_is_wrong_with_a_healthy_system(run: System, prometheus: str) -> None:
    assert asked(prometheus, 'ALERTS{alertstate="firing"}') == []
    assert [float(each["value"][1]) for each in asked(prometheus, "max(spillway_workers)")] == [1]
    submitted = asked(prometheus, "sum(spillway_jobs_accepted_total)")
    assert [float(each["value"][1]) for each in submitted] == [18]
