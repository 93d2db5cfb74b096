"""nginx in front of several web processes on one machine, where it is installed; deploy/nginx.conf is its configuration."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

CONFIGURATION = Path(__file__).parents[1] / "deploy" / "nginx.conf"
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"  # Debian's is not on everybody's PATH
AWAY = "max_fails=2 fail_timeout=2s"  # two connections in a row that fail, and it is asked again after two seconds


def binary() -> str | None:
    """The nginx that is installed, or None."""
    return shutil.which("nginx") or shutil.which("nginx", path=PLACES)


def write_configuration(folder: Path, listen: str, processes: Iterable[str]) -> Path:
    """Have nginx listen there, in front of these HOST:PORT; returns its configuration file, in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFIGURATION, folder / "nginx.conf")
    (folder / "listen.conf").write_text(f"listen {listen};\n")
    (folder / "processes.conf").write_text("".join(f"server {process} {AWAY};\n" for process in processes))
    return folder / "nginx.conf"
