"""Tokens of the OpenID Connect provider that the settings name: verified with its keys, read as a person.

It keeps the provider's discovery document and keys. It knows no users of ours: whom a person is bound to, and
whether they were disabled, the bridge says. The page's sign-in is `ui/access/oidc.py`.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import jwt

from tools.access.external import Person, person_of
from tools.access.identity import LEEWAY_S
from tools.errors import Capibara6Error, Unauthorized, Unavailable
from tools.log import get_logger
from tools.schema import JsonObject
from tools.sections import Oidc

log = get_logger("oidc")

KEY_TYPES: Final[dict[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""Signatures that are believed, with their keys' type: asymmetric ones alone."""
FRESH_S = 3_600.0
"""How long the document and the keys are taken as they are."""
RETRY_S = 60.0
"""Between two readings at least, whatever tokens ask for; `FIRST_RETRY_S` while none has succeeded."""
FIRST_RETRY_S = 2.0
TIMEOUT_S = 5.0
MAX_BYTES = 512 * 2**10
MAX_TOKEN_CHARS = 16 * 2**10
SUBJECT_CHARS = 255


def is_jwt(token: str) -> bool:
    """Whether a bearer token has the form of a signed JWT (RFC 7515, compact)."""
    return token.startswith("eyJ") and token.count(".") == 2


class Provider:
    """The provider of `settings.issuer`: its endpoints, and whom its tokens name."""

    def __init__(
        self, settings: Oidc, http: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        assert settings.issuer is not None
        self.settings, self.http, self.clock = settings, http, clock
        self.issuer = settings.issuer
        self._document: JsonObject = {}
        self._keys: list[JsonObject] = []
        self._read_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def person(self, token: str) -> Person:
        """Whom a bearer token names. Raises Unauthorized for a token that is not good here, Forbidden for a
        person without a role, Unavailable while no key of the provider is known."""
        audience = self.settings.audience or self.settings.client_id
        claims = await self.verify(token, audience=audience)
        return person_of(claims, self.settings)

    async def verify(self, token: str, *, audience: str) -> JsonObject:
        """A token's claims, once signature, issuer, audience and times are right. Raises as `person` does."""
        key = await self._key(_header(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=audience,
                issuer=self.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as exc:
            raise _refused(f"{exc}") from exc
        if not 0 < len(claims["sub"]) <= SUBJECT_CHARS:
            raise _refused("its sub has no usable length")
        self._check_party(claims, audience)
        return claims

    async def endpoint(self, name: str) -> str:
        """The address of an endpoint, as `token_endpoint`. Raises Unavailable where there is none."""
        await self._refresh(FRESH_S)
        address = self._document.get(name)
        safe = ("https://",) if self.issuer.startswith("https://") else ("https://", "http://")
        if not isinstance(address, str) or not address.startswith(safe):
            raise Unavailable(f"the provider {self.issuer} names no usable {name}", source="oidc")
        return address

    async def offered(self, name: str, *usual: str) -> list[str]:
        """What the document lists under `{name}_supported`, else what is usual."""
        await self._refresh(FRESH_S)
        found = self._document.get(f"{name}_supported")
        return [str(value) for value in found] if isinstance(found, list) else list(usual)

    async def fetch(self, method: str, url: str, **request: Any) -> tuple[int, JsonObject]:
        """Status and JSON object of one request to the provider; redirects are not followed. Raises
        Unavailable when none comes within `TIMEOUT_S` seconds and `MAX_BYTES`."""
        body = bytearray()
        try:
            async with asyncio.timeout(TIMEOUT_S), self.http.stream(method, url, **request) as response:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MAX_BYTES:
                        raise Unavailable(f"the provider's answer at {url} is too large", source="oidc")
            document = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as exc:
            raise Unavailable(
                f"the provider gave no answer at {url}: {type(exc).__name__}", source="oidc", retry_after=5
            ) from exc
        if not isinstance(document, dict):
            raise Unavailable(f"the provider's answer at {url} is no JSON object", source="oidc")
        return response.status_code, document

    async def _key(self, header: JsonObject) -> jwt.PyJWK:
        """The key that a token's header names; an unknown one lets the keys be read again."""
        await self._refresh(FRESH_S)
        found = _choose(self._keys, header)
        if found is None:
            await self._refresh(0.0)
            found = _choose(self._keys, header)
        if found is None:
            raise _refused("it is signed with none of the provider's keys")
        try:
            return jwt.PyJWK(found, algorithm=header["alg"])
        except jwt.PyJWTError as exc:
            raise _refused("the provider's key can not be read") from exc

    async def _refresh(self, older_than_s: float) -> None:
        """Read document and keys again when they are older; when that fails, those there are go on."""
        async with self._lock:
            now = self.clock()
            retry_s = RETRY_S if self._keys else FIRST_RETRY_S
            if now - self._read_at >= older_than_s and now - self._tried_at >= retry_s:
                self._tried_at = now
                try:
                    self._document, self._keys = await self._read()
                    self._read_at = now
                except Capibara6Error as exc:
                    log.warning("provider_not_read", issuer=self.issuer, reason=exc.message)
            if not self._keys:
                raise Unavailable(
                    f"the provider {self.issuer} can not be asked", source="oidc", retry_after=5
                )

    async def _read(self) -> tuple[JsonObject, list[JsonObject]]:
        document = await self._ok(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            text = f"the provider calls itself {document.get('issuer')!r}; oidc.issuer says {self.issuer!r}"
            raise Unavailable(text, source="oidc")
        keys = (await self._ok(str(document.get("jwks_uri")))).get("keys")
        usable = [key for key in keys if _is_usable(key)] if isinstance(keys, list) else []
        if not usable:
            raise Unavailable(f"the provider {self.issuer} has no usable key", source="oidc")
        return document, usable

    async def _ok(self, url: str) -> JsonObject:
        if self.issuer.startswith("https://") and not url.startswith("https://"):
            raise Unavailable(f"the provider names {url}, which is not https", source="oidc")
        status, document = await self.fetch("GET", url)
        if status != 200:
            raise Unavailable(f"the provider answered HTTP {status} at {url}", source="oidc")
        return document

    def _check_party(self, claims: JsonObject, audience: str) -> None:
        """A token for the client itself was asked for by that client; one for an API, by any."""
        party = claims.get("azp")
        if audience == self.settings.client_id and party not in (None, audience):
            raise _refused("it was issued to another client")


@asynccontextmanager
async def open_provider(settings: Oidc) -> AsyncIterator[Provider | None]:
    """The provider, asked over connections that live as long as the block; None where none is set."""
    if settings.issuer is None:
        yield None
        return
    # Uncompressed: what is bounded in bytes shall not grow while it is unpacked.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
        yield Provider(settings, http)


def _header(token: str) -> JsonObject:
    if len(token) > MAX_TOKEN_CHARS:
        raise _refused("it is too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as exc:
        raise _refused("it is no signed token") from exc
    if header.get("alg") not in KEY_TYPES:
        raise _refused("its signature is of a kind that is not accepted")
    return header


def _choose(keys: list[JsonObject], header: JsonObject) -> JsonObject | None:
    """The key of the header's `kid`; without one, the only key that fits its algorithm."""
    wanted, kid = header["alg"], header.get("kid")
    fitting = [key for key in keys if key["kty"] == KEY_TYPES[wanted] and key.get("alg") in (None, wanted)]
    if kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.get("kid") == kid), None)


def _is_usable(key: Any) -> bool:
    """A public key for signatures."""
    return (
        isinstance(key, dict)
        and key.get("kty") in KEY_TYPES.values()
        and "d" not in key
        and key.get("use", "sig") == "sig"
    )


def _refused(reason: str) -> Unauthorized:
    return Unauthorized(f"the provider's token is not accepted: {reason}", code="invalid_token")
