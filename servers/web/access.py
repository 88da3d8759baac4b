"""Access to a service: who asks, the scope that the route needs, the rate limit, the quota, the audit line.

The one `AccessControl` (`middleware.py`) of API, speech, MCP and UI, and what the pool's app calls itself.
Whose a thing is, the service that keeps it decides, by the principal that is in force while a request runs.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from starlette.types import Scope

from servers.web.api_key import OPEN_PATHS, Headers
from servers.web.audit import Audit
from servers.web.identity import Caller, Identity, Provider, RawHeaders, Used
from servers.web.oidc import open_provider
from servers.web.rate_limit import RateLimiter, TokenBucket
from servers.web.usage import Usage
from tools import trace
from tools.access.identity import SCOPES, Principal, acting_as
from tools.clients.bridge import open_bridge
from tools.errors import Forbidden, QuotaExceeded, Unauthorized
from tools.settings import Settings

CHALLENGE = b"Bearer"
EVERYTHING = SCOPES["admin"]


class Rule(NamedTuple):
    """Requests of `method` (empty: any) whose path begins with `prefix` and ends with `suffix` need
    `scope`."""

    method: str
    prefix: str
    scope: str
    suffix: str = ""

    def fits(self, method: str, path: str) -> bool:
        """Whether it is about this request."""
        return self.method in ("", method) and path.startswith(self.prefix) and path.endswith(self.suffix)


OPERATORS = (Rule("", "/metrics", "operate"),)
"""What every service keeps for those who run it."""


NOBODY: Final = nullcontext()


class Inside:
    """One request inside: its principal is in force, and it is counted as running, while the block lasts.

    A class rather than a generator, which would cost each request more than finding out who asks."""

    __slots__ = ("_acting", "_bucket")

    def __init__(self, principal: Principal, bucket: TokenBucket | None) -> None:
        self._acting, self._bucket = acting_as(principal), bucket

    def __enter__(self) -> None:
        self._acting.__enter__()

    def __exit__(self, *_: object) -> None:
        self._acting.__exit__()
        if self._bucket is not None:
            self._bucket.release()


class Access:
    """Decides at one door. The first of `rules` that fits says which scope is needed; without one it is
    `read`. `open_paths` are open to everybody, spelt exactly; `challenge` is what a 401 asks for."""

    def __init__(
        self,
        settings: Settings,
        *,
        name: str,
        rules: Sequence[Rule] = (),
        open_paths: frozenset[str] = frozenset(),
        challenge: bytes = CHALLENGE,
    ) -> None:
        self.settings, self.name = settings, name
        self.rules = (*rules, *OPERATORS)
        self.open_paths = OPEN_PATHS | open_paths
        self.challenge = challenge
        self.identity = Identity(settings, name=name)
        self.usage = Usage(name, settings.home.absolute() / "usage" / f"{name}.json")
        self.identity.reported = self.usage.reported
        self.audit = Audit(name, settings.log_level)
        self.rate_limiter = RateLimiter(source=name)

    @asynccontextmanager
    async def opened(self, provider: Provider | None = None) -> AsyncIterator["Access"]:
        """Keys can be looked up and use is reported while the block lasts; `provider` if it is open."""
        async with AsyncExitStack() as stack:
            if provider is None:
                provider = await stack.enter_async_context(open_provider(self.settings.oidc))
            bridge = await stack.enter_async_context(open_bridge(self.settings))
            self.identity.bridge, self.identity.provider = bridge, provider
            await stack.enter_async_context(self.usage.reporting(bridge))
            yield self

    async def admit(self, scope: Scope, headers: Headers) -> AbstractContextManager[None]:
        """Let a request in for as long as the block lasts; its principal is in `scope["state"]` and, inside
        the block, in force.

        Raises Unauthorized, Forbidden, RateLimited, QuotaExceeded, BadRequest, Unavailable."""
        if self.is_open(scope["path"]):
            return NOBODY
        try:
            caller = await self.caller(headers, scope["headers"])
        except Unauthorized:
            scope["capibara6.headers"] = [(b"www-authenticate", self.challenge)]
            raise
        scope.setdefault("state", {})["principal"] = caller.principal
        if caller.limits is None:
            return self.entered(caller, scope["method"], scope["path"])
        scope["capibara6.body_bytes"] = caller.limits.body_bytes
        try:
            return self.entered(caller, scope["method"], scope["path"])
        finally:  # a request that is refused is also told when to come back
            scope["capibara6.headers"] = self.headers(caller)

    def done(self, scope: Scope, status: int, seconds: float) -> None:
        """Write the request's audit line; health checks are left out."""
        if scope["path"] in OPEN_PATHS:
            return
        state: dict[str, Any] = scope.get("state", {})
        served = trace.current()
        self.audit.write(
            request_id=served.request_id.decode() if served else "",
            principal=state.get("principal"),
            method=scope["method"],
            route=getattr(scope.get("route"), "path", "unmatched"),
            status=status,
            seconds=seconds,
        )

    def is_open(self, path: str) -> bool:
        """Whether everybody may enter."""
        return path in self.open_paths

    async def caller(self, headers: Headers, raw: RawHeaders) -> Caller:
        """Who asks. Raises Unauthorized, Forbidden, BadRequest, Unavailable."""
        return self.identity.known(headers, raw) or await self.identity.find(headers, raw)

    def entered(self, caller: Caller, method: str, path: str) -> Inside:
        """The caller is inside until the block ends that is to follow at once, its principal in force.

        Raises Forbidden, RateLimited, QuotaExceeded."""
        principal = caller.principal
        self._check_scope(principal, method, path)
        bucket = None
        if caller.limits is not None:
            self._check_quota(caller)
            bucket = self.rate_limiter.acquire(_bucket(principal), caller.limits)
        if not caller.handed_on:
            self.usage.count_request(principal)
        return Inside(principal, bucket)

    def headers(self, caller: Caller) -> list[tuple[bytes, bytes]]:
        """What the caller is told of its rate limit."""
        if caller.limits is None:
            return []
        return self.rate_limiter.headers(_bucket(caller.principal), caller.limits)

    def _check_scope(self, principal: Principal, method: str, path: str) -> None:
        if principal.scopes == EVERYTHING:
            return
        needed = next((rule.scope for rule in self.rules if rule.fits(method, path)), "read")
        if needed not in principal.scopes:
            raise Forbidden(f"this needs a key with the scope {needed}", source=self.name)

    def _check_quota(self, caller: Caller) -> None:
        """Raises QuotaExceeded when what may be used today has been used."""
        quota, used = caller.quota, caller.used
        if quota is None or used is None:
            return
        since = self.usage.since(caller.principal, caller.counted or Used())
        for name in ("requests", "tokens", "audio_s"):
            most = getattr(quota, name)
            if most is not None and getattr(used, name) + getattr(since, name) >= most:
                raise QuotaExceeded(
                    f"{most:g} {name} a day may be used, and have been",
                    param=name,
                    source=self.name,
                    retry_after=seconds_to_tomorrow(),
                )


def seconds_to_tomorrow(now: datetime | None = None) -> int:
    """Seconds until the next day begins (UTC)."""
    now = now or datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, round((tomorrow - now).total_seconds()))


def _bucket(principal: Principal) -> str:
    """One bucket a key; those who come without one have theirs by name."""
    return f"{principal.tenant}/{principal.user}/{principal.key_id}"
