"""Names of streams, subjects and consumers, as docs/contract.md has them."""

from __future__ import annotations

from dataclasses import dataclass

from app.settings import Settings

RESULTS_CONSUMER = "chat"
DEAD_CONSUMER = "ledger"
PROCESS = "Spillway-Process"  # header of jobs, results and questions: the web process that the job is one of


@dataclass(frozen=True)
class Names:
    """Every name under one prefix: prefix `x` makes `X_JOBS` and `x.jobs.ml.triage`.

    Streams that somebody else made have names of their own, and so may their consumers.
    """

    prefix: str = ""
    jobs_stream: str = ""
    results_stream: str = ""
    jobs_consumer: str = "{lane}"
    results_consumer: str = RESULTS_CONSUMER

    @property
    def jobs(self) -> str:
        """The stream of jobs."""
        return self.jobs_stream or self._stream("JOBS")

    @property
    def results(self) -> str:
        """The stream of results."""
        return self.results_stream or self._stream("RESULTS")

    def consumer(self, lane: str) -> str:
        """The consumer of a lane's jobs."""
        return self.jobs_consumer.replace("{lane}", lane)

    @property
    def dead(self) -> str:
        """The stream of what could not be read, and of the broker's advisories."""
        return self._stream("DEAD")

    def job(self, lane: str, task: str) -> str:
        """Subject of a task's jobs; `*` or `>` as a name stands for all."""
        return self._subject(f"jobs.{lane}.{task}")

    def lane(self, lane: str) -> str:
        """Every subject of one lane."""
        return self._subject(f"jobs.{lane}.>")

    def result(self, task: str) -> str:
        """Subject of a task's results."""
        return self._subject(f"results.{task}")

    def undecodable(self, stream: str) -> str:
        """Subject under which what could not be read is kept."""
        return self._subject(f"dead.{stream}")

    def cancel(self, job: str) -> str:
        """Subject on which workers hear that a job is cancelled."""
        return self._subject(f"cancel.{job}")

    def pause(self, task: str) -> str:
        """Subject on which workers hear that a task is paused."""
        return self._subject(f"pause.{task}")

    def cancelled(self, job: str) -> str:
        """Subject on which a worker asks whether a job is cancelled."""
        return self._subject(f"cancelled.{job}")

    def delta(self, task: str, job: str) -> str:
        """Subject on which a worker says how the text of a job goes on."""
        return self._subject(f"deltas.{task}.{job}")

    def text(self, job: str) -> str:
        """Subject on which a worker is asked for the text of a job."""
        return self._subject(f"text.{job}")

    def worker(self, worker: str) -> str:
        """Subject on which a worker says what it does."""
        return self._subject(f"workers.{worker}")

    def process(self, process: str) -> str:
        """Subject on which one web process hears the others; `all` is every one of them."""
        return self._subject(f"web.{process}")

    @property
    def requests(self) -> str:
        """Every subject on which jobs are asked for (NATS_INTAKE): `requests.ROOM.TASK`."""
        return self._subject("requests.>")

    def room_and_task(self, subject: str) -> tuple[str, str]:
        """What a subject of a request names: its last token is the task, all before it the room, dots included."""
        room, _, task = subject.removeprefix(self._subject("requests.")).rpartition(".")
        return room, task

    def owns(self, subject: str) -> bool:
        """Whether what is published on this subject means something to Spillway, or to the broker itself."""
        kinds = (
            *("jobs.", "results.", "dead.", "cancel.", "cancelled.", "requests.", "web.", "workers."),
            *("deltas.", "text.", "pause."),
        )
        return subject.startswith(("$", *map(self._subject, kinds)))

    def _stream(self, name: str) -> str:
        return f"{self.prefix.upper()}_{name}" if self.prefix else name

    def _subject(self, name: str) -> str:
        return f"{self.prefix}.{name}" if self.prefix else name


def names_of(settings: Settings) -> Names:
    """The names that these settings say."""
    return Names(
        settings.nats_prefix,
        settings.jobs_stream,
        settings.results_stream,
        settings.jobs_consumer,
        settings.results_consumer,
    )
