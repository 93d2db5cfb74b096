"""`python -m tests.ml_clients.extras`: how many words OCR and speech get right, for docs/models.md.

Sixty lines of the held-out triage file, drawn as pictures (turned a little, with noise, as JPEG) and spoken by espeak-ng
(Debian's package) in three voices: machines wrote and spoke them, and people will be harder to read and to hear.
"""

import io
import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ml_clients.embedded.examples import read_examples
from ml_clients.embedded.models import FILES
from ml_clients.embedded.ocr import Reader
from ml_clients.embedded.speech import Listener

LINES = 60
VOICES = ("en-gb", "en-us", "en-gb-scotland")


def words(text: str) -> list[str]:
    """Its words, without case and punctuation."""
    return re.findall(r"[a-z0-9']+", text.lower())


def errors(wanted: list[str], found: list[str]) -> int:
    """Words to change, put in or take out to make one of the other (Levenshtein)."""
    row = list(range(len(found) + 1))
    for at, word in enumerate(wanted, start=1):
        before, row[0] = row[0], at
        for place, other in enumerate(found, start=1):
            before, row[place] = row[place], min(before + (word != other), row[place] + 1, row[place - 1] + 1)
    return row[-1]


def drawn(text: str, drawing: random.Random) -> bytes:
    """The line as a picture."""
    image = Image.new("RGB", (40 + 20 * len(text), 120), "white")
    ImageDraw.Draw(image).text((20, 40), text, fill=(40, 40, 60), font=ImageFont.load_default(drawing.choice((22, 28))))
    noise = Image.effect_noise(image.size, 40).convert("RGB")
    turned = Image.blend(image, noise, 0.15).rotate(drawing.uniform(-2, 2), fillcolor="white")
    out = io.BytesIO()
    turned.save(out, "JPEG", quality=60)
    return out.getvalue()


def spoken(text: str, drawing: random.Random) -> bytes:
    """The line as a recording."""
    command = ["espeak-ng", "-v", drawing.choice(VOICES), "-s", str(drawing.randrange(130, 170)), "--stdout", text]
    return subprocess.run(command, capture_output=True, check=True).stdout


def measure(name: str, make: Callable[[str, random.Random], bytes], read: Callable[[bytes], str]) -> None:
    """Prints the share of wrong words, and how long a line takes."""
    drawing = random.Random(1)
    texts = [each.text for each in read_examples(Path(__file__).parent / "held_out.txt")][:: 180 // LINES][:LINES]
    made = [make(text, drawing) for text in texts]
    began = time.process_time()
    found = [read(content) for content in made]
    seconds = (time.process_time() - began) / len(texts)
    wrong = sum(errors(words(text), words(said)) for text, said in zip(texts, found, strict=True))
    count = sum(len(words(text)) for text in texts)
    print(f"{name}: {len(texts)} lines, {wrong} of {count} words wrong ({wrong / count:.1%}), {seconds:.2f} s CPU each")


def main() -> None:
    """Prints what can be measured here."""
    reader = Reader()
    measure("ocr", drawn, lambda content: " ".join(line["text"] for line in reader.lines(content)))
    if shutil.which("espeak-ng"):
        listener = Listener(FILES / "whisper")
        measure("transcribe", spoken, lambda content: listener.transcribe(content)["text"])


if __name__ == "__main__":
    main()
