"""Options that every accepted connection must have."""

from __future__ import annotations

import socket

from app.concurrency.listening import listen


def test_accepted_connections_send_small_frames_at_once_and_find_dead_peers() -> None:
    with listen(socket, "127.0.0.1", 0) as listening:
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert listening.gettimeout() == 0
