"""`make run` with NATS_INTAKE: a program finds its account in DATA_DIR."""

from __future__ import annotations

import asyncio
import json
import stat
from typing import Any

import nats
import pytest

from app.compare.system import System
from app.queue.accounts import inbox_of
from tests.callbacks.conftest import SENDER
from tests.guest import WAIT
from tests.lossless.evidence import ready, until


@pytest.mark.slow
def test_a_program_asks_over_the_bundled_broker_and_hears_how_it_ended(ml_url: str, room: str) -> None:
    with System(ML_URL=ml_url, NATS_INTAKE="1", NATS_CALLBACKS="hooks.>") as system:
        until(lambda: ready(system.url), "it hears requests")
        file = system.data / "nats" / "service-url"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        body = {"key": "k", "args": {"text": "Où est la gare?"}, "sender": SENDER, "callback": f"nats:hooks.{room}"}

        async def ask() -> dict[str, Any]:
            client = await nats.connect(file.read_text().strip(), inbox_prefix=inbox_of("service"))
            heard = await client.subscribe(f"hooks.{room}")
            ack = json.loads(
                (await client.request(f"requests.{room}.language", json.dumps(body).encode(), timeout=WAIT)).data
            )
            assert ack["ok"], ack
            told = json.loads((await heard.next_msg(timeout=WAIT)).data)
            await client.close()
            assert told["id"] == ack["job"]["id"]
            return dict(told)

        told = asyncio.run(asyncio.wait_for(ask(), WAIT))
    assert (told["state"], told["result"]["language"]) == ("succeeded", "fr")
