"""docs/compare.md has every field of a workload file with its default, every preset with its bounds, and examples that load."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from app import tasks as declared
from app.compare import workload
from app.compare.driver import REFUSED_CODES
from app.compare.system import ROOT
from app.compare.workload import PRESETS, Bounds, Workload
from ml_clients.synthetic.behaviour import DEFAULT, MODELS, Times

PAGE = (ROOT / "docs" / "compare.md").read_text()
SECTION = PAGE.partition("\n## Workload files\n")[2].partition("\n## ")[0]
TASKS = declared.discover()


def rows(heading: str) -> dict[str, list[str]]:
    """The table under a heading: its cells by the first one."""
    under = SECTION.partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in under.splitlines() if "|" in line]
    return {row[0].strip("` "): row[1:] for row in cells if row[0].strip().startswith("`")}


def default(field: msgspec.structs.FieldInfo) -> str:
    """A field's default as the page writes it."""
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    if isinstance(value, Bounds):
        return "see below"
    return f"`{value}`" if value else {"name": "of the file"}.get(field.name, f"`{value}`" if value == 0 else "none")


def test_every_field_of_a_workload_is_documented_with_its_default_and_no_other() -> None:
    there = rows("The file")
    assert list(there) == [each.name for each in msgspec.structs.fields(Workload)]
    for field in msgspec.structs.fields(Workload):
        kind, said, about = there[field.name]
        assert kind
        assert said == default(field), field.name
        assert about


def test_every_bound_is_documented_with_its_default() -> None:
    there = rows("`[bounds]`")
    assert {name: row[0] for name, row in there.items()} == {
        each.name: default(each) if each.name != "tasks" else "none" for each in msgspec.structs.fields(Bounds)
    }


def test_every_field_of_the_synthetic_times_is_documented_with_its_default() -> None:
    there = rows("The synthetic model server")
    assert there["median_ms"][0] == f"required; {DEFAULT.median_ms:g} for a model without a table"
    for field in msgspec.structs.fields(Times)[1:]:
        assert there[field.name][0] == f"`{field.default}`"
    assert all(f"`{model}`" in SECTION for model in MODELS)


def test_every_preset_is_in_the_table_with_its_models_and_bounds() -> None:
    there = rows("Presets")
    assert list(there) == workload.presets()
    for name in workload.presets():
        preset = workload.load(PRESETS / f"{name}.toml", TASKS)
        _, models, bounds = there[name]
        assert models == preset.models
        ack = f"{preset.bounds.ack_ms:g} ms" if preset.bounds.ack_ms < 1000 else f"{preset.bounds.ack_ms / 1000:g} s"
        tasks = [f"`{task}` {seconds:g} s" for task, seconds in preset.bounds.tasks.items()]
        assert bounds == ", ".join([f"acks {ack}", f"answers {preset.bounds.answer_s:g} s", *tasks])


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL))
def test_the_examples_are_workloads(tmp_path: Path, example: str) -> None:
    (tmp_path / "clinic.jsonl").write_bytes((ROOT / "docs" / "examples" / "clinic.jsonl").read_bytes())
    (tmp_path / "example.toml").write_text(example)
    assert workload.arrivals(workload.load(tmp_path / "example.toml", TASKS), tmp_path, 1.0, 1)


def test_the_codes_that_are_not_tried_again_are_those_in_the_code() -> None:
    sentence = re.search(r"\*\*Refused\*\* are (.*?): counted", SECTION)
    assert sentence
    assert tuple(re.findall(r"`(\w+)`", sentence[1])) == REFUSED_CODES
