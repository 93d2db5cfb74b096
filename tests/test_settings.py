"""Settings: every wrong value stops the start with one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.settings import SettingInvalid, Settings, from_env

WRONG = {
    "WEB": ["", "0", "65", "two", "3"],
    "FRONT_PORT": ["", "-1", "65536"],
    "PORT": ["-1", "65536", "http", "1.5", ""],
    "PUBLIC_URL": ["chat.example.org", "ftp://x"],
    "DATABASE_URL": ["postgresql://db/x", "mysql://x", "var/x.db"],
    "NATS_URL": ["localhost:4222", "http://x:1", "nats://a b", "nats://a:1|", "nats://a:1||nats://b:1"],
    "NATS_CREDS": ["/nowhere/at/all.creds"],
    "NATS_PREFIX": ["a.b", "a b", "x" * 33, ">"],
    "NATS_INBOX": [".a", "a.", "a b", "a.>"],
    "TRUST_PROXY": ["-1", "17", "yes"],
    "DEFAULT_PATH": ["fast", "SIMPLE", "", "queued"],
    "LEDGER": ["true", "1", ""],
    "ML_URL": ["127.0.0.1:5001", ""],
    "LLM": ["yes", "on"],
    "LLM_URL": ["127.0.0.1:8000/v1", "ftp://x/v1"],
    "LLM_KEY": ["two words", "schlüssel", "a\r\nb"],
    "LLM_CONTEXT": ["100", "many"],
    "AUTH": ["password", ""],
    "AUTH_KEYS": ["http://login/keys", "https://user@login/keys"],
    "AUTH_RENEW_URL": ["renew", "//else/renew", "ftp://x/y"],
    "ALLOW_OPEN": ["yes", "true"],
    "CORS_ORIGINS": ["*", "chat.example.org", "http://a/path"],
    "CALLBACK_HOSTS": ["https://a.example", "a b", "10.0.0.1/8", "10.0.0.300", "*.example.org", "a..b/"],
    "CALLBACK_SECRET": ["whsec_???", "whsec_abc"],
    "NATS_CALLBACKS": ["a b", "a.>.b", ".a", "a..b"],
    "NATS_INTAKE": ["yes", "on"],
    "MAX_CLIENTS": ["0", "many", "-5"],
    "MAX_INFLIGHT": ["0", "x", "10001"],
    "MAX_BACKLOG": ["-1", "x"],
    "RATE_LIMIT": ["0", "-1", "none", "nan", "inf"],
    "UPLOAD_RATE": ["0", "-1", "none", "nan", "inf"],
    "PENDING_PER_ADDRESS": ["0", "-1", "many"],
    "MAX_UPLOAD_BYTES": ["0", "10MiB"],
    "ACK_WAIT": ["0", "x", "nan", "inf"],
    "DRAIN_SECONDS": ["-1", "x", "nan"],
    "RETENTION_DAYS": ["-1", "1.5"],
    "JOBS_MAX_MSGS": ["0", "x"],
    "JOBS_MAX_BYTES": ["1", "x"],
    "REPLICAS": ["0", "6"],
    "OCR": ["2", "yes"],
    "SPEECH": ["2", "yes"],
    "TIME_ZONE": ["Mars/Olympus", "", "../etc/passwd", "+01:00"],
    "UNANSWERED_SECONDS": ["0", "soon", "nan"],
    "JOBS_STREAM": ["a.b", "a b", "x" * 65],
    "RESULTS_STREAM": ["a.b", "*"],
    "JOBS_CONSUMER": ["workers", "", "a.{lane}"],
    "RESULTS_CONSUMER": ["", "a.b"],
    "MAX_WAITING": ["0", "x"],
    "MAX_ACK_PENDING": ["0", "x"],
    "STRANDED_SECONDS": ["0", "x", "nan"],
    "NICENESS": ["-1", "20", "low", "", "1.5"],
    "LOG_FORMAT": ["xml", ""],
    "LOG_LEVEL": ["INFO", "loud"],
    "ASYNC_MODE": ["gevent", "asyncio"],
    "HOST": ["0.0.0.0", "192.168.1.7", "::", ""],
}
SECRET = {each.name.upper() for each in dataclasses.fields(Settings) if each.metadata["secret"]}
CASES = [(name, value) for name, values in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_value_is_refused_in_one_sentence(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        from_env({name: value})
    sentence = str(refused.value)
    assert sentence.startswith(f"{name}=")
    assert (value in sentence) is (name not in SECRET or not value)
    assert "\n" not in sentence
    assert len(sentence) > len(f"{name}={value} is not allowed: ")


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    free = {
        "DATA_DIR",
        "LLM_MODEL",
        "SECRET_KEY",
        "AUTH_SECRET",
        "AUTH_ISSUER",
        "AUTH_AUDIENCE",
        "METRICS_TOKEN",
        "UPLOADS_DIR",
    }  # see below
    assert {each.name.upper() for each in dataclasses.fields(Settings)} - free - set(WRONG) == set()


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = from_env({})
    assert (settings.host, settings.port, settings.url) == ("127.0.0.1", 5000, "http://127.0.0.1:5000")
    assert (settings.default_path, settings.nats_url, settings.ledger) == ("simple", (), True)
    assert (settings.max_clients, settings.max_inflight, settings.max_backlog) == (10_000, 64, 20_000)
    assert (settings.rate_limit, settings.max_upload_bytes) == (50.0, 10 * 1024 * 1024)
    assert (settings.ack_wait, settings.drain_seconds, settings.retention_days) == (10.0, 10.0, 0)
    assert (settings.database, settings.auth, settings.async_mode) == ("sqlite:///var/spillway.db", "open", "eventlet")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        from_env({}).port = 1  # type: ignore[misc]  # what is wrong is the point


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_open_means_this_machine_only(host: str) -> None:
    assert from_env({"HOST": host}).host == host


def test_open_to_others_must_be_asked_for() -> None:
    assert from_env({"HOST": "0.0.0.0", "ALLOW_OPEN": "1"}).url == "http://127.0.0.1:5000"


def test_what_can_be_written_is_read() -> None:
    settings = from_env(
        {
            "NATS_URL": "nats://a:4222, tls://b:4222",
            "CORS_ORIGINS": "https://chat.example.org,http://localhost:3000",
            "RATE_LIMIT": "off",
            "DEFAULT_PATH": "queued",
            "LEDGER": "off",
        }
    )
    assert settings.nats_url == ("nats://a:4222", "tls://b:4222")
    assert settings.servers == [("nats://a:4222", "tls://b:4222")]
    apart = from_env({"NATS_URL": "nats://a:4222, nats://b:4222 | tls://c:4222"})
    assert apart.servers == [("nats://a:4222", "nats://b:4222"), ("tls://c:4222",)]
    assert settings.cors_origins == ("https://chat.example.org", "http://localhost:3000")
    assert (settings.rate_limit, settings.default_path, settings.ledger) == (None, "queued", False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "neither is set"),
        ({"AUTH_SECRET": "x" * 32, "AUTH_KEYS": "keys.json"}, "both are set"),
    ],
)
def test_tokens_are_checked_with_one_secret_or_one_set_of_keys(given: dict[str, str], words: str) -> None:
    with pytest.raises(SettingInvalid, match=f"^AUTH=token needs exactly one of AUTH_SECRET and AUTH_KEYS: {words}$"):
        from_env({"AUTH": "token", **given})


def test_with_tokens_others_may_come() -> None:
    assert from_env({"AUTH": "token", "AUTH_SECRET": "x" * 32, "HOST": "0.0.0.0"}).host == "0.0.0.0"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("y" * 40 + "\n")
    assert from_env({"AUTH_SECRET": f"file:{path}"}).auth_secret == "y" * 40


@pytest.mark.parametrize("given", ["x" * 31, "file:/nowhere/at/all"])
def test_a_secret_that_is_none_is_refused_without_being_shown(given: str) -> None:
    with pytest.raises(SettingInvalid, match=r"^AUTH_SECRET=\.\.\. is not allowed: ") as refused:
        from_env({"AUTH_SECRET": given})
    assert given not in str(refused.value)


def test_secrets_do_not_show_where_settings_are_printed() -> None:
    given = {"AUTH_SECRET": "a" * 32, "SECRET_KEY": "b" * 32, "METRICS_TOKEN": "c" * 8, "NATS_URL": "nats://d:e@f:1"}
    shown = repr(from_env(given))
    assert [value for value in given.values() if value in shown] == []


def test_a_key_that_is_too_short_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingInvalid, match=r"^SECRET_KEY=\.\.\. is not allowed: empty, or at least 32 bytes is$"):
        from_env({"SECRET_KEY": "x" * 31})
    assert from_env({"SECRET_KEY": "x" * 32}).secret_key == "x" * 32


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"CALLBACK_HOSTS": "hooks.example.org"}, "CALLBACK_SECRET"),
        ({"NATS_CALLBACKS": "hooks.>"}, "NATS_URL"),
        ({"NATS_INTAKE": "1"}, "NATS_URL"),
    ],
)
def test_a_setting_that_needs_another_says_which(given: dict[str, str], missing: str) -> None:
    (name,) = given
    with pytest.raises(SettingInvalid, match=f"^{name} needs {missing}: "):
        from_env(given)


def test_hosts_are_names_addresses_and_networks() -> None:
    given = "hooks.example.org, localhost,10.1.0.0/16,127.0.0.1,fd00::/8,::1"
    settings = from_env({"CALLBACK_HOSTS": given, "CALLBACK_SECRET": "s"})
    assert settings.callback_hosts == ("hooks.example.org", "localhost", "10.1.0.0/16", "127.0.0.1", "fd00::/8", "::1")
