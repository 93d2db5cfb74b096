"""The rows of the table: what is measured, on whom, and what issue 7 wants to see."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from app.cluster import postgres_binaries
from tests.bench.databases import jobs_on, messages_on
from tests.bench.jobs import (
    bullmq,
    celery,
    green_threads,
    producer_side,
    raw_nats,
    spillway_jobs,
    spillway_messages_with_jobs,
)
from tests.bench.models import acks_beside_models
from tests.bench.several import Work, several
from tests.bench.sides import Measurement, Side, Size, chat_sides, connecting, echo, fan, own_rooms, paced
from tests.bench.stall import big_writes
from tests.bench.streams import acks_beside_streams, first_piece, pieces

CHAT = ["Spillway", "Node socket.io", "Flask-SocketIO"]
MEGABYTES = 7.0
CHAT_RATE = 20.0  # messages a second beside which a queue should keep its pace


@dataclass(frozen=True)
class Line:
    """One line of the table: a figure of the row's measurements, and what it must reach."""

    title: str
    figure: str
    unit: str
    at_least_times: float | None = None  # the first peer's figure
    at_most: float | None = None
    at_most_times: float | None = None  # the first peer's figure, where that is more than `at_most` (0: in any case)
    below_peer: bool = False
    worst: bool = False  # the highest of all repetitions counts, not the median


@dataclass(frozen=True)
class Row:
    """Some sides, measured in turn; the first is Spillway, the second what it must be compared with."""

    name: str
    sides: list[Side]
    lines: list[Line]
    repeat: int = 1  # repetitions at least, unless the bench is only tried out


def _ours(open_side: Callable[[Size], AbstractContextManager[Measurement]], name: str = "Spillway") -> Side:
    return Side(name, open_side)


def rows() -> list[Row]:
    """All rows, in the order of the table."""
    return [*_chat_rows(), *_job_rows(), *_stream_rows(), *_database_rows(), *_several_rows(), *_strain_rows()]


def _chat_rows() -> list[Row]:
    two = CHAT[:2]
    return [
        Row(
            "echo",
            chat_sides(CHAT, own_rooms(50), echo(4)),
            [
                Line(
                    "message stored (peers: echoed) and acknowledged, 50 x 4 in flight",
                    "per_cpu_second",
                    "a CPU s",
                    at_least_times=1.0,
                )
            ],
        ),
        Row(
            "serial",
            chat_sides(CHAT, own_rooms(1), echo(1)),
            [
                Line("the same, one client, one at a time", "per_cpu_second", "a CPU s", at_least_times=0.5),
                Line("its ack, p50", "p50_ms", "ms"),
                Line("its ack, p99", "p99_ms", "ms"),
            ],
        ),
        Row(
            "rate",
            chat_sides(CHAT, own_rooms(50), paced(500)),
            [
                Line("ack at 500 messages/s offered, from when it was due, p50", "p50_ms", "ms"),
                Line("the same, p99", "p99_ms", "ms"),
            ],
        ),
        Row(
            "fan",
            chat_sides(CHAT, lambda size: ["fan"] * size.fan, fan(1)),
            [Line("deliveries to 200 members, one message at a time", "per_cpu_second", "a CPU s", at_least_times=1.8)],
        ),
        Row(
            "fan4",
            chat_sides(CHAT, lambda size: ["fan"] * size.fan, fan(4)),
            [Line("deliveries to 200 members, 4 in flight", "per_cpu_second", "a CPU s")],
        ),
        Row(
            "fan1000",
            chat_sides(two, lambda size: ["fan"] * size.wide_fan, fan(1)),
            [Line("deliveries to 1,000 members, one at a time", "per_cpu_second", "a CPU s")],
        ),
        Row(
            "connect",
            [connecting(name) for name in two],
            [
                Line("connects, 5,000 clients", "per_cpu_second", "a CPU s", at_least_times=1.5),
                Line("memory an idle connection, 5,000 of them", "kilobytes", "KB", at_most=8),
            ],
        ),
        Row(
            "connect-tokens",
            [connecting("Spillway with tokens"), connecting("Spillway")],
            [Line("connects with HS256 tokens (beside: without)", "per_cpu_second", "a CPU s", at_least_times=0.667)],
        ),
    ]


def _job_rows() -> list[Row]:
    floor = partial(producer_side, "a bare green thread", "", green_threads)
    nats = partial(producer_side, "nats-py alone", "", raw_nats)
    beside_chat = partial(spillway_jobs, queued=True, clients=20, window=5, long=2.0)
    others = [partial(producer_side, "BullMQ", "bullmq", bullmq), partial(producer_side, "Celery", "celery", celery)]
    return [
        Row(
            "job",
            [_ours(partial(spillway_jobs, queued=False, clients=20, window=5)), floor(in_flight=100)],
            [Line("simple no-op job, 20 x 5 in flight: CPU of the web process", "web_us", "us", at_most=120)],
        ),
        Row(
            "message-jobs",
            [_ours(partial(spillway_messages_with_jobs, real=False))],
            [Line("message with three no-op jobs, simple: CPU of the web process", "web_us", "us", at_most=300)],
        ),
        Row(
            "queued",
            [
                _ours(partial(spillway_jobs, queued=True, clients=20, window=5)),
                *(peer(in_flight=100) for peer in (nats, *others)),
            ],
            [
                Line(
                    "queued no-op job, 100 in flight: CPU of web (or producer), worker and broker",
                    "all_us",
                    "us",
                    at_most=250,
                    below_peer=True,
                ),
                Line("of that the web process (or producer)", "web_us", "us"),
                Line("of that the worker", "worker_us", "us"),
                Line("of that the broker", "broker_us", "us"),
            ],
        ),
        Row(
            "job-serial",
            [_ours(partial(spillway_jobs, queued=False, clients=1, window=1)), floor(in_flight=1)],
            [
                Line("simple job, one at a time, until done, p50", "p50_ms", "ms", at_most=0.8),
                Line("the same, p99", "p99_ms", "ms"),
            ],
        ),
        Row(
            "queued-serial",
            [
                _ours(partial(spillway_jobs, queued=True, clients=1, window=1)),
                *(peer(in_flight=1) for peer in (nats, *others)),
            ],
            [
                Line("queued job, one at a time, until done, p50", "p50_ms", "ms", at_most=2.5),
                Line("the same, p99", "p99_ms", "ms"),
            ],
        ),
        Row(
            "queued-chat",
            [
                _ours(partial(beside_chat, chat=CHAT_RATE)),
                _ours(partial(beside_chat, chat=0.0), "the same without chat"),
            ],
            [
                Line(
                    "queued no-op jobs, 100 in flight, beside 20 chat messages a second: jobs",
                    "per_second",
                    "a second",
                    at_least_times=0.9,
                )
            ],
        ),
        Row(
            "message-tasks",
            [_ours(partial(spillway_messages_with_jobs, real=True))],
            [
                Line(
                    "message with the three real tasks on synthetic models: CPU of the web process",
                    "web_us",
                    "us",
                    at_most=1500,
                )
            ],
        ),
    ]


def _stream_rows() -> list[Row]:
    return [row for path in ("simple", "queued") for row in _stream_rows_of(path, queued=path == "queued")]


def _stream_rows_of(path: str, queued: bool) -> list[Row]:
    return [
        Row(
            f"pieces-{path}",
            [_ours(partial(pieces, queued=queued))],
            [
                Line(f"50 drafts of 20 tokens/s, {path}: CPU of the web process a piece, beyond idle", "web_us", "us", at_most=60),
                Line("the same with what it uses while nothing is asked of it", "with_idle_us", "us"),
                Line("the longest pause of one of them", "longest_ms", "ms", at_most=1000, worst=True),
            ],
        ),
        Row(
            f"first-piece-{path}",
            [_ours(partial(first_piece, queued=queued))],
            [
                Line(
                    f"from asking for a draft to its first piece, of a model that begins at once, {path}, p50",
                    "p50_ms",
                    "ms",
                    at_most=40 if queued else 15,
                ),
                Line("the same, p99", "p99_ms", "ms"),
            ],
        ),
        Row(
            f"streams-{path}",
            [
                _ours(partial(acks_beside_streams, queued=queued, how_many=50)),
                _ours(partial(acks_beside_streams, queued=queued, how_many=0), "without drafts"),
            ],
            [
                Line(f"ack at 50 messages/s beside 50 drafts, {path}, p99", "p99_ms", "ms", at_most=0, at_most_times=2.0),
                Line("the same, p50", "p50_ms", "ms"),
            ],
        ),
    ]  # fmt: skip


def _database_rows() -> list[Row]:
    """The same work on both databases; none where there is no PostgreSQL (`make postgres`)."""
    if postgres_binaries() is None:
        return []
    databases = (("Spillway", True), ("Spillway on SQLite", False))

    def row(name: str, work: Callable[..., AbstractContextManager[Measurement]], title: str) -> Row:
        sides = [_ours(partial(work, postgres=postgres), side) for side, postgres in databases]
        lines = [
            Line(f"{title}: CPU of web process and PostgreSQL", "all_us", "us"),
            Line("of that the web process", "web_us", "us"),
            Line("its time, p50", "p50_ms", "ms"),
            Line("its time, p99", "p99_ms", "ms"),
        ]
        return Row(name, sides, lines)

    return [
        row(
            "postgres-message",
            partial(messages_on, clients=50, window=4),
            "message stored on PostgreSQL, 50 x 4 in flight",
        ),
        row("postgres-serial", partial(messages_on, clients=1, window=1), "the same, one at a time"),
        row("postgres-job", partial(jobs_on, clients=20, window=5), "simple no-op job on PostgreSQL, 20 x 5 in flight"),
    ]


def _several_rows() -> list[Row]:
    """Three web processes beside one; none where there is no PostgreSQL."""
    if postgres_binaries() is None:
        return []

    def row(name: str, work: Work, title: str, most: float) -> Row:
        sides = [
            _ours(partial(several, work=work, processes=3)),
            _ours(partial(several, work=work, processes=1), "one web process"),
        ]
        if work.window:
            sides.append(_ours(partial(several, work=work, processes=3, apart=True), "three that share only the core"))
        lines = [
            Line(
                f"{title}, members on three web processes: CPU of all three",
                "web_us",
                "us",
                at_most=0.0,
                at_most_times=most,
            ),
            Line("the same with broker", "all_us", "us"),
            Line("its time, p50", "p50_ms", "ms"),
            Line("its time, p99", "p99_ms", "ms"),
        ]
        return Row(name, sides, lines)

    stored, job = "message stored on PostgreSQL", "simple no-op job on PostgreSQL"
    return [
        row("several-message", Work(jobs=False, rooms=50, window=4), f"{stored}, 50 x 4 in flight", 2.5),
        row("several-message-rate", Work(jobs=False, rooms=50, rate=2000), f"{stored}, 2,000 a second", 2.5),
        row("several-job", Work(jobs=True, rooms=50, window=4), f"{job}, 50 x 4 in flight", 1.3),
        row("several-job-rate", Work(jobs=True, rooms=50, rate=1000), f"{job}, 1,000 a second", 1.3),
    ]


def _strain_rows() -> list[Row]:
    return [
        Row(
            "stall",
            [
                _ours(partial(big_writes, name="Spillway", megabytes=MEGABYTES)),
                _ours(partial(big_writes, name="Spillway", megabytes=0.0), "the same without writes"),
                Side("Node socket.io", partial(big_writes, name="Node socket.io", megabytes=MEGABYTES), "node"),
            ],
            [
                Line(
                    "longest wait of a light client beside 7 MB/s of writes, worst of 5 runs",
                    "max_ms",
                    "ms",
                    at_most=30,
                    worst=True,
                ),
                Line("its p99.9", "p99.9_ms", "ms"),
                Line("megabytes/s written meanwhile", "megabytes_per_second", "MB/s"),
            ],
            repeat=5,
        ),
        *(
            Row(
                f"models-{path}",
                [
                    _ours(partial(acks_beside_models, kind="embedded", queued=path == "queued")),
                    _ours(partial(acks_beside_models, kind="synthetic", queued=path == "queued"), "without models"),
                ],
                [
                    Line(
                        f"ack beside real models, 8 summaries and 200 messages/s, {path}, p99",
                        "p99_ms",
                        "ms",
                        at_most=10,
                        at_most_times=2.0,
                    ),
                    Line("the same, p50", "p50_ms", "ms"),
                ],
            )
            for path in ("simple", "queued")
        ),
    ]
