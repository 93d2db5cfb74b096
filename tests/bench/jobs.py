"""Jobs, on Spillway and on the queues of others: processor time for each, and how long one takes."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.bench import servers as start
from tests.bench.crowd import Crowd, LoadFailed
from tests.bench.dialects import SPILLWAY, job_template
from tests.bench.figures import cpu_microseconds
from tests.bench.loads import Jobs, Load, MessagesWithJobs, Paced, templates
from tests.bench.measure import Sample, measure
from tests.bench.peers.places import NODE_FOLDER, PYTHON_FOLDER, SCRIPTS
from tests.bench.servers import Servers
from tests.bench.sides import TEXT, Figures, Measurement, Side, Size, loads_of, own_rooms, times

ANSWER_SECONDS = 15.0


@contextmanager
def spillway_jobs(
    size: Size, queued: bool, clients: int, window: int, chat: float = 0.0, long: float = 1.0
) -> Iterator[Measurement]:
    """No-op jobs of Spillway, asked for one by one, beside so many chat messages a second."""
    with (
        start.spillway(start.ON_REQUEST, queued) as started,
        Crowd(started.port, SPILLWAY).open() as crowd,
    ):
        people = crowd.connect(own_rooms(clients)(size))
        talking = crowd.connect(["chat"]) if chat else []

        def loads() -> list[Load]:
            jobs = Jobs(templates(people, lambda room: job_template(room, "noop")), window)
            spoken = templates(talking, lambda room: SPILLWAY.template(room, TEXT))
            return [jobs, Paced(spoken, chat)] if chat else [jobs]

        yield lambda: job_figures(measure(crowd, loads(), size.warm_up, size.seconds * long, started.cpu))


@contextmanager
def spillway_messages_with_jobs(size: Size, real: bool) -> Iterator[Measurement]:
    """Messages that start three jobs each: no-op ones, or the real tasks on a model server without models."""
    with ExitStack() as stack:
        if real:
            models = start.model_server(stack.enter_context(start.servers()), "synthetic")
            started = stack.enter_context(start.spillway(None, ML_URL=models))
            tasks = ["triage", "language", "sentiment"]
        else:
            started, tasks = stack.enter_context(start.spillway(start.ON_MESSAGE)), list(start.ON_MESSAGE)
        crowd = stack.enter_context(Crowd(started.port, SPILLWAY).open())
        people = crowd.connect(own_rooms(20)(size))
        made = templates(people, lambda room: SPILLWAY.template(room, "Can I move my appointment to Thursday?"))
        yield lambda: job_figures(
            measure(crowd, [MessagesWithJobs(made, 2, tasks)], size.warm_up, size.seconds, started.cpu)
        )


def job_figures(sample: Sample) -> Figures:
    """CPU time for each job or message, by process; `took` is from asking to done."""
    done = sample.done[0]
    by_process = {f"{name}_us": cpu_microseconds(cpu, done) for name, cpu in sample.cpu.items()}
    return {
        "all_us": sum(by_process.values()),
        **by_process,
        "per_second": done / sample.seconds,
        **times(sample.took[0]),
        **loads_of(sample),
    }


def producer_side(name: str, needs: str, opened: Callable[[Servers], list[str]], in_flight: int) -> Side:
    """Another queue: its producer stands for the web process, and is told to work for some seconds at a time."""

    @contextmanager
    def open_side(size: Size) -> Iterator[Measurement]:
        with start.servers() as started:
            started.start("producer", opened(started), start.SERVER_CORE, piped=True)
            ask(started, in_flight, size.warm_up)
            yield lambda: _produce(started, in_flight, size.seconds)

    return Side(name, open_side, needs)


def _produce(started: Servers, in_flight: int, seconds: float) -> Figures:
    before = started.cpu()
    answer = ask(started, in_flight, seconds)
    used = {name: cpu - before[name] for name, cpu in started.cpu().items()}
    used["web"] = used.pop("producer")
    by_process = {f"{name}_us": cpu_microseconds(cpu, answer["done"]) for name, cpu in used.items()}
    return {
        "all_us": sum(by_process.values()),
        **by_process,
        "per_second": answer["done"] / answer["seconds"],
        "p50_ms": answer["p50_ms"],
        "p99_ms": answer["p99_ms"],
        "server_load": used["web"] / answer["seconds"],
    }


def ask(started: Servers, in_flight: int, seconds: float) -> Figures:
    """What the producer did in so many seconds (tests/bench/peers/protocol.py); LoadFailed when it does not say."""
    producer = started.processes["producer"]
    assert producer.stdin
    assert producer.stdout
    producer.stdin.write(f"{in_flight} {seconds}\n")
    producer.stdin.flush()
    if not select.select([producer.stdout], [], [], seconds + ANSWER_SECONDS)[0]:
        raise LoadFailed(f"the producer said nothing for {ANSWER_SECONDS:.0f} s")
    line = producer.stdout.readline()
    if not line:
        raise LoadFailed(f"the producer ended: {(started.folder / 'producer.log').read_text()[-600:]}")
    answer: Figures = json.loads(line)
    return answer


def green_threads(_: Servers) -> list[str]:
    """The floor under the simple path."""
    return [sys.executable, str(SCRIPTS / "green_jobs.py")]


def raw_nats(started: Servers) -> list[str]:
    """nats-py without a ledger."""
    url, ready = start.nats_server(started), started.folder / "ready"
    script = [sys.executable, str(SCRIPTS / "nats_jobs.py"), url]
    started.start("worker", [*script, "worker", str(ready)], start.GENERATOR_CORE, ready.exists)
    return [*script, "producer"]


def bullmq(started: Servers) -> list[str]:
    """BullMQ on Redis."""
    port, ready = start.redis_server(started), started.folder / "ready"
    script = ["node", str(SCRIPTS / "bullmq_jobs.js"), str(NODE_FOLDER), port]
    started.start("worker", [*script, "worker", str(ready)], start.GENERATOR_CORE, ready.exists)
    return [*script, "producer"]


def celery(started: Servers) -> list[str]:
    """Celery on Redis."""
    port, ready = start.redis_server(started), started.folder / "ready"
    script = [str(PYTHON_FOLDER / "bin" / "python"), str(SCRIPTS / "celery_jobs.py"), port]
    started.start("worker", [*script, "worker", str(ready)], start.GENERATOR_CORE, ready.exists)
    return [*script, "producer"]
