"""Settings: read once from the environment, typed, frozen, handed in. The only reader of the environment."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.nats_settings import Apart, consumer, inbox, nats_urls, prefix, stream, stream_name, subjects_of
from app.zones import is_zone

MIN_KEY_BYTES = 32  # of what signs: as long as its hash, RFC 2104 section 3 and RFC 7518 section 3.2
HOST_NAME = re.compile(r"(?!.*(^|\.)[0-9]+$)[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
LOOPBACK = ("127.0.0.1", "localhost", "::1")


EXTRAS = {"OCR": "OCR=1 make run", "SPEECH": "SPEECH=1 make run"}  # what is installed when it is asked for


class SettingInvalid(Exception):
    """A setting has a value that is not allowed; the message names the setting, the value and what is allowed."""


def _words(value: str) -> str:
    return value


def _key(value: str) -> str:
    if value and len(value.encode()) < MIN_KEY_BYTES:
        raise ValueError(f"empty, or at least {MIN_KEY_BYTES} bytes")
    return value


def _secret(value: str) -> str:
    """The secret itself, or what is in the file it names."""
    if value.startswith("file:"):
        try:
            value = Path(value.removeprefix("file:")).read_text().strip()
        except (OSError, ValueError):
            raise ValueError("file:PATH of a readable file, or the secret itself,") from None
    if value and len(value.encode()) < MIN_KEY_BYTES:
        raise ValueError(f"a secret of at least {MIN_KEY_BYTES} bytes, or file:PATH of one,")
    return value


def _keys(value: str) -> str:
    if "://" in value and not re.fullmatch(r"https://[^\s/@]+(/\S*)?", value):
        raise ValueError("a path, or an https:// URL,")
    return value


def _bearer(value: str) -> str:
    if not re.fullmatch(r"[!-~]*", value):
        raise ValueError("a key of printable ASCII without spaces")
    return value


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"one of {', '.join(allowed)}")
        return value

    return parse


def _number(low: float, high: float, kind: type[int | float] = int) -> Callable[[str], Any]:
    def parse(value: str) -> int | float:
        try:
            number = kind(value)
        except ValueError:
            number = kind(-1)
        if not low <= number <= high:
            raise ValueError(f"a {'whole ' if kind is int else ''}number from {low:g} to {high:g}")
        return number

    return parse


def _rate(value: str) -> float | None:
    return None if value == "off" else float(_number(1, 1_000_000, float)(value))


def _switch(value: str) -> bool:
    return _one_of("on", "off")(value) == "on"


def _yes(value: str) -> bool:
    return _one_of("0", "1", "")(value) == "1"


def _url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        raise ValueError("an http:// or https:// URL")
    return value.rstrip("/")


def _zone(value: str) -> str:
    if not is_zone(value):
        raise ValueError("an IANA time zone such as Europe/Berlin")
    return value


def _niceness(value: str) -> str:
    if value != "idle":
        try:
            _number(0, 19)(value)
        except ValueError:
            raise ValueError("idle, or a whole number from 0 to 19,") from None
    return value


def _database(value: str) -> str:
    if value and not re.fullmatch(r"sqlite:///.+|postgresql://[^\s/]*/[^\s/?]+(\?\S*)?", value):
        raise ValueError("empty, sqlite:///PATH, or postgresql://USER@HOST:PORT/NAME")
    return value


def _renewal(value: str) -> str:
    if (value and not re.fullmatch(r"(https?://[^\s/@;,'\"]+)?/[^\s;,'\"]*", value)) or value.startswith("//"):
        raise ValueError("empty, a path such as /renew, or an https:// URL")
    return value


def _origins(value: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(re.fullmatch(r"https?://[^\s/]+", origin) for origin in origins):
        raise ValueError("empty (same origin), or a comma-separated list such as https://chat.example.org")
    return origins


def _callback_hosts(value: str) -> tuple[str, ...]:
    hosts = tuple(part.strip() for part in value.split(",") if part.strip())
    if not all(_is_network(host) or HOST_NAME.fullmatch(host) for host in hosts):
        raise ValueError(
            "empty, or a comma-separated list of names and networks such as hooks.example.org,10.1.0.0/16,"
        )
    return hosts


def _is_network(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return True


def _webhook_secret(value: str) -> str:
    encoded = value.removeprefix("whsec_")
    try:
        if encoded == value or base64.b64decode(encoded, validate=True):  # not empty
            return value
    except binascii.Error:
        pass
    raise ValueError("any text, or whsec_ followed by base64,")


def setting(default: str, parse: Callable[[str], Any], about: str, secret: bool = False) -> Any:
    """A field of Settings: its default as written in the environment, its parser, and what it means.

    What is `secret` is never repeated, in no error and no log.
    """
    about_it = {"default": default, "parse": parse, "about": about, "secret": secret}
    return field(default_factory=lambda: parse(default), metadata=about_it, repr=not secret)


@dataclass(frozen=True)
class Settings:
    """Everything that can be set; the name in the environment is the field's name in capitals."""

    host: str = setting("127.0.0.1", _words, "address the web process listens on")
    port: int = setting("5000", _number(0, 65535), "port it listens on")
    web: int = setting("1", _number(1, 64), "web processes that make run starts, on PORT and those that follow")
    front_port: int = setting("0", _number(0, 65535), "port of nginx in front of several (default: PORT + 100)")
    public_url: str = setting(
        "", lambda v: _url(v) if v else "", "how workers reach the web process (default: HOST and PORT)"
    )
    data_dir: Path = setting("var", Path, "folder of the database, uploads and secrets")
    database_url: str = setting("", _database, "database (default: SQLite in DATA_DIR)", secret=True)
    nats_url: tuple[str, ...] = setting(
        "", nats_urls, "NATS servers (| between isolated ones); empty: no queue", secret=True
    )
    nats_creds: str = setting("", _words, "path of a NATS .creds file")
    nats_prefix: str = setting("", prefix, "prefix of stream and subject names")
    nats_inbox: str = setting(
        "", inbox, "prefix of our inboxes there (default: _INBOX_USER for the user in NATS_URL, else _INBOX)"
    )
    default_path: str = setting("simple", _one_of("simple", "queued", "auto"), "path of tasks that no flag names")
    ledger: bool = setting("on", _switch, "off is the plain original: acknowledged when started, nothing kept")
    ml_url: str = setting("http://127.0.0.1:5001", _url, "the model server")
    llm: bool = setting("", _yes, "1 has make run install and start a small language model")
    llm_url: str = setting("", lambda v: _url(v) if v else "", "an OpenAI-compatible server, with /v1; empty: none")
    llm_model: str = setting("", _words, "the model to ask for there; empty: the server's own")
    llm_key: str = setting("", _bearer, "the key it asks for", secret=True)
    llm_context: int = setting("4096", _number(512, 10_000_000), "tokens it takes, question and answer together")
    ocr: bool = setting("", _yes, "1: the model server reads text in pictures; make run installs what that needs")
    speech: bool = setting("", _yes, "1: the model server writes down speech; make run installs what that needs")
    time_zone: str = setting("UTC", _zone, "IANA name of the time zone of those who name none")
    unanswered_seconds: float = setting(
        "600", _number(1, 86_400, float), "seconds until the room is told that nobody answered an urgent message"
    )
    secret_key: str = setting("", _key, "signs links (default: random, kept in DATA_DIR)", secret=True)
    auth: str = setting("open", _one_of("open", "token"), "how people prove who they are; open: not at all")
    auth_secret: str = setting("", _secret, "what tokens are signed with (HS256), or file:PATH of it", secret=True)
    auth_keys: str = setting("", _keys, "path or https URL of public keys (JWKS: RS256, ES256, EdDSA)")
    auth_issuer: str = setting("", _words, "the iss that tokens must have; empty: any or none")
    auth_audience: str = setting("", _words, "the aud that tokens must have; empty: none")
    auth_renew_url: str = setting("", _renewal, "where the page gets its next token: a path here, or a URL")
    allow_open: bool = setting("", _yes, "1 lets AUTH=open listen beyond loopback")
    metrics_token: str = setting("", _words, "who may read /metrics (default: this machine)", secret=True)
    cors_origins: tuple[str, ...] = setting("", _origins, "other origins whose pages may connect")
    trust_proxy: int = setting(
        "0", _number(0, 16), "proxies in front of us, whose word on a client's address and scheme is taken"
    )
    callback_hosts: tuple[str, ...] = setting("", _callback_hosts, "hosts that may be called back; empty: none")
    callback_secret: str = setting("", _webhook_secret, "signs callbacks (Standard Webhooks)", secret=True)
    nats_callbacks: tuple[str, ...] = setting("", subjects_of, "NATS subjects that may be called back; empty: none")
    nats_intake: bool = setting("", _yes, "1 accepts jobs as requests over NATS")
    max_clients: int = setting("10000", _number(1, 1_000_000), "connected clients")
    pending_per_address: int = setting(
        "64", _number(1, 1_000_000), "connections of one address that are still to send a request, or to connect"
    )
    max_inflight: int = setting("64", _number(1, 10_000), "jobs running at once on the simple path")
    max_backlog: int = setting("20000", _number(0, 10_000_000), "jobs waiting on the simple path")
    rate_limit: float | None = setting(
        "50", _rate, "events a second a connection, and ten times as many events and requests an address; or off"
    )
    upload_rate: float | None = setting("30", _rate, "images a minute a person, or off")
    uploads_dir: str = setting("", _words, "folder of images (default: in DATA_DIR); one for all web processes")
    max_upload_bytes: int = setting("10485760", _number(1, 1 << 30), "size of one upload")
    ack_wait: float = setting("10", _number(0.2, 3600, float), "seconds without a heartbeat until a job is given again")
    drain_seconds: float = setting("10", _number(0, 3600, float), "seconds given to running jobs when stopping")
    retention_days: int = setting("0", _number(0, 36500), "days until messages and jobs are removed; 0 keeps them")
    jobs_max_msgs: int = setting("1000000", _number(1, 10**12), "messages the JOBS stream holds")
    jobs_max_bytes: int = setting("1073741824", _number(1024, 10**15), "bytes the JOBS stream holds")
    jobs_stream: str = setting("", stream, "the stream of jobs, where somebody else made it (default: JOBS)")
    results_stream: str = setting("", stream, "the stream of results, likewise (default: RESULTS)")
    jobs_consumer: str = setting("{lane}", consumer, "the consumer of each lane's jobs; {lane} stands for the lane")
    results_consumer: str = setting("chat", stream_name, "the consumer of results")
    max_waiting: int = setting("4096", _number(1, 10_000_000), "requests for messages a consumer keeps open")
    max_ack_pending: int = setting(
        "10000", _number(1, 10_000_000), "messages a consumer may have given out and not acked"
    )
    replicas: int = setting("1", _number(1, 5), "replicas of each stream")
    stranded_seconds: float = setting(
        "60", _number(1, 86_400, float), "seconds after which what an isolated server has is published again elsewhere"
    )
    niceness: str = setting(
        "idle", _niceness, "how far worker and model server stand back for others: idle, or 0 to 19"
    )
    log_format: str = setting("console", _one_of("console", "json"), "how log lines look")
    log_level: str = setting("info", _one_of("debug", "info", "warning", "error"), "the least severe line logged")
    async_mode: str = setting("eventlet", _one_of("eventlet", "threading"), "what the web process runs on")

    def __post_init__(self) -> None:
        if self.auth == "open" and self.host not in LOOPBACK and not self.allow_open:
            raise SettingInvalid(
                f"HOST={self.host} with AUTH=open lets anybody in under any name: set HOST to 127.0.0.1, or ALLOW_OPEN=1"
            )
        self._check_database()
        self._check_auth()
        self._check_callbacks()
        if self.nats_creds and not Path(self.nats_creds).is_file():
            raise SettingInvalid(f"NATS_CREDS={self.nats_creds} is not allowed: the path of a readable .creds file is")
        if self.web > 1 and not self.is_shared:
            raise SettingInvalid(f"WEB={self.web} needs a database that they share: set DATABASE_URL=postgresql://...")
        if self.default_path == "queued" and not self.nats_url:
            raise SettingInvalid("DEFAULT_PATH=queued is not allowed without NATS_URL: simple is, or set NATS_URL")

    def _check_database(self) -> None:
        if self.is_shared and not self.secret_key:
            raise SettingInvalid(
                "DATABASE_URL=postgresql:// needs SECRET_KEY: every process that shares it signs links"
            )

    def _check_auth(self) -> None:
        given = [name for name in ("AUTH_SECRET", "AUTH_KEYS") if getattr(self, name.lower())]
        if self.auth == "token" and len(given) != 1:
            what = "both are set" if given else "neither is set"
            raise SettingInvalid(f"AUTH=token needs exactly one of AUTH_SECRET and AUTH_KEYS: {what}")

    def _check_callbacks(self) -> None:
        if self.callback_hosts and not self.callback_secret:
            raise SettingInvalid("CALLBACK_HOSTS needs CALLBACK_SECRET: callbacks are signed with it")
        for name in ("NATS_CALLBACKS", "NATS_INTAKE"):
            if getattr(self, name.lower()) and not self.nats_url:
                raise SettingInvalid(f"{name} needs NATS_URL: without it there is no NATS to speak to")

    @property
    def given(self) -> frozenset[str]:
        """The names of those that are not empty: what a task `needs` must be among them."""
        return frozenset(name for name, value in self.by_name.items() if value)

    @property
    def by_name(self) -> dict[str, Any]:
        """Every setting under its name in the environment."""
        return {each.name.upper(): getattr(self, each.name) for each in fields(self)}

    @property
    def database(self) -> str:
        """URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'spillway.db'}"

    @property
    def database_name(self) -> str:
        """The database as words for people: without user and password."""
        return _without_login(self.database).partition("?")[0]

    @property
    def uploads(self) -> Path:
        """The folder of images, which all web processes must reach."""
        return Path(self.uploads_dir) if self.uploads_dir else self.data_dir / "uploads"

    @property
    def front(self) -> int:
        """The port of what stands in front of several web processes."""
        return self.front_port or self.port + 100

    @property
    def database_file(self) -> str:
        """Where it is, of a SQLite database."""
        return self.database.removeprefix("sqlite:///")

    @property
    def is_shared(self) -> bool:
        """Whether the database is one that several web processes may share."""
        return not self.database.startswith("sqlite:")

    @property
    def url(self) -> str:
        """Where workers and commands on this machine reach the web process."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104 - compared, not bound
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def servers(self) -> list[tuple[str, ...]]:
        """The addresses of each NATS server, or cluster of them, that knows of no other."""
        return [tuple(one.split(",")) for one in self.nats_url] if isinstance(self.nats_url, Apart) else [self.nats_url]

    @property
    def broker(self) -> str:
        """The NATS servers as words for people: without user, password or token."""
        return ", ".join(_without_login(url) for url in self.nats_url)

    @property
    def broker_user(self) -> str:
        """The user that NATS_URL names; empty where there is none, or a token."""
        login = urlsplit(self.servers[0][0]) if self.nats_url else None
        return (login.username or "") if login and login.password is not None else ""


def _without_login(url: str) -> str:
    return re.sub(r"//[^\s,]*@", "//", url)


def from_env(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment; raises SettingInvalid in one sentence for the first value that is not allowed."""
    environ = os.environ if environ is None else environ
    values = {}
    for each in fields(Settings):
        name = each.name.upper()
        if name not in environ:
            continue
        try:
            values[each.name] = each.metadata["parse"](environ[name].strip())
        except ValueError as allowed:
            given = "..." if each.metadata["secret"] else repr(environ[name])
            raise SettingInvalid(f"{name}={given} is not allowed: {allowed} is") from None
    return Settings(**values)


def what_is_missing(needed: str | None, given: Container[str]) -> str | None:
    """What to do before a task runs that needs this setting; None where it is among those given."""
    if needed is None or needed in given:
        return None
    return f"not installed, {EXTRAS[needed]} does it" if needed in EXTRAS else f"set {needed}"
