"""Who is asking: a principal, its role and scopes, and the signed token by which one service tells another.

It authenticates nobody (`servers/web/identity.py`) and keeps no keys. A principal in force is the context's:
whoever serves a request or executes a run sets it with `acting_as`, and the clients hand it on.
"""

import time
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

import jwt

Role = Literal["user", "operator", "admin"]
Scope = Literal["read", "write", "operate", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
SCOPES: Final[dict[Role, frozenset[str]]] = {
    "user": frozenset({"read", "write"}),
    "operator": frozenset({"read", "write", "operate"}),
    "admin": frozenset({"read", "write", "operate", "admin"}),
}
"""A user asks and owns what they make; an operator ingests, loads models and runs flows; an admin makes users
and keys."""
TOKEN_PREFIX = "c6i."
TOKEN_S = 60
"""How long a token is good, in seconds; one that is handed on is at least half as young."""
LEEWAY_S = 30
"""How far the clocks of two machines may be apart, in seconds."""
MAX_TOKENS = 4_096


@dataclass(frozen=True)
class Principal:
    """Who a request is from. `key_id` says by what: a key's id, `session`, `oidc`, `platform`, `service`.

    `platform` is the deployment itself (its own key, its flows, everybody on loopback while there is no key):
    it has no limits, may act for any tenant and sees what is everybody's."""

    tenant: str
    user: str
    role: Role
    scopes: frozenset[str]
    key_id: str
    platform: bool = False

    def narrowed(self, *, tenant: str) -> "Principal":
        """The same principal in another tenant."""
        return replace(self, tenant=tenant)


LOCAL: Final = Principal("default", "local", "admin", SCOPES["admin"], "platform", platform=True)
"""The one person of an installation without keys, and the bearer of the platform's own key."""


def service(name: str) -> Principal:
    """A service on its own business: health checks, usage, looking up who somebody is."""
    return Principal("default", f"service:{name}", "admin", SCOPES["admin"], "service", platform=True)


_CURRENT: ContextVar[Principal | None] = ContextVar("principal", default=None)


def current() -> Principal | None:
    """Whom the present task acts for."""
    return _CURRENT.get()


class acting_as:
    """Inside the block, this task and those that it starts act for `principal`.

    A class, because a generator would cost each request three times as much."""

    __slots__ = ("_principal", "_token")
    _token: Token[Principal | None]

    def __init__(self, principal: Principal | None) -> None:
        self._principal = principal

    def __enter__(self) -> None:
        self._token = _CURRENT.set(self._principal)

    def __exit__(self, *_: object) -> None:
        _CURRENT.reset(self._token)


class Signer:
    """Signs and verifies principals with a secret that the platform's services share (HS256, RFC 7515).

    Both remember what they did: a request costs a look-up, not a signature."""

    def __init__(self, secret: bytes, *accepted: bytes) -> None:
        """`secret` signs; it and those `accepted` besides verify."""
        self.secret, self.accepted = secret, (secret, *accepted)
        self._signed: dict[Principal, tuple[float, str]] = {}
        self._verified: dict[str, tuple[float, Principal]] = {}

    def sign(self, principal: Principal) -> str:
        """A token for `principal`, good for `TOKEN_S` seconds at most and half of it at least."""
        now = time.time()
        good_until, token = self._signed.get(principal, (0.0, ""))
        if now < good_until:
            return token
        claims = {"sub": principal.user, "tenant": principal.tenant, "role": principal.role}
        claims |= {"scopes": sorted(principal.scopes), "key": principal.key_id}
        claims |= {"platform": principal.platform, "exp": int(now) + TOKEN_S}
        token = TOKEN_PREFIX + jwt.encode(claims, self.secret, algorithm="HS256")
        _bound(self._signed)
        self._signed[principal] = (now + TOKEN_S / 2, token)
        return token

    def verify(self, token: str) -> Principal | None:
        """Whom a token names; None for one that is forged, broken or too old."""
        now = time.time()
        good_until, principal = self._verified.get(token, (0.0, LOCAL))
        if now < good_until:
            return principal
        if not token.startswith(TOKEN_PREFIX):
            return None
        found = next(
            filter(None, (_read(token[len(TOKEN_PREFIX) :], secret) for secret in self.accepted)), None
        )
        if found is None:
            return None
        principal, expires_at = found
        _bound(self._verified)
        self._verified[token] = (expires_at + LEEWAY_S, principal)
        return principal


def _read(token: str, secret: bytes) -> tuple[Principal, float] | None:
    options: Any = {"require": ["exp", "sub"]}
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], leeway=LEEWAY_S, options=options)
        return _principal(claims), claims["exp"]
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
        return None


def _principal(claims: dict[str, Any]) -> Principal:
    role = claims["role"]
    if role not in ROLES:
        raise ValueError(role)
    return Principal(
        tenant=claims["tenant"],
        user=claims["sub"],
        role=role,
        scopes=frozenset(claims["scopes"]),
        key_id=claims["key"],
        platform=claims["platform"] is True,
    )


def _bound(cache: dict[Any, Any]) -> None:
    if len(cache) >= MAX_TOKENS:
        cache.clear()
