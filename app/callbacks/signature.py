"""Proving that a callback is ours: a signature as Standard Webhooks has it (standardwebhooks.com, v1)."""

from __future__ import annotations

import base64
import binascii
import hmac

ENCODED = "whsec_"  # before a secret in base64


def key_of(secret: str) -> bytes:
    """The key: what `whsec_` and base64 stand for, or the secret's own bytes; raises ValueError."""
    if not secret.startswith(ENCODED):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(ENCODED), validate=True)
    except binascii.Error:
        raise ValueError("after whsec_ base64 is expected") from None


def signature(key: bytes, id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for these values of `webhook-id` and `webhook-timestamp`, and this body."""
    signed = hmac.digest(key, b"%b.%d.%b" % (id.encode(), timestamp, body), "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"
