"""The queue: streams, subjects and messages on NATS JetStream. The only place that knows nats; its errors stop here.

Plain asyncio, used as it is by workers, and by the web process on the hub's own loop.
"""

from app.lean import put_off

put_off("aiohttp")  # nats-py imports it for WebSockets, which NATS_URL cannot name: a third of a worker's start
