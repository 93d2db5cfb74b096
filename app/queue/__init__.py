"""The queue: streams, subjects and messages on NATS JetStream. The only place that knows nats; its errors stop here.

Plain asyncio, used as it is by workers, and by the web process on the hub's own loop.
"""
