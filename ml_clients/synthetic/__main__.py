"""`python -m ml_clients.synthetic --times '{"triage": {"median_ms": 20}}'`: serves made-up answers until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from ml_clients.priority import niceness, step_back
from ml_clients.synthetic.behaviour import MODELS, Behaviour, Times
from ml_clients.synthetic.talk import Talk, Talker

MAX_BYTES = 64 << 20
GREY_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
    "48afa4710000000049454e44ae426082"
)  # a PNG of one black pixel
ANSWERS: dict[str, object] = {
    "triage": {"intent": "other", "urgency": "routine", "confidence": 0.5},
    "language": {"language": "en", "confidence": 0.5},
    "sentiment": {"label": "neutral", "score": 0.0},
    "summary": {"lines": ["(made up by the synthetic model server)"]},
    "redact": {"found": [], "text": "(made up)"},
    "suggest": {"suggestions": []},
    "similar": {"similar": []},
    "appointment": {"times": []},
    "doses": {"doses": []},
    "barcode": {"codes": []},
    "ocr": {"lines": []},
    "transcribe": {"text": "(made up)", "seconds": 1.0},
}


def application(behaviour: Behaviour, talk: Talk = Talk()) -> web.Application:  # noqa: B008 - it is frozen
    """One endpoint for each model, as docs/models.md lists them, and a language model that talks like this."""
    app = web.Application(client_max_size=MAX_BYTES)
    app.router.add_get("/livez", _livez)
    for model in MODELS:
        app.router.add_post(f"/v1/{model}", _endpoint(model, behaviour))
    Talker(talk).add_to(app)
    return app


async def _livez(_: web.Request) -> web.Response:
    return web.json_response({"ok": True})


def _endpoint(model: str, behaviour: Behaviour) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seconds, fails = behaviour.next(model)
        await asyncio.sleep(seconds)
        if fails:
            return web.json_response({"error": {"code": "synthetic", "message": "this one fails"}}, status=503)
        if model in ("monochrome", "thumbnail"):
            return web.Response(body=GREY_PIXEL, content_type="image/png")
        return web.json_response(ANSWERS[model])

    return answer


async def _serve(app: web.Application, host: str, port: int) -> None:
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, shutdown_timeout=1.0)
    await site.start()
    print(f"model server ready http://{host}:{runner.addresses[0][1]} (synthetic)", flush=True)
    await asked.wait()
    await runner.cleanup()


def main() -> int:
    """Serve until told to stop; 1 when the port is taken, 2 on times that cannot be."""
    parser = argparse.ArgumentParser(prog="python -m ml_clients.synthetic", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", default=5001, type=int, help="the port, 0 for any free one")
    parser.add_argument("--seed", default=1, type=int, help="repeats a run's times and failures")
    parser.add_argument("--times", default="{}", help="JSON: model -> {median_ms, sigma, failures}")
    parser.add_argument("--talk", default="{}", help="JSON: {tokens, per_second, first_ms} of the language model")
    parser.add_argument("--niceness", default="idle", type=niceness, help="how far it stands back: idle, or 0 to 19")
    asked = parser.parse_args()
    try:
        talk = msgspec.convert(json.loads(asked.talk), Talk)
    except (ValueError, msgspec.ValidationError) as error:
        print(f"--talk: {error}", file=sys.stderr)
        return 2
    try:
        times = msgspec.convert(json.loads(asked.times), dict[str, Times])
        if unknown := set(times) - set(MODELS):
            raise ValueError(f"there is no model {min(unknown)}: {', '.join(MODELS)} are right")
    except (ValueError, msgspec.ValidationError) as error:
        print(f"--times: {error}", file=sys.stderr)
        return 2
    step_back(asked.niceness)
    try:
        asyncio.run(_serve(application(Behaviour(times, asked.seed), talk), asked.host, asked.port))
    except (OSError, OverflowError) as error:  # as for a port beyond 65535
        print(f"model server cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
