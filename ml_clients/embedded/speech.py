"""Speech to text, by Whisper's smallest English model on CTranslate2. An extra: `SPEECH=1 make run` installs it."""

import importlib
import io
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

MAX_SECONDS = 600
LEAST_RATE = 4000  # of a recording: slower ones would grow without bound when they are brought to ours
RATE = 16_000  # samples a second, as Whisper hears


class NoSoundError(Exception):
    """The bytes are no sound in a format we read, or a broken one."""


class SoundTooLongError(Exception):
    """The recording is longer than we take in."""


class Transcript(TypedDict):
    """What is said, and for how many seconds the recording goes on."""

    text: str
    seconds: float


class Listener:
    """Writes down speech, one recording at a time."""

    def __init__(self, folder: Path) -> None:
        """With the weights in this folder. Raises ImportError where it is not installed, and OSError without weights."""
        from faster_whisper import WhisperModel  # type: ignore[import-untyped,import-not-found,unused-ignore]

        if not (folder / "model.bin").is_file():
            raise FileNotFoundError(f"{folder} has no weights: `SPEECH=1 make run` fetches them")
        self._model: Any = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)

    def transcribe(self, content: bytes) -> Transcript:
        """What is said in a recording (WAV, MP3, OGG, FLAC, M4A, WebM). Raises NoSoundError and SoundTooLongError."""
        samples = _samples(content)
        seconds = len(samples) / RATE
        segments, _ = self._model.transcribe(samples, language="en", beam_size=1, condition_on_previous_text=False)
        return Transcript(text=" ".join(each.text.strip() for each in segments), seconds=round(seconds, 2))


def _samples(content: bytes) -> npt.NDArray[np.float32]:
    """The samples of a recording, mono. It is left off past the bound, however well it was compressed."""
    av: Any = importlib.import_module("av")  # comes with faster-whisper
    parts: list[npt.NDArray[np.int16]] = []
    count = 0
    try:
        with av.open(io.BytesIO(content), metadata_errors="ignore") as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                count += frame.samples
                if count > MAX_SECONDS * frame.sample_rate:
                    raise SoundTooLongError(f"a recording has at most {MAX_SECONDS} s")
                if frame.sample_rate < LEAST_RATE:
                    raise NoSoundError(f"{frame.sample_rate} samples a second are no sound")
                parts += [each.to_ndarray().reshape(-1) for each in resampler.resample(frame)]
    except (av.FFmpegError, ValueError, LookupError) as error:
        raise NoSoundError(f"this is no sound of a kind we read: {error}") from error
    return np.concatenate([np.zeros(0, np.int16), *parts]).astype(np.float32) / np.float32(32768)
