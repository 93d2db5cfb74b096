"""What `pip install .` takes with it: all that the code reads at run time, and nothing that is ours to test with."""

from __future__ import annotations

import subprocess
import tomllib
from fnmatch import fnmatch

import pytest

from app.compare.system import ROOT

SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def in_git(folder: str) -> list[str]:
    """The files that are committed below a folder, as paths relative to it."""
    command = ["git", "ls-files", "--", folder]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [path.removeprefix(f"{folder}/") for path in listed.stdout.split()]


@pytest.mark.parametrize("package", ["app", "ml_clients"])
def test_every_file_that_is_no_python_is_package_data(package: str) -> None:
    patterns = SETUPTOOLS["package-data"][package]
    data = [path for path in in_git(package) if not path.endswith(".py")]
    assert data
    assert [path for path in data if not any(fnmatch(path, pattern) for pattern in patterns)] == []


@pytest.mark.parametrize("package", ["app", "ml_clients"])
def test_every_folder_with_python_in_it_is_a_package_or_package_data(package: str) -> None:
    patterns = SETUPTOOLS["package-data"][package]
    for path in in_git(package):
        folder = (ROOT / package / path).parent
        if path.endswith(".py") and not (folder / "__init__.py").exists():
            assert any(fnmatch(path, pattern) for pattern in patterns), path
