"""`python -m tests.ml_clients.measure`: what a call costs. The figures of docs/models.md come from here.

CPU per call is given for the server and for the client; both on one machine, eight callers at once.
"""

import io
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psutil
from PIL import Image

import ml_clients
from ml_clients import language, picture, sentiment, summary, triage
from ml_clients.embedded.encoder import Encoder
from ml_clients.embedded.examples import read_examples
from ml_clients.embedded.models import EXAMPLES, FILES
from tests.ml_clients.test_language_and_sentiment import labelled

CALLERS = 8

Input = TypeVar("Input")


def main() -> None:
    """Starts a server of its own, and prints."""
    _int8()
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-m", "ml_clients.embedded", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout
    ml_clients.configure(server.stdout.readline().split()[-1])
    print(f"ready after {time.monotonic() - began:.1f} s")
    process = psutil.Process(server.pid)
    try:
        _accuracy()
        _small(process)
        _heavy(process)
        print(f"memory {process.memory_info().rss / 1e6:.0f} MB")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _int8() -> None:
    """MiniLM as it comes against the copy that multiplies in int8, on the training lines."""
    lines = [line.text for line in read_examples(EXAMPLES)[::3]]
    vectors = []
    for name, encoder in (("float", Encoder.of(FILES / "minilm.onnx", FILES)), ("int8", Encoder.load(FILES))):
        began = time.process_time()
        vectors.append([encoder.embed(line) for line in lines])
        print(f"embedding in {name:5} {(time.process_time() - began) * 1000 / len(lines):5.2f} ms CPU a line")
    alike = sorted(float(one @ other) for one, other in zip(*vectors, strict=True))
    print(f"cosine between the two: median {alike[len(alike) // 2]:.3f}, least {alike[0]:.3f}")


def _accuracy() -> None:
    languages, sentiments = labelled("languages.txt"), labelled("sentiments.txt")
    right = sum(language.detect(text)["language"] == code for code, text in languages)
    print(f"language right {right}/{len(languages)}")
    right = sum(sentiment.score(text)["label"] == label for label, text in sentiments)
    print(f"sentiment right {right}/{len(sentiments)}")


def _small(process: psutil.Process) -> None:
    lines = [line.text for line in read_examples(EXAMPLES)]
    order = random.Random(0)
    fresh = [f"{order.choice(lines)} {order.randrange(10**6)}" for _ in range(2000)]
    _show("triage, new text", process, triage.classify, fresh)
    _show("triage, text seen before", process, triage.classify, fresh)
    _show("language", process, language.detect, fresh)
    _show("sentiment", process, sentiment.score, fresh)


def _heavy(process: psutil.Process) -> None:
    lines = [line.text for line in read_examples(EXAMPLES)]
    for count in (16, 192, 600):
        room: list[summary.Said] = [{"sender": "A", "text": f"{count} {text}"} for text in lines[:count]]
        _show(f"summary of {count} new messages", process, summary.summarize, [room])
    for side in (500, 2000, 6000):
        out = io.BytesIO()
        Image.effect_noise((side, side), 50).convert("RGB").save(out, "JPEG")
        _show(f"monochrome {side} x {side}", process, picture.monochrome, [out.getvalue()])


def _show(what: str, process: psutil.Process, call: Callable[[Input], object], inputs: Sequence[Input]) -> None:
    began, served, own = time.monotonic(), _cpu(process), time.process_time()
    with ThreadPoolExecutor(min(CALLERS, len(inputs))) as callers:
        list(callers.map(call, inputs))
    seconds, count = time.monotonic() - began, len(inputs)
    served, own = (_cpu(process) - served) * 1000 / count, (time.process_time() - own) * 1000 / count
    print(f"{what:32} {count / seconds:7.0f}/s   server {served:8.2f} ms CPU   client {own:6.2f} ms CPU   a call")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
