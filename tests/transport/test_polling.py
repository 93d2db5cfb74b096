"""Long polling and the upgrade to a websocket, as the protocol of Engine.IO 4 has them."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
import requests

from tests.guest import WAIT
from tests.transport.peer import TEXT, Peer, Served

SEPARATOR = "\x1e"


def test_events_come_by_post_and_acks_by_get(served: Served) -> None:
    sid = served.polling_client()
    sent = served.poll("POST", b'421["echo","a"]\x1e422["stock","b"]', sid=sid)
    assert (sent.status_code, sent.text) == (200, "ok")
    got: list[str] = []
    while len(got) < 2:
        got += served.poll(sid=sid).text.split(SEPARATOR)
    assert got == ['431["a"]', '432["b"]']


def test_the_opening_offers_the_upgrade(served: Served) -> None:
    opened = json.loads(served.poll().text[1:])
    assert (opened["upgrades"], opened["maxPayload"]) == (["websocket"], 100_000)


def test_a_get_waits_for_the_next_packet(served: Served) -> None:
    sid, peer = served.polling_client(), served.client()
    answers: list[requests.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(served.poll(sid=sid)))
    waiting.start()
    peer.send(TEXT, '42["shout","late"]')
    waiting.join(WAIT)
    assert answers[0].text == '42["shout","late"]'
    peer.close()


def test_binary_packets_travel_as_base64(served: Served) -> None:
    sid = served.polling_client()
    served.poll("POST", '451-7["stock",{"_placeholder":true,"num":0}]\x1ebAAEC', sid=sid)
    got: list[str] = []
    while len(got) < 2:
        got += served.poll(sid=sid).text.split(SEPARATOR)
    assert got[0].startswith("461-7[")
    assert got[1] == "bAAEC"


BAD_REQUESTS: dict[str, dict[str, Any]] = {
    "no transport": {"transport": None},
    "unknown transport": {"transport": "carrier"},
    "unknown version": {"EIO": "3"},
    "no version": {"EIO": None},
    "unknown session": {"sid": "nobody"},
    "bad method": {"method": "PUT"},
    "post to nobody": {"method": "POST", "data": "40"},
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_request_that_is_wrong_gets_400(served: Served, case: str) -> None:
    assert served.poll(**BAD_REQUESTS[case]).status_code == 400


@pytest.mark.parametrize(
    "body", [b"abc", b"", b"4\x1e", b"b%%%", b"\xff\xfe", b"4" + b"x" * 100_001, b"\x1e".join([b"6"] * 1001)]
)
def test_a_broken_post_gets_400_and_closes_the_session(served: Served, body: bytes) -> None:
    sid = served.polling_client()
    assert served.poll("POST", body, sid=sid).status_code == 400
    assert served.poll(sid=sid).status_code == 400


def test_a_second_get_gets_400_and_closes_the_session(served: Served) -> None:
    sid = served.polling_client()
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(served.poll(sid=sid).status_code)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert sorted(answers) == [200, 400]
    assert served.poll(sid=sid).status_code == 400


def test_a_client_that_cancels_its_get_is_gone(served: Served) -> None:
    opened = json.loads(served.poll().text[1:])["sid"]
    served.poll("POST", "40", sid=opened)
    connected = json.loads(served.poll(sid=opened).text[2:])["sid"]
    peer = Peer(served.port, head="")
    peer.raw(f"GET /socket.io/?EIO=4&transport=polling&sid={opened} HTTP/1.1\r\nHost: x\r\n\r\n")
    other = served.client()
    other.send(TEXT, '421["echo",1]')
    other.text()
    peer.close()
    served.wait(lambda seen: ["disconnect", connected, True] in seen)
    assert served.poll(sid=opened).status_code == 400
    other.close()


def test_a_client_that_says_goodbye_gets_a_noop(served: Served) -> None:
    """Its poll is answered, unless the goodbye overtakes it: then there is no session any more."""
    for _ in range(50):
        sid = served.polling_client()
        answers: list[requests.Response] = []
        waiting = threading.Thread(target=lambda sid=sid, answers=answers: answers.append(served.poll(sid=sid)))
        waiting.start()
        served.poll("POST", "1", sid=sid)
        waiting.join(WAIT)
        if answers[0].status_code == 200:
            assert answers[0].text == "6"
            return
        assert answers[0].status_code == 400
    raise AssertionError("no poll was there before the goodbye, 50 times")


def test_a_polling_client_that_never_asks_is_cut_off(mode: str, servers: Any) -> None:
    served = servers(mode, max_packets=50)
    opened = json.loads(served.poll().text[1:])["sid"]
    served.poll("POST", "40", sid=opened)
    connected = json.loads(served.poll(sid=opened).text[2:])["sid"]
    peer = served.client()
    for i in range(60):
        peer.send(TEXT, f'42["shout",{i}]')
    served.wait(lambda seen: ["disconnect", connected, True] in seen)
    for i in range(60):
        assert peer.text() == f'42["shout",{i}]'
    peer.close()


class TestUpgrade:
    """From polling to a websocket."""

    @pytest.fixture
    def sid(self, served: Served) -> str:
        """A client that polls."""
        return served.polling_client()

    def probe(self, served: Served, sid: str) -> Peer:
        """A websocket of the client that has been tried."""
        peer = served.peer(f"EIO=4&transport=websocket&sid={sid}")
        peer.send(TEXT, "2probe")
        assert peer.text() == "3probe"
        return peer

    def test_a_client_moves_and_misses_nothing(self, served: Served, sid: str) -> None:
        other = served.client()
        peer = self.probe(served, sid)
        other.send(TEXT, '42["shout","between"]')
        other.text()
        assert served.poll(sid=sid).text == "6"
        peer.send(TEXT, "5")
        assert peer.text() == '42["shout","between"]'
        peer.send(TEXT, '421["echo","moved"]')
        assert peer.text() == '431["moved"]'
        assert served.poll(sid=sid).status_code == 400
        peer.close()
        other.close()

    def test_a_get_that_waits_ends_with_a_noop_and_none_reaches_the_websocket(self, served: Served, sid: str) -> None:
        answers: list[str] = []
        waiting = threading.Thread(target=lambda: answers.append(served.poll(sid=sid).text))
        waiting.start()
        peer = self.probe(served, sid)
        waiting.join(WAIT)
        assert answers == ["6"]
        peer.send(TEXT, "5")
        peer.send(TEXT, '421["echo","first"]')
        assert peer.text() == '431["first"]'
        peer.close()

    @pytest.mark.parametrize("said", ["nothing", "2probe", "nonsense"])
    def test_losing_the_new_websocket_leaves_the_client_polling(self, served: Served, sid: str, said: str) -> None:
        if said == "2probe":
            self.probe(served, sid).close()
        else:
            peer = served.peer(f"EIO=4&transport=websocket&sid={sid}")
            if said == "nonsense":
                peer.send(TEXT, "nonsense")
                assert peer.close_code() == 1000
            peer.close()
        assert served.poll("POST", '421["echo","still"]', sid=sid).text == "ok"
        while (got := served.poll(sid=sid).text) == "6":
            pass
        assert got == '431["still"]'

    @pytest.mark.parametrize("done", [True, False])
    def test_a_second_websocket_is_closed_and_the_first_goes_on(self, served: Served, sid: str, done: bool) -> None:
        first = self.probe(served, sid)
        if done:
            first.send(TEXT, "5")
            first.send(TEXT, '421["echo","one"]')
            assert first.text() == '431["one"]'
        second = served.peer(f"EIO=4&transport=websocket&sid={sid}")
        assert second.close_code() == 1008
        if not done:
            first.send(TEXT, "5")
        first.send(TEXT, '422["echo","two"]')
        assert first.text() == '432["two"]'
        first.close()
