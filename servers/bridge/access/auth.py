"""Authentication: the API key in a request's headers, the principal that it stands for, its rate limit.

The platform's own key (`settings.api_key`) has every scope, and may act for any tenant by naming it in
`x-capibara6-tenant`; so may everybody on loopback while there is none. Which scope a route needs is said
by the route (`http/dependencies.py`).
"""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from servers.bridge.access.audit import Audit, AuditEntry
from servers.bridge.access.keys import PREFIX, ApiKeys, Principal
from servers.bridge.access.rate_limit import RateLimiter
from servers.bridge.clients.tenants import DEFAULT, is_tenant
from servers.web.api_key import OPEN_PATHS, Headers, is_key, keys_in
from tools.errors import BadRequest, Draining, Forbidden, Unauthorized

SCOPES = frozenset({"read", "write", "admin"})
PLATFORM = Principal(DEFAULT, SCOPES, "platform")
TENANT_HEADER = b"x-capibara6-tenant"


class Authenticator:
    """Decides for every request, by nothing but its headers and its exact path.

    `secret` is the platform's own key; `keys` gives None while the bridge starts."""

    def __init__(self, secret: str | None, keys: Callable[[], ApiKeys | None], audit: Audit) -> None:
        self.secret = secret.encode() if secret else None
        self.keys = keys
        self.audit = audit
        self.rate_limiter = RateLimiter()

    @asynccontextmanager
    async def admit(self, scope: Any, headers: Headers) -> AsyncIterator[None]:
        """Let a request in for as long as the block lasts; `scope["state"]` then holds `principal` and
        `audit_entry`.

        Raises Unauthorized, Forbidden, RateLimited, BadRequest, StoreUnavailable."""
        state = scope.setdefault("state", {})
        state["audit_entry"] = AuditEntry()
        if scope["path"] in OPEN_PATHS:
            yield
            return
        principal = _acting_for(await self._principal(scope["headers"]), headers)
        state["principal"] = principal
        if principal.limits is None:
            yield
            return
        scope["capibara6.body_bytes"] = principal.limits.body_bytes
        with ExitStack() as stack:
            try:
                stack.enter_context(self.rate_limiter.acquire(principal.key_id, principal.limits))
            finally:  # a request that is refused is also told when to come back
                scope["capibara6.headers"] = self.rate_limiter.headers(principal.key_id, principal.limits)
            yield

    def done(self, scope: Any, status: int, seconds: float) -> None:
        """Write the request's audit line; health checks are left out. `seconds` is how long it took."""
        if scope["path"] not in OPEN_PATHS:
            self.audit.write(scope, status, seconds)

    async def _principal(self, headers: list[tuple[bytes, bytes]]) -> Principal:
        given = keys_in(headers)
        if len(given) > 1:
            raise Unauthorized("the request carries two different keys", source="bridge")
        token = next(iter(given), b"")
        if is_key(token, self.secret):
            return PLATFORM
        if token.startswith(PREFIX.encode()):
            keys = self.keys()
            if keys is None:
                raise Draining("the bridge is starting", source="bridge", retry_after=1)
            principal = await keys.find(token.decode("latin-1"))
            if principal is not None:
                return principal
        elif self.secret is None:
            # On loopback without a key of the platform: no key is asked for, and any other token is let pass.
            return PLATFORM
        raise Unauthorized("a valid API key is needed", source="bridge")


def _acting_for(principal: Principal, headers: Headers) -> Principal:
    """The principal, in the tenant that the platform names."""
    wanted = headers.get(TENANT_HEADER)
    if wanted is None:
        return principal
    name = wanted.decode("latin-1")
    if not is_tenant(name):
        raise BadRequest("the tenant's name is not valid", param="x-capibara6-tenant", source="bridge")
    if name == principal.tenant:
        return principal
    if principal.limits is not None:
        raise Forbidden("this key belongs to another tenant", param="x-capibara6-tenant", source="bridge")
    return replace(principal, tenant=name)
