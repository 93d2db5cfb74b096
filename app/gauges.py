"""The figures of this moment: for the operator page, for the record of the last hour, and for Prometheus."""

from __future__ import annotations

from typing import Any

from app.jobs import dead_letters as letters
from app.metrics import Metrics
from app.paths.background import Background
from app.paths.plain import Plain
from app.paths.routing import Routing
from app.store.store import Store
from app.transport.transport import Transport


class Gauges:
    """Reads them where they are."""

    def __init__(
        self, runner: Background | Plain, routing: Routing, metrics: Metrics, transport: Transport, store: Store
    ) -> None:
        self._runner, self._routing, self._metrics = runner, routing, metrics
        self._transport, self._store = transport, store

    def now(self) -> dict[str, float | None]:
        """By their names in `live.record.GAUGES`; None for those of a queue not in use."""
        queued = self._routing.queued
        messages, size = (queued.depth if queued is not None else None) or (None, None)
        return {
            "running": len(self._runner.running),
            "backlog": self._runner.backlog(),
            "outbox": queued.backlog() if queued is not None else None,
            "queue_messages": messages,
            "queue_bytes": size,
            "hub_lag_ms": round(self._metrics.hub_lag * 1000, 1),
            "clients": len(self._transport.connections),
        }

    async def figures(self) -> dict[str, Any]:
        """As GET /api/operator shows them."""
        now: dict[str, Any] = self.now()
        queue = {
            "pending": now.pop("queue_messages") or 0,
            "bytes": now.pop("queue_bytes") or 0,
            "outbox": now.pop("outbox"),
        }
        queued = self._routing.queued
        return {
            **now,
            "dead_letters": await self._store.read(letters.count),
            "queue": {"connected": queued.ready(), **queue} if queued is not None else None,
        }

    def export(self) -> None:
        """Give Prometheus the same gauges; it reads 0 for those of a queue not in use."""
        for name, about, which in (
            ("spillway_jobs_running", "Jobs running on the simple path", "running"),
            ("spillway_jobs_backlog", "Jobs waiting on the simple path", "backlog"),
            ("spillway_outbox", "Attempts the broker has not confirmed", "outbox"),
            ("spillway_queue_messages", "Messages on the stream of jobs", "queue_messages"),
            ("spillway_queue_bytes", "Bytes on the stream of jobs", "queue_bytes"),
            ("spillway_clients", "Connected clients", "clients"),
        ):
            self._metrics.gauge(name, about, lambda which=which: self.now()[which] or 0)  # type: ignore[misc]
        self._metrics.gauge("spillway_hub_lag_last_seconds", "How late the hub was last", lambda: self._metrics.hub_lag)
