"""Text in pictures and words of recordings, by the real models where they are installed (make ocr, make speech)."""

import importlib.util
import io
import subprocess
import sys
import wave

import pytest
from PIL import Image, ImageDraw, ImageFont

from ml_clients.embedded.models import FILES
from ml_clients.embedded.ocr import Reader
from ml_clients.embedded.pictures import NoPictureError
from ml_clients.embedded.speech import Listener, NoSoundError, SoundTooLongError
from tests.conftest import need
from tests.ml_clients.conftest import ROOT
from tests.ml_clients.test_monochrome import drawn

LINES = ["Take 500 mg twice a day", "Room 12, Monday 9:30", "Dr. Miller"]


@pytest.fixture(scope="module")
def reader() -> Reader:
    need(importlib.util.find_spec("rapidocr") is not None, "rapidocr (make ocr)")
    return Reader()


@pytest.fixture(scope="module")
def listener() -> Listener:
    need(importlib.util.find_spec("faster_whisper") is not None, "faster-whisper (make speech)")
    need((FILES / "whisper" / "model.bin").is_file(), "Whisper's weights (make speech)")
    return Listener(FILES / "whisper")


def page(lines: list[str]) -> bytes:
    """A page with these lines."""
    image = Image.new("RGB", (700, 80 * len(lines) + 40), "white")
    for number, line in enumerate(lines):
        ImageDraw.Draw(image).text((30, 80 * number + 20), line, fill="black", font=ImageFont.load_default(36))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def silence(seconds: int) -> bytes:
    """A recording of nothing."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(4000)
        file.writeframes(b"\x80" * (seconds * 4000))
    return out.getvalue()


def test_the_lines_of_a_page_are_read_in_their_order(reader: Reader) -> None:
    assert [line["text"] for line in reader.lines(page(LINES))] == LINES


def test_a_blank_page_has_no_lines_and_no_picture_is_refused(reader: Reader) -> None:
    assert reader.lines(drawn("PNG", size=(300, 300), colour=(255, 255, 255))) == []
    with pytest.raises(NoPictureError):
        reader.lines(b"no picture")


def test_silence_has_its_length_and_few_words(listener: Listener) -> None:
    found = listener.transcribe(silence(3))
    assert found["seconds"] == pytest.approx(3, abs=0.1)
    assert len(found["text"].split()) <= 3


def test_what_is_no_recording_is_refused(listener: Listener) -> None:
    for content in (b"", b"no sound", b"RIFF" + bytes(100), drawn("PNG")):
        with pytest.raises(NoSoundError):
            listener.transcribe(content)


def test_a_recording_without_an_end_is_left_off(listener: Listener) -> None:
    with pytest.raises(SoundTooLongError):
        listener.transcribe(silence(700))


@pytest.mark.parametrize(("option", "module"), [("--ocr", "rapidocr"), ("--speech", "faster_whisper")])
def test_an_extra_that_is_not_installed_ends_the_start_with_one_sentence(option: str, module: str) -> None:
    without = f"import sys; sys.modules[{module!r}] = None; sys.argv = ['x', '--port', '0', {option!r}]"
    program = f"{without}; from ml_clients.embedded.__main__ import main; sys.exit(main())"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1), ended.stderr
    assert "is not installed: " in ended.stderr
