"""Brokers that let in only who proves who they are: with a .creds file, or over TLS."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nkeys
import trustme

from app.ports import free_port
from tests.lossless.evidence import until

LIMITS = {**dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), -1), "wildcards": True}
JETSTREAM = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), -1)  # never of the system account


class Secured:
    """A nats-server with a configuration of its own; `url` and `environment` are what a client needs to get in."""

    def __init__(self, folder: Path, scheme: str, config: str, environment: dict[str, str]) -> None:
        port = free_port()
        self.url, self.environment = f"{scheme}://127.0.0.1:{port}", environment
        self._log = folder / "nats.log"
        path = folder / "nats.conf"
        path.write_text(f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/nats" }}\n{config}')
        binary = shutil.which("nats-server", path=str(Path(sys.executable).parent))
        assert binary, "nats-server is not installed"
        self._process = subprocess.Popen([binary, "-c", str(path), "-l", str(self._log)])
        until(self._ready, "the broker is ready")

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(10)

    def _ready(self) -> bool:
        log = self._log.read_text() if self._log.exists() else ""
        assert self._process.poll() is None, log
        return "Server is ready" in log


def with_creds(folder: Path, rights: dict[str, Any] | None = None) -> Secured:
    """A broker in operator mode: it trusts an operator, who signs accounts, which sign users; here one, with these rights."""
    operator, account, system, user = (
        _key(getattr(nkeys, f"PREFIX_BYTE_{kind}")) for kind in ("OPERATOR", "ACCOUNT", "ACCOUNT", "USER")
    )
    accounts = {
        _name(key): _signed(operator, key, {"type": "account", "limits": limits})
        for key, limits in ((account, LIMITS | JETSTREAM), (system, LIMITS))
    }
    users = {"type": "user", "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {}, **(rights or {})}
    creds = folder / "spillway.creds"
    creds.write_text(
        f"-----BEGIN NATS USER JWT-----\n{_signed(account, user, users)}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    preload = "\n".join(f"  {name}: {jwt}" for name, jwt in accounts.items())
    config = (
        f"operator: {_signed(operator, operator, {'type': 'operator'})}\nsystem_account: {_name(system)}\n"
        f"resolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n"
    )
    return Secured(folder, "nats", config, {"NATS_CREDS": str(creds)})


def with_tls(folder: Path) -> Secured:
    """A broker that speaks TLS only, with a certificate that the system's authorities know nothing of."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    config = f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem" }}\n'
    return Secured(folder, "tls", config, {"SSL_CERT_FILE": str(folder / "ca.pem")})


def _key(kind: int) -> Any:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), kind))


def _name(key: Any) -> str:
    return str(key.public_key.decode())


def _signed(issuer: Any, subject: Any, claims: dict[str, Any]) -> str:
    """A JWT as the NATS server wants it: signed with an Ed25519 key, its claims under `nats`."""
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    body = {
        "jti": secrets.token_hex(16),
        "iat": int(time.time()),
        "iss": _name(issuer),
        "sub": _name(subject),
        "name": str(claims["type"]),
        "nats": {**claims, "version": 2},
    }
    words = ".".join(_packed(json.dumps(part).encode()) for part in (head, body))
    return f"{words}.{_packed(issuer.sign(words.encode()))}"


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
