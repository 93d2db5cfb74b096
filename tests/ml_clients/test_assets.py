"""Fetching foreign files, against wheels made here: no network is used."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.assets import ROOT, Asset, AssetError, bring, digest, read_pins, unpack

CONTENT = b"what we want"
ASSET = Asset(
    "a file", "parcel==1.0", "0" * 64, "parcel/file.bin", hashlib.sha256(CONTENT).hexdigest(), "deep/file.bin"
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(ASSET.member, CONTENT)
    path = tmp_path / "parcel.whl"
    path.write_bytes(made.getvalue())
    return path


def test_the_one_wanted_file_is_put_in_place(wheel: Path, tmp_path: Path) -> None:
    unpack(ASSET, wheel, tmp_path / ASSET.to)
    assert (tmp_path / ASSET.to).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file.bin"]


def test_a_file_with_another_hash_is_refused_and_nothing_is_written(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="not the pinned"):
        unpack(replace(ASSET, sha256="1" * 64), wheel, tmp_path / ASSET.to)
    assert not (tmp_path / ASSET.to).exists()


def test_a_wheel_without_the_file_is_refused(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="has no parcel/other"):
        unpack(replace(ASSET, member="parcel/other"), wheel, tmp_path / ASSET.to)


def test_a_broken_wheel_is_refused(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(b"no zip")
    with pytest.raises(AssetError):
        unpack(ASSET, wheel, tmp_path / ASSET.to)


def test_what_is_there_and_right_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ASSET.to).write_bytes(CONTENT)
    assert bring(ASSET, tmp_path / "downloads", tmp_path) is False


def test_a_wheel_that_was_fetched_serves_its_other_files(wheel: Path, tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    (downloads / ASSET.wheel).mkdir(parents=True)
    wheel.rename(downloads / ASSET.wheel / "parcel.whl")
    assert bring(ASSET, downloads, tmp_path) is True
    assert (tmp_path / ASSET.to).read_bytes() == CONTENT


def test_the_pinned_files_are_in_place_after_set_up() -> None:
    for asset in read_pins():
        assert digest(ROOT / asset.to) == asset.sha256, asset.to
