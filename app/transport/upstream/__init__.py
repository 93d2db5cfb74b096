"""The bridge to python-engineio and python-socketio, and the only place that knows their private names.

    engine   python-engineio's server: requests for our sessions
    rooms    python-socketio's manager: who is where, and emitting
    everywhere  the same across several web processes
    server   python-socketio's server: packets, connects and disconnects

Each name that is overridden or called here and is no part of their documented interfaces stands in PRIVATE.
tests/transport/test_upstream.py fails when one of them, or a version, is another than what this was written for.
"""

WRITTEN_FOR = {"python-engineio": "4.15.1", "python-socketio": "5.18.1", "flask-socketio": "5.7.0"}
PRIVATE = {
    "engineio.Server": (
        "_handle_connect", "_upgrades", "_ok", "_bad_request", "_unauthorized", "_trigger_event", "_get_socket",
    ),
    "socketio.Server": (
        "_engineio_server_class", "_handle_eio_connect", "_handle_eio_message", "_handle_eio_disconnect",
        "_handle_connect", "_handle_disconnect", "_handle_event", "_handle_ack", "_trigger_event", "_send_packet",
        "_send_eio_packet",
    ),
    "socketio.Manager": (
        "emit", "get_participants", "pre_connect", "connect", "pre_disconnect", "disconnect", "basic_enter_room",
        "basic_leave_room", "basic_disconnect", "sid_from_eio_sid", "eio_sid_from_sid",
    ),
    "socketio.PubSubManager": (
        "_publish", "_handle_emit", "_handle_callback", "_handle_disconnect", "_handle_enter_room", "_handle_leave_room",
        "_handle_close_room",
    ),
}  # fmt: skip
