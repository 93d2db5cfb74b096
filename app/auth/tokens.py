"""JSON Web Tokens (RFC 7519, with the advice of RFC 8725): what one says, once its signature and its times hold."""

from __future__ import annotations

import json
import time
import warnings
from typing import Annotated, Any

import msgspec
from joserfc import jwt
from joserfc.errors import (
    ExpiredTokenError,
    InvalidClaimError,
    JoseError,
    MissingClaimError,
    SecurityWarning,
)
from joserfc.jws import CompactSignature, extract_compact, validate_compact
from msgspec import Meta

from app.auth.grant import Grant, Role
from app.auth.keys import Keys, KeySet, Secret, UnknownKey
from app.contract import Person
from app.outgoing import Outgoing
from app.payload import Identifier, PersonName, Refused, check_name, read, ready
from app.settings import Settings

MAX_BYTES = 8192
LEEWAY_SECONDS = 30  # between the clocks of whoever issues tokens and of this machine
MAX_PATTERNS = 1000  # more do not fit into MAX_BYTES anyway

# joserfc warns of what it is about to do; what we allow is decided in app/auth/keys.py.
warnings.simplefilter("ignore", SecurityWarning)


@ready
class Claims(msgspec.Struct):
    """What we read of a token; it may say more. `rooms` absent: no room."""

    sub: Identifier
    exp: Annotated[float, Meta(ge=0, le=2**53)]
    name: PersonName | None = None
    rooms: Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=MAX_PATTERNS)] = []
    role: Role = "member"


class Tokens:
    """Knows which tokens are good."""

    def __init__(self, keys: Keys, issuer: str = "", audience: str = "") -> None:
        """`issuer` and `audience` are what tokens must say; empty: none is expected."""
        self.keys, self._audience = keys, audience
        expected: dict[str, Any] = {"exp": {"essential": True}, "sub": {"essential": True}}
        if issuer:
            expected["iss"] = {"essential": True, "value": issuer}
        if audience:
            expected["aud"] = {"essential": True, "value": audience}
        self._expected = expected

    async def grant(self, token: Any) -> Grant:
        """What the token grants; its key is looked for where it is not known yet. Raises Refused as `read` does."""
        await self.learn(token)
        return self.read(token)

    async def learn(self, token: Any) -> None:
        """Read the keys again where this token was signed with one that is not known; never fails."""
        try:
            self._key_of(_taken_apart(token))
        except UnknownKey:
            await self.keys.read_again()
        except Refused:
            pass  # whoever reads it will say why

    def read(self, token: Any) -> Grant:
        """What the token grants, checked with the keys there are.

        Raises Refused(unauthorized), which says why and repeats nothing of the token.
        """
        signed = _taken_apart(token)
        try:
            key = self._key_of(signed)
            good = validate_compact(signed, key, [signed.headers()["alg"]])
        except UnknownKey as error:
            raise _refused(str(error)) from None
        except (JoseError, ValueError, TypeError):
            good = False
        if not good:
            raise _refused("its signature is not by the key it was checked with")
        return self._granted(signed.payload or b"")

    def _key_of(self, signed: CompactSignature) -> Any:
        """The key it must be signed with; raises UnknownKey, or Refused for a header that is not accepted."""
        header = signed.headers()
        if "crit" in header:
            raise _refused("it has a header crit, which nothing here understands")
        algorithm = header.get("alg")
        if algorithm not in self.keys.algorithms:
            raise _refused(f"its alg is not one of {', '.join(self.keys.algorithms)}")
        return self.keys.find(algorithm, header.get("kid"))

    def _granted(self, payload: bytes) -> Grant:
        claims = self._claims(payload)
        try:
            said = read(claims, Claims)
            check_name(said.name or said.sub, "name")
            check_name(said.sub, "sub")
        except Refused as error:
            raise _refused(f"its claim {error.field or ''} is not what is due: {error.message}") from None
        return Grant(Person(said.sub, said.name or said.sub), tuple(said.rooms), said.role, said.exp)

    def _claims(self, payload: bytes) -> dict[str, Any]:
        """The claims, whose times, issuer and audience are right."""
        try:
            claims = json.loads(payload)
            if not isinstance(claims, dict):
                raise TypeError
            if "aud" in claims and not self._audience:
                raise _refused("it has a claim aud, and none is expected: AUTH_AUDIENCE says which")
            jwt.JWTClaimsRegistry(leeway=LEEWAY_SECONDS, **self._expected).validate(claims)
        except ExpiredTokenError:
            raise _refused("it has expired") from None
        except MissingClaimError as error:
            raise _refused(f"it has no claim {error.claim}") from None
        except InvalidClaimError as error:
            raise _refused(WRONG.get(error.claim, f"its claim {error.claim} is not right")) from None
        except (JoseError, TypeError, ValueError, RecursionError, OverflowError):
            raise _refused("its claims cannot be read") from None
        return claims


WRONG = {
    "nbf": "it is not valid yet (nbf)",
    "iat": "it was issued in the future (iat)",
    "iss": "it is by another issuer (iss)",
    "aud": "it is for another audience (aud)",
}


def tokens_from(settings: Settings, outgoing: Outgoing) -> Tokens | None:
    """What checks tokens, or None under AUTH=open. Its keys must be loaded before it is asked."""
    if settings.auth == "open":
        return None
    keys: Keys = Secret(settings.auth_secret) if settings.auth_secret else KeySet(settings.auth_keys, outgoing)
    return Tokens(keys, settings.auth_issuer, settings.auth_audience)


def issue(settings: Settings, claims: dict[str, Any], seconds: float) -> str:
    """A token with these claims, good for so long, signed with AUTH_SECRET; raises Refused where it would not be accepted."""
    now = int(time.time())
    more = {"iss": settings.auth_issuer, "aud": settings.auth_audience}
    content = {
        **claims,
        **{name: value for name, value in more.items() if value},
        "iat": now,
        "exp": now + int(seconds),
    }
    secret = Secret(settings.auth_secret)
    token = jwt.encode({"alg": "HS256"}, content, secret.key)
    Tokens(secret, settings.auth_issuer, settings.auth_audience).read(token)
    return token


def _taken_apart(token: Any) -> CompactSignature:
    if not isinstance(token, str):
        raise _refused("it is no text")
    if len(token) > MAX_BYTES:
        raise _refused(f"it has more than {MAX_BYTES} bytes")
    try:
        return extract_compact(token.encode("ascii"))
    except (JoseError, ValueError, TypeError, RecursionError, KeyError, AttributeError):
        raise _refused("it is no JSON Web Token that is signed") from None


def _refused(why: str) -> Refused:
    return Refused("unauthorized", f"this token is not accepted: {why}", "token")
