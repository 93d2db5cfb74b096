"""Who may do what on the broker: one user for each kind of process, each with the least rights that its work needs.

docs/contract.md ("NATS JetStream") says what the subjects mean. Nothing of nats is imported here, for the supervisor of
`make run` writes the configuration of its broker with it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from app.queue.names import DEAD_CONSUMER, Names

CHECK = Names("check")  # the prefix under which worker-check offers jobs, which no web process uses
RESPONSE_SECONDS = 60  # in which the web process may answer a request of a worker or a service
HEALTH = "$SYS.REQ.SERVER.PING.HEALTHZ"
PASSWORD = re.compile(r"[A-Za-z0-9_./$-]{16,}")  # also the hash of one, as `nats server passwd` makes it

Lanes = Mapping[str, Iterable[str]]
"""Lane -> its tasks."""


@dataclass(frozen=True)
class User:
    """One user of the broker: the subjects it may publish on and hear, and whether it may answer what it is asked."""

    name: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False
    password: str = field(default="", repr=False)

    @property
    def inbox(self) -> str:
        """The prefix of its inboxes: nobody else hears what is answered to it."""
        return inbox_of(self.name)

    def with_password(self, password: str) -> User:
        """The same user with this password."""
        return replace(self, password=password)

    def url(self, place: str) -> str:
        """NATS_URL of a process that connects as this user; `place` is HOST:PORT."""
        return f"nats://{self.name}:{self.password}@{place}"


def inbox_of(user: str) -> str:
    """The prefix of the inboxes of a user; nats' own where there is no user, or its name cannot be part of a subject."""
    return f"_INBOX_{user}" if re.fullmatch(r"[A-Za-z0-9_-]+", user) else "_INBOX"


def new_password() -> str:
    """One that nobody guesses."""
    return secrets.token_hex(24)


def web(names: Names, callbacks: Iterable[str] = (), password: str = "") -> User:
    """The web process: it alone publishes jobs and events, and makes the streams. `callbacks` are subjects of others."""
    streams = (names.jobs, names.results, names.dead)
    publish = [
        names.job("*", "*"),
        names.cancel("*"),
        names.pause("*"),
        names.text("*"),
        names.process("*"),
        names.undecodable(names.results),
        *(f"$JS.API.STREAM.{verb}.{stream}" for verb in ("INFO", "CREATE") for stream in streams),
        *_consumers(streams),
        # for messages that the broker keeps and gives to nobody (app/queue/orphans.py)
        *(f"$JS.API.STREAM.MSG.{verb}.{stream}" for verb in ("GET", "DELETE") for stream in streams[:2]),
        f"$JS.API.STREAM.PURGE.{names.jobs}",  # of tasks that are paused
        *_take(names.results, names.results_consumer),
        *_take(names.dead, DEAD_CONSUMER),
        *callbacks,
    ]
    return _user(
        names,
        "web",
        publish,
        [names.cancelled("*"), names.requests, names.delta("*", "*"), names.process("*"), names.worker("*")],
        password,
        answers=True,
    )


def worker(names: Names, lanes: Lanes, name: str = "worker", password: str = "") -> User:
    """A worker of these lanes: it takes their jobs and publishes texts and results of their tasks, and of no others."""
    publish = [*_serve(names, lanes), *_serve(CHECK, lanes)]
    subscribe = [each for of in (names, CHECK) for each in (of.cancel("*"), of.pause("*"), of.text("*"))]
    return _user(names, name, publish, subscribe, password, answers=True)


def operator(names: Names, password: str = "") -> User:
    """Commands on streams, and worker-check, which acts as a web process under a prefix of its own."""
    publish = ["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"]
    for of in (names, CHECK):
        for stream in (of.jobs, of.results, of.dead):
            publish += [f"$JS.API.STREAM.*.{stream}", f"$JS.API.STREAM.MSG.*.{stream}"]
            publish += [f"$JS.API.CONSUMER.*.{stream}", f"$JS.API.CONSUMER.*.{stream}.>"]
            publish += [f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.*"]
    publish += [CHECK.job("*", "*"), CHECK.cancel("*"), CHECK.text("*")]
    subscribe = [CHECK.result("*"), CHECK.delta("*", "*"), CHECK.cancelled("*"), f"$JS.ACK.{CHECK.jobs}.>"]
    return _user(names, "operator", publish, subscribe, password, answers=True)


def service(names: Names, callbacks: Iterable[str] = (), password: str = "") -> User:
    """Another program that asks for jobs over NATS, where NATS_INTAKE is on, and is called back there."""
    return _user(names, "service", [names.requests], callbacks, password, answers=True)


def monitor() -> User:
    """Whoever asks the broker how it is, in its system account."""
    return User("monitor", (HEALTH,), (f"{inbox_of('monitor')}.>",), password=new_password())


def configuration(users: Iterable[User], system: User | None = None) -> str:
    """The part of a nats-server configuration that lets in these users and nobody else."""
    text = f"authorization {{\n  users: [\n{''.join(_entry(user) for user in users)}  ]\n}}\n"
    if system is not None:
        text += f"accounts {{\n  SYS: {{ users: [\n{_entry(system)}  ] }}\n}}\nsystem_account: SYS\n"
    return text


def nsc(user: User) -> str:
    """The command of NATS' own tool that makes a .creds user with the same rights."""
    answers = f" --allow-pub-response=1 --response-ttl={RESPONSE_SECONDS}s" if user.answers else ""
    publish, subscribe = ",".join(user.publish), ",".join(user.subscribe)
    return f"nsc add user --name {user.name}{answers} --allow-pub '{publish}' --allow-sub '{subscribe}'"


def _user(
    names: Names, role: str, publish: Iterable[str], subscribe: Iterable[str], password: str, answers: bool = False
) -> User:
    # With a prefix several Spillways may share a broker, and so their users need names of their own.
    name = f"{names.prefix}-{role}" if names.prefix else role
    hears = (f"{inbox_of(name)}.>", *dict.fromkeys(subscribe))
    return User(name, tuple(dict.fromkeys(publish)), hears, answers, password or new_password())


def _serve(names: Names, lanes: Lanes) -> list[str]:
    """What a worker publishes: it takes jobs, answers for them, and says what cannot be read."""
    rights = [names.cancelled("*"), names.undecodable(names.jobs), names.worker("*")]
    for lane, tasks in lanes.items():
        rights += _take(names.jobs, names.consumer(lane))
        rights += [subject for task in tasks for subject in (names.result(task), names.delta(task, "*"))]
    return rights


def _take(stream: str, consumer: str) -> list[str]:
    return [f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", *_acks(stream, consumer)]


def _acks(stream: str, consumer: str) -> list[str]:
    """Both forms of an acknowledgement: of today's servers, and of those that put domain and account before the stream."""
    return [f"$JS.ACK.{stream}.{consumer}.>", f"$JS.ACK.*.*.{stream}.{consumer}.>"]


def _consumers(streams: Iterable[str]) -> list[str]:
    """To look for consumers, and to make them in the way of older servers, or of newer ones."""
    verbs = ("INFO.{}.*", "DURABLE.CREATE.{}.*", "CREATE.{}.>")
    return [f"$JS.API.CONSUMER.{verb.format(stream)}" for verb in verbs for stream in streams]


def _entry(user: User) -> str:
    answers = f'allow_responses: {{ max: 1, expires: "{RESPONSE_SECONDS}s" }}' if user.answers else ""
    return (
        f"    {{\n      user: {json.dumps(user.name)}, password: {json.dumps(user.password)}\n"
        f"      permissions: {{\n"
        f"        publish: {{ allow: {_list(user.publish)} }}\n"
        f"        subscribe: {{ allow: {_list(user.subscribe)} }}\n"
        f"        {answers}\n      }}\n    }}\n"
    )


def _list(subjects: Iterable[str]) -> str:
    lines = "".join(f"          {json.dumps(subject)}\n" for subject in subjects)
    return f"[\n{lines}        ]"
