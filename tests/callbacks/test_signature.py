"""Callbacks are signed as Standard Webhooks has it."""

from __future__ import annotations

import pytest

from app.callbacks.signature import key_of, signature


def test_it_is_the_signature_of_the_standards_own_example() -> None:
    """The test vector of the specification's reference libraries."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_that_is_no_base64_counts_as_it_is() -> None:
    assert key_of("correct horse battery staple") == b"correct horse battery staple"
    assert key_of("") == b""
    with pytest.raises(ValueError, match="base64"):
        key_of("whsec_???")
