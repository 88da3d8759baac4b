"""From a request's headers to whom it is from: keys, tokens of our services, sessions, tokens of a provider.

Keys and sessions are the bridge's: it is asked with a digest alone, and the answer is kept for
`access.cache_s` seconds. The platform's key and our services' tokens need nobody. What may be done is
`access.py`'s business.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NoReturn, Protocol

from servers.web.api_key import Headers, bearer_token, is_key, keys_in, platform_key
from servers.web.rate_limit import KeyLimits
from tools.access.identity import LOCAL, TOKEN_PREFIX, Principal, Role, acting_as, service
from tools.clients.bridge import Bridge
from tools.errors import (
    BadRequest,
    Capibara6Error,
    Draining,
    Forbidden,
    NotFound,
    Unauthorized,
    Unavailable,
)
from tools.log import get_logger
from tools.schema import JsonObject
from tools.sections import Quota
from tools.settings import Settings

log = get_logger("identity")

RawHeaders = list[tuple[bytes, bytes]]
KEY_PREFIX: Final = b"c6-"
KEY: Final = re.compile(rb"c6-[0-9a-f]{16}-[A-Za-z0-9_-]{43}")
TENANT_HEADER: Final = b"x-capibara6-tenant"
TENANT: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
TENANT_CHARS = 32
UNKNOWN_S = 1.0
"""How long a key is remembered as unknown: another replica may just have made it."""
MAX_CACHED = 10_000
LOOKUP_S = 5.0


@dataclass(frozen=True)
class Used:
    """What a key or a person has used today (UTC); `passages` is how many they have stored."""

    requests: int = 0
    tokens: int = 0
    audio_s: float = 0.0
    passages: int = 0


@dataclass(frozen=True)
class Caller:
    """Who is at the door. `limits`, `quota` and `used` are None for the platform, and for whom a service of
    ours hands on: they were held to them at the first door."""

    principal: Principal
    limits: KeyLimits | None = None
    quota: Quota | None = None
    used: Used | None = None
    counted: Used | None = None
    """What this process had reported of them when it asked."""
    expires_at: float = float("inf")
    """Unix seconds."""
    handed_on: bool = False
    """A service of ours asks for them: this is not the first door of the request."""


class Person(Protocol):
    """Somebody whom an OpenID Connect provider names."""

    @property
    def user(self) -> str: ...
    @property
    def role(self) -> Role: ...
    @property
    def tenant(self) -> str: ...
    @property
    def expires_at(self) -> float: ...

    def external(self) -> dict[str, str]:
        """What the bridge is told of them."""
        ...


class Provider(Protocol):
    """Verifies bearer tokens of an OpenID Connect provider."""

    async def person(self, token: str) -> Person:
        """Raises Unauthorized, Forbidden, Unavailable."""
        ...


class Identity:
    """Who asks at one door. `bridge` and `provider` are set once they are open.

    `reported` gives what this process has told the bridge of a principal's use."""

    def __init__(self, settings: Settings, *, name: str) -> None:
        self.settings, self.name = settings, name
        self.key = platform_key(settings)
        self.bridge: Bridge | None = None
        self.provider: Provider | None = None
        self.reported: Callable[[Principal], Used] = lambda _: Used()
        self.local = Caller(LOCAL)
        self._cache: dict[str, tuple[float, Caller]] = {}
        self._unknown: dict[str, float] = {}
        """Until when; apart, so that no flood of wrong keys drives the good ones out."""
        self._asked: dict[str, asyncio.Future[Caller | None]] = {}

    def known(self, headers: Headers, raw: RawHeaders) -> Caller | None:
        """Who it is, when that needs nobody else; None when `find` has to be awaited.

        Raises Unauthorized, and Forbidden or BadRequest for the tenant that is named."""
        token = self._token(headers, raw)
        if is_key(token, self.key):
            caller = self.local
        elif token.startswith(TOKEN_PREFIX.encode()):
            principal = self.settings.signer.verify(token.decode("latin-1"))
            if principal is None:
                raise self._refused()
            caller = Caller(principal, handed_on=True)
        elif token.startswith(KEY_PREFIX):
            cached = self._cached(_digest(token)) if KEY.fullmatch(token) else self._refuse()
            if cached is None:
                return None
            caller = cached
        elif token and self.provider is not None and _is_jwt(token):
            cached = self._cached(f"jwt:{_digest(token)}")
            if cached is None:
                return None
            caller = cached
        elif self.key is None:
            # On loopback without a key of the platform: any other token is let pass.
            caller = self.local
        else:
            raise self._refused()
        return self._in_tenant(caller, headers.get(TENANT_HEADER))

    async def find(self, headers: Headers, raw: RawHeaders) -> Caller:
        """Who it is, by the bridge or the provider. Raises what `known` raises, and Unavailable."""
        token = self._token(headers, raw)
        if token.startswith(KEY_PREFIX):
            digest = _digest(token)
            caller = await self._joined(digest, lambda: self._ask({"key": digest}))
        else:
            text = token.decode("latin-1")
            caller = await self._joined(f"jwt:{_digest(token)}", lambda: self._person(text))
        if caller is None:
            raise self._refused()
        return self._in_tenant(caller, headers.get(TENANT_HEADER))

    async def session(self, token: str) -> Caller | None:
        """Whose session it is; None for one that is unknown or has ended. Raises Unavailable."""
        digest = _digest(token.encode("utf-8", "surrogatepass"))
        found, known = self._look(f"session:{digest}")
        if known:
            return found
        return await self._joined(f"session:{digest}", lambda: self._ask({"session": digest}))

    def forget(self) -> None:
        """Ask again for everybody, as after a session was ended here."""
        self._cache.clear()

    def _token(self, headers: Headers, raw: RawHeaders) -> bytes:
        """The one credential of a request; empty without. Raises Unauthorized for two different ones."""
        if len(headers) != len(raw):  # a header came twice
            given = keys_in(raw)
            if len(given) > 1:
                raise Unauthorized("the request carries two different keys", source=self.name)
            return next(iter(given), b"")
        bearer = bearer_token(headers.get(b"authorization", b""))
        other = headers.get(b"x-api-key")
        if other is None:
            return bearer
        other = other.strip()
        if bearer and other and bearer != other:
            raise Unauthorized("the request carries two different keys", source=self.name)
        return bearer or other

    def _in_tenant(self, caller: Caller, wanted: bytes | None) -> Caller:
        """The caller, in the tenant that the platform names."""
        if wanted is None:
            return caller
        name, principal = wanted.decode("latin-1"), caller.principal
        if len(name) > TENANT_CHARS or not TENANT.fullmatch(name):
            raise BadRequest("the tenant's name is not valid", param="x-capibara6-tenant", source=self.name)
        if name == principal.tenant:
            return caller
        if not principal.platform:
            raise Forbidden(
                "this key belongs to another tenant", param="x-capibara6-tenant", source=self.name
            )
        return replace(caller, principal=principal.narrowed(tenant=name))

    def _look(self, name: str) -> tuple[Caller | None, bool]:
        """What is remembered under a name, and whether anything is."""
        now = time.monotonic()
        found = self._cache.get(name)
        if found is None or now >= found[0]:
            return None, now < self._unknown.get(name, 0.0)
        return (found[1] if time.time() < found[1].expires_at else None), True

    def _cached(self, name: str) -> Caller | None:
        caller, known = self._look(name)
        if known and caller is None:
            raise self._refused()
        return caller

    async def _joined(self, name: str, ask: Callable[[], Awaitable[Caller | None]]) -> Caller | None:
        """The answer to a question that is asked once, however many wait for it."""
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = asyncio.ensure_future(self._remember(name, ask))
            asked.add_done_callback(lambda done: self._answered(name, done))
        return await asyncio.shield(asked)

    def _answered(self, name: str, done: "asyncio.Future[Caller | None]") -> None:
        del self._asked[name]
        if not done.cancelled():
            done.exception()  # whoever still waits has it; when nobody does, it is nobody's

    async def _remember(self, name: str, ask: Callable[[], Awaitable[Caller | None]]) -> Caller | None:
        asked_at, longest = time.monotonic(), self.settings.access.cache_s
        caller = await ask()
        for cache in (self._cache, self._unknown):
            cache.pop(name, None)
            if len(cache) >= MAX_CACHED:
                cache.clear()
        if caller is None:
            self._unknown[name] = asked_at + min(UNKNOWN_S, longest)
        else:
            self._cache[name] = (asked_at + longest, caller)
        return caller

    async def _ask(self, who: JsonObject) -> Caller | None:
        if self.bridge is None:
            raise Draining(f"the service {self.name} is starting", source=self.name, retry_after=1)
        try:
            with acting_as(service(self.name)):
                found = await self.bridge.http.json("POST", "/api/v1/identity", json=who, timeout=LOOKUP_S)
        except NotFound:
            return None
        except Capibara6Error as exc:
            # Whatever the reason, nobody enters who is not known.
            log.warning("identity_unknown", code=exc.code, source=exc.source)
            raise Unavailable(
                "nobody can say whose key this is: the bridge does not answer",
                source=self.name,
                retry_after=1,
            ) from exc
        caller = caller_of(found)
        return replace(caller, counted=self.reported(caller.principal))

    async def _person(self, token: str) -> Caller | None:
        assert self.provider is not None
        try:
            person = await self.provider.person(token)
        except Unauthorized:
            return None
        caller = await self._ask({"external": person.external()})
        return caller and replace(
            caller, principal=replace(caller.principal, key_id="oidc"), expires_at=person.expires_at
        )

    def _refuse(self) -> NoReturn:
        raise self._refused()

    def _refused(self) -> Unauthorized:
        return Unauthorized("a valid API key is needed", source=self.name)


def caller_of(found: Any) -> Caller:
    """The bridge's answer to `POST /api/v1/identity`."""
    principal = Principal(
        found["tenant"], found["user"], found["role"], frozenset(found["scopes"]), found["key_id"]
    )
    ends = found["expires_at"]
    return Caller(
        principal,
        KeyLimits(**found["limits"]),
        Quota(**found["quota"]),
        Used(**found["used"]),
        expires_at=datetime.fromisoformat(ends).timestamp() if ends else float("inf"),
    )


def _digest(token: bytes) -> str:
    return hashlib.sha256(token).hexdigest()


def _is_jwt(token: bytes) -> bool:
    return token.startswith(b"eyJ") and token.count(b".") == 2
