"""A process that calls a model, on threads, on green threads, or as the web process does:

    python -m tests.ml_clients.caller MODE URL CALLS

CALLS is JSON: lists of calls `{"text", "within", "size"}`. The calls of one list are made at once, the lists one after
the other. A call with a `size` sends a picture of so many bytes, one without asks for the language of its text. Prints
JSON: for each list the answers, the seconds it took, and how many sockets were open after it.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

MODE = sys.argv[1] if __name__ == "__main__" else "threads"
if MODE == "eventlet":
    os.environ["EVENTLET_HUB"] = "asyncio"  # as app/concurrency/green.py has it
    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()
WAIT_READABLE = None
if MODE == "web process":
    from app.concurrency import patch

    WAIT_READABLE = patch("eventlet").wait_readable

import threading  # noqa: E402 # after the patch

import ml_clients  # noqa: E402
from ml_clients import language, picture  # noqa: E402


def main(url: str, groups: list[list[dict[str, Any]]]) -> None:
    ml_clients.configure(url, WAIT_READABLE)
    before = open_sockets()
    print(json.dumps([made(calls, before) for calls in groups]))


def made(calls: list[dict[str, Any]], before: int) -> dict[str, Any]:
    started = time.monotonic()
    answers = [""] * len(calls)

    def make(number: int) -> None:
        answers[number] = answer(calls[number])

    threads = [threading.Thread(target=make, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"answers": answers, "seconds": time.monotonic() - started, "sockets": open_sockets() - before}


def answer(call: dict[str, Any]) -> str:
    try:
        with ml_clients.within(call.get("within", 20)):
            if "size" in call:
                return picture.monochrome(bytes(call["size"])).decode("latin-1")
            return language.detect(call["text"])["language"]
    except ml_clients.ModelError as error:
        return error.code


def open_sockets() -> int:
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        try:
            count += str(file.readlink()).startswith("socket:")
        except FileNotFoundError:  # the listing itself
            continue
    return count


if __name__ == "__main__":
    main(sys.argv[2], json.loads(sys.argv[3]))
