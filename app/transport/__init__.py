"""Socket.IO on the asyncio loop, without a thread of any kind for each connection.

frames      RFC 6455, bytes in and messages out
websocket   one socket: reads, gathered writes, bounded backlog, closing
polling     what waits for a client that polls
session     one Engine.IO client: transport, heartbeat, packets in order
connection  one Socket.IO client as the application knows it
listener    accepts, and finishes websocket handshakes
engine      the bridge to python-engineio and python-socketio
transport   all of it together
"""
