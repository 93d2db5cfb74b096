"""Which tokens are good: made here with the library that any login might use, in every way that is wrong."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, OKPKey, RSAKey

from app.auth.keys import KeysInvalid
from app.auth.tokens import Tokens, tokens_from
from app.outgoing import Outgoing
from app.payload import Refused
from app.settings import from_env
from tests.own_loop import OwnLoop

SECRET = "s" * 40
DAY = 86_400  # tokens are made when tests are collected, and looked at much later
GOOD = {"sub": "ada", "name": "Ada", "rooms": ["clinic", "ward-*"], "role": "staff"}
MAKERS: dict[str, Callable[[], Key]] = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
}
KEYS = {algorithm: make() for algorithm, make in MAKERS.items()}


def token(key: Key | str = SECRET, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token that is good but for what is given; a claim that is None is left out."""
    content = {"exp": time.time() + DAY, **GOOD, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    signer = OctKey.import_key(key) if isinstance(key, str) else key
    head = {"alg": "HS256", **(header or {})}
    return jwt.encode(head, content, signer, algorithms=[head["alg"]])


def by_hand(header: Any, payload: bytes = b"{}", signature: str = "") -> str:
    """Three parts that no library would make."""
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (json.dumps(header).encode(), payload))
    return ".".join([*parts, signature])


def checker(**settings: str) -> Tokens:
    """Tokens as these settings want them, HS256 unless they name keys."""
    secret = {} if "AUTH_KEYS" in settings else {"AUTH_SECRET": SECRET}
    own = OwnLoop()
    try:
        made = tokens_from(from_env({"AUTH": "token", **secret, **settings}), Outgoing(own))  # type: ignore[arg-type]  # all that it needs for a file
        assert made is not None
        own.run(made.keys.load())
    finally:
        own.close()
    return made


def why_not(tokens: Tokens, given: Any) -> str:
    """Why this token is refused, in a sentence that repeats nothing of it."""
    with pytest.raises(Refused) as refused:
        tokens.read(given)
    assert refused.value.code == "unauthorized"
    sentence = refused.value.message
    assert not (
        isinstance(given, str) and len(given) > 20 and any(part in sentence for part in given.split(".") if part)
    )
    return sentence


def key_file(folder: Path, *entries: Any) -> str:
    """The path of a JWKS with these."""
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": [as_public(each) for each in entries]}))
    return str(path)


def as_public(entry: Any) -> Any:
    """A key as it is handed out; anything else as it is."""
    return {**entry.as_dict(private=False), "kid": entry.thumbprint()} if isinstance(entry, Key) else entry


def test_a_good_token_says_who_somebody_is_and_what_they_may() -> None:
    grant = checker().read(token())
    assert (grant.person.id, grant.person.name, grant.role) == ("ada", "Ada", "staff")
    assert grant.rooms == ("clinic", "ward-*")
    assert not grant.is_open


def test_a_token_that_says_little_grants_little() -> None:
    grant = checker().read(token(name=None, rooms=None, role=None))
    assert (grant.person.name, grant.rooms, grant.role) == ("ada", (), "member")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "signed"),
        ("junk", "signed"),
        ("a.b.c", "signed"),
        ("\u00e9.\u00e9.\u00e9", "signed"),
        (7, "no text"),
        (None, "no text"),
        ({"alg": "HS256"}, "no text"),
        ("x" * 20_000, "8192"),
        (token("t" * 40), "signature"),
        (token()[:-4] + "AAAA", "signature"),
        (token(exp=None), "exp"),
        (token(exp=time.time() - 31), "expired"),
        (token(exp="soon"), "exp"),
        (token(exp=1e300), "exp"),
        (token(nbf=time.time() + DAY), "not valid yet"),
        (token(aud="somebody"), "aud"),
        (token(sub=None), "sub"),
        (token(sub=""), "sub"),
        (token(sub="x" * 65), "sub"),
        (token(sub=7), "sub"),
        (token(sub="a\u202eb"), "name"),
        (token(name="a\u0000b"), "name"),
        (token(rooms="clinic"), "rooms"),
        (token(rooms=[7]), "rooms"),
        (token(role="god"), "role"),
        (token(header={"alg": "HS384"}), "alg"),
        (by_hand({"alg": "none"}, json.dumps({**GOOD, "exp": time.time() + 60}).encode()), "alg"),
        (by_hand({"alg": "HS256", "crit": ["x"], "x": 1}), "crit"),
        (by_hand({"alg": ["HS256"]}), "alg"),
        (by_hand({}), "signed"),
        (by_hand(["HS256"]), "signed"),
        (jwt.encode({"alg": "HS256"}, {}, OctKey.import_key(SECRET)), "exp"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_token_is_said_and_nothing_of_it_repeated(given: Any, words: str) -> None:
    assert words in why_not(checker(), given)


def test_clocks_may_differ_by_half_a_minute() -> None:
    tokens = checker()
    assert tokens.read(token(exp=time.time() - 20)).person.id == "ada"
    assert tokens.read(token(nbf=time.time() + 20)).person.id == "ada"


def test_issuer_and_audience_are_looked_at_where_they_are_set() -> None:
    tokens = checker(AUTH_ISSUER="https://login", AUTH_AUDIENCE="spillway")
    good: dict[str, Any] = {"iss": "https://login", "aud": ["other", "spillway"]}
    assert tokens.read(token(**good)).person.id == "ada"
    assert "audience" in why_not(tokens, token(**{**good, "aud": "other"}))
    assert "issuer" in why_not(tokens, token(**{**good, "iss": "https://else"}))
    assert "aud" in why_not(tokens, token(iss="https://login"))


@pytest.mark.parametrize("algorithm", KEYS)
def test_public_keys_check_what_their_private_ones_signed(tmp_path: Path, algorithm: str) -> None:
    tokens = checker(AUTH_KEYS=key_file(tmp_path, *KEYS.values()))
    key = KEYS[algorithm]
    assert tokens.read(token(key, {"alg": algorithm, "kid": key.thumbprint()})).person.id == "ada"
    assert tokens.read(token(key, {"alg": algorithm})).person.id == "ada"  # the only one of its kind
    other = MAKERS[algorithm]()
    assert "signature" in why_not(tokens, token(other, {"alg": algorithm, "kid": key.thumbprint()}))


def test_the_public_key_is_no_secret_to_sign_with(tmp_path: Path) -> None:
    key = RSAKey.generate_key(2048)
    tokens = checker(AUTH_KEYS=key_file(tmp_path, key))
    payload = json.dumps({**GOOD, "exp": time.time() + 60}).encode()
    for text in (key.as_pem(private=False), json.dumps(as_public(key)).encode()):
        unsigned = by_hand({"alg": "HS256", "kid": key.thumbprint()}, payload).rstrip(".")
        signature = hmac.digest(text, unsigned.encode(), "sha256")
        forged = f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        assert "alg" in why_not(tokens, forged)


def test_a_key_of_another_kind_does_not_fit_the_algorithm(tmp_path: Path) -> None:
    tokens = checker(AUTH_KEYS=key_file(tmp_path, *KEYS.values()))
    signed = token(KEYS["ES256"], {"alg": "ES256", "kid": KEYS["RS256"].thumbprint()})
    assert "key" in why_not_async(tokens, signed)


def test_an_unknown_key_is_looked_for_once_and_not_again_for_a_minute(tmp_path: Path) -> None:
    first, second, third = (ECKey.generate_key("P-256") for _ in range(3))
    tokens = checker(AUTH_KEYS=key_file(tmp_path, first))

    def of(key: Key) -> str:
        return token(key, {"alg": "ES256", "kid": key.thumbprint()})

    key_file(tmp_path, second)
    assert asyncio.run(tokens.grant(of(second))).person.id == "ada"
    key_file(tmp_path, third)
    assert "key" in why_not_async(tokens, of(third))
    assert asyncio.run(tokens.grant(of(second))).person.id == "ada"


def test_known_keys_go_on_while_the_file_is_away_or_broken(tmp_path: Path) -> None:
    key = KEYS["EdDSA"]
    path = Path(key_file(tmp_path, key))
    tokens = checker(AUTH_KEYS=str(path))
    path.write_text("broken")
    stranger = OKPKey.generate_key("Ed25519")
    assert "key" in why_not_async(tokens, token(stranger, {"alg": "EdDSA", "kid": "stranger"}))
    assert asyncio.run(tokens.grant(token(key, {"alg": "EdDSA"}))).person.id == "ada"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "Key Set"),
        ("[]", "Key Set"),
        ('{"keys": 7}', "Key Set"),
        ('{"keys": [{}]}', "Key Set"),
        ('{"keys": []}', "no key"),
        ('{"keys": [{"kty": "RSA"}]}', "no key"),
        (json.dumps({"keys": [as_public(RSAKey.generate_key(1024))]}), "no key"),
        (json.dumps({"keys": [{**as_public(KEYS["RS256"]), "use": "enc"}]}), "no key"),
        (json.dumps({"keys": [as_public(ECKey.generate_key("P-384"))]}), "no key"),
        (json.dumps({"keys": [as_public(KEYS["RS256"]), OctKey.generate_key(256).as_dict()]}), "symmetric"),
    ],
)
def test_a_file_without_proper_keys_stops_the_start_in_one_sentence(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(KeysInvalid, match=words) as refused:
        checker(AUTH_KEYS=str(path))
    assert str(refused.value).startswith(f"AUTH_KEYS={path} is not allowed: ")


def test_a_set_made_by_a_library_is_read(tmp_path: Path) -> None:
    keys = KeySet([KEYS["RS256"], KEYS["ES256"]])
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys.as_dict(private=False)))
    assert checker(AUTH_KEYS=str(path)).read(token(KEYS["RS256"], {"alg": "RS256"})).person.id == "ada"


def why_not_async(tokens: Tokens, given: str) -> str:
    """As `why_not`, after the keys were looked at again."""
    with pytest.raises(Refused) as refused:
        asyncio.run(tokens.grant(given))
    return refused.value.message
