"""docs/security.md names files and tests that exist, and every part that has a test of its own is among them."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from app.compare.system import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
THREATS = re.findall(r"^\| (.+?) \| `(.+?)` \| `(.+?)::(.+?)` \|$", PAGE, re.MULTILINE)


def test_the_table_of_threats_was_read() -> None:
    rows = PAGE.partition("## Threats")[2].partition("\n## ")[0].count("\n| ") - 2  # without its head
    assert len(THREATS) == rows > 25


@pytest.mark.parametrize(("threat", "answer", "file", "name"), THREATS, ids=[row[0][:40] for row in THREATS])
def test_a_threat_has_an_answer_and_a_test(threat: str, answer: str, file: str, name: str) -> None:
    assert (ROOT / answer).is_file(), answer
    functions = {
        each.name for each in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(each, ast.FunctionDef)
    }
    assert name in functions, f"{file} has no {name}"


def test_every_exception_from_a_rule_of_security_has_its_reason() -> None:
    """Beside the line: `# nosec B603 # why`, `# noqa: S603 - why`."""
    found = []
    for path in [ROOT / "wsgi.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "ml_clients").rglob("*.py")]:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            exception = re.search(r"#\s*(?:noqa: .*?\bS\d+|nosec\b)(.*)", line)
            if exception:
                reason = re.sub(r"#?\s*(nosec|noqa:)|[BS]\d{3}|,", "", exception[1]).strip(" -#")
                found.append((f"{path.relative_to(ROOT)}:{number}", reason))
    assert found
    assert [place for place, reason in found if len(reason) < 8] == []


def test_bandit_looks_at_everything_that_is_shipped() -> None:
    makefile = (ROOT / "Makefile").read_text()
    command = re.search(r"BIN\)/bandit .*", makefile)
    assert command
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    for shipped in [*(name for name in settings if "*" not in name), "wsgi.py"]:
        assert f" {shipped}" in command[0]


def test_a_fault_can_be_reported() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "privately" in text
    assert Path(ROOT / "docs" / "security.md").exists()
