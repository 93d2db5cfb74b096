"""docs/compare.md has every field of compare.json and every rule of the verdict, and no other."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from app.compare import loads, samples, verdict
from app.compare.samples import VARIANTS
from app.compare.system import ROOT

PAGE = (ROOT / "docs" / "compare.md").read_text()
STRUCTS = {
    name: each
    for module in (samples, loads, verdict)
    for name, each in vars(module).items()
    if isinstance(each, type) and issubclass(each, msgspec.Struct)
}


def fields(name: str) -> list[str]:
    """The first cells of the table under a heading."""
    section = re.split(r"^##", PAGE.partition(f"\n### {name}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(r"^\| `([a-z0-9_]+)` \|", section, flags=re.MULTILINE)


@pytest.mark.parametrize("name", STRUCTS)
def test_every_field_is_documented_in_its_order(name: str) -> None:
    assert fields(name) == [each.name for each in msgspec.structs.fields(STRUCTS[name])]


def test_no_shape_is_documented_that_does_not_exist() -> None:
    assert set(re.findall(r"^### (\w+)$", PAGE.partition("\n## compare.json\n")[2], flags=re.MULTILINE)) == set(STRUCTS)


def test_the_schema_and_the_variants_are_those_in_the_code() -> None:
    assert f"| `schema` | {samples.SCHEMA} |" in PAGE
    assert all(f"| `{variant}` |" in PAGE for variant in VARIANTS)


@pytest.mark.parametrize("rule", ["bound", "undone", "answer", "ack", "conflict", "draw", "unknown", "out", "alone"])
def test_every_rule_has_its_name_in_the_page(rule: str) -> None:
    assert f"`{rule}`" in PAGE


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (verdict.NOTICED_MS, "5 ms"),
        (100 * verdict.NOTICED_SHARE, "5 %"),
        (100 * verdict.SINGLE_REPEAT_SPREAD, "20 %"),
        (verdict.SPREAD_FACTORS, "four times the spread and with three\n     twice"),
        (100 * loads.TARGET_CORE_SHARE, "60 % busy"),
        (loads.LEDGER_JOBS_PER_SECOND, "5,000 jobs a second"),
        (loads.PEAK_TO_AVERAGE, "33/16"),
    ],
)
def test_the_numbers_of_the_rules_are_those_in_the_code(value: Any, words: str) -> None:
    expected = {
        "5 ms": 5.0,
        "5 %": 5.0,
        "20 %": 20.0,
        "60 % busy": 60.0,
        "5,000 jobs a second": 5000,
        "33/16": 33 / 16,
    }
    assert words in PAGE
    assert value == expected.get(words, {2: 4.0, 3: 2.0})
