"""Authentication: the credential in a request's headers, the principal that it stands for, its limits.

The platform's own key (`settings.api_key`), and everybody on loopback while there is none, may act for any
tenant by naming it in `x-capibara6-tenant`. A signed token says for whom a service of ours asks, and was
counted at the door that let its bearer in. Which scope a route needs is said by the route
(`http/dependencies.py`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from servers.bridge.access.accounts import Accounts
from servers.bridge.access.audit import Audit, AuditEntry
from servers.bridge.access.keys import PREFIX, CachedKey
from servers.bridge.access.provider_tokens import ProviderTokens
from servers.bridge.access.request_count import RequestCount
from servers.bridge.clients.tenants import is_tenant
from servers.web.access import Inside
from servers.web.api_key import OPEN_PATHS, Headers, is_key, keys_in, platform_key
from servers.web.oidc import is_jwt
from servers.web.rate_limit import RateLimiter, TokenBucket
from tools.access.identity import LOCAL, TOKEN_PREFIX, Principal
from tools.errors import BadRequest, Draining, Forbidden, QuotaExceeded, Unauthorized
from tools.settings import Settings

KEY, TOKEN = PREFIX.encode(), TOKEN_PREFIX.encode()
TENANT_HEADER = b"x-capibara6-tenant"


class Authenticator:
    """Decides for every request, by nothing but its headers and its exact path.

    `accounts` gives None while the bridge starts; `provider` is set where people come from one."""

    def __init__(self, settings: Settings, accounts: Callable[[], Accounts | None], audit: Audit) -> None:
        self.secret = platform_key(settings)
        self.signer = settings.signer
        self.accounts = accounts
        self.audit = audit
        self.rate_limiter = RateLimiter()
        self.requests = RequestCount()
        self.provider: ProviderTokens | None = None

    async def admit(self, scope: Any, headers: Headers) -> AbstractContextManager[None]:
        """Let a request in for as long as the block lasts, which acts for its principal; `scope["state"]`
        then holds `principal` and `audit_entry`.

        Raises Unauthorized, Forbidden, RateLimited, QuotaExceeded, BadRequest, StoreUnavailable."""
        state = scope.setdefault("state", {})
        state["audit_entry"] = AuditEntry()
        if scope["path"] in OPEN_PATHS:
            return nullcontext()
        principal, key = await self._bearer(scope["headers"])
        state["principal"] = principal = _acting_for(principal, headers)
        return Inside(principal, self._counted(scope, key) if key is not None else None)

    def done(self, scope: Any, status: int, seconds: float) -> None:
        """Write the request's audit line; health checks are left out. `seconds` is how long it took."""
        if scope["path"] not in OPEN_PATHS:
            self.audit.write(scope, status, seconds)

    def _counted(self, scope: Any, key: CachedKey) -> TokenBucket:
        """The bucket of a key whose request is counted. Raises RateLimited, QuotaExceeded."""
        key_id = key.principal.key_id
        scope["capibara6.body_bytes"] = key.limits.body_bytes
        try:
            bucket = self.rate_limiter.acquire(key_id, key.limits)
            try:
                self.requests.add(key)
            except QuotaExceeded:
                bucket.release()
                raise
            return bucket
        finally:  # a request that is refused is also told when to come back
            scope["capibara6.headers"] = self.rate_limiter.headers(key_id, key.limits)

    async def _bearer(self, headers: list[tuple[bytes, bytes]]) -> tuple[Principal, CachedKey | None]:
        """Whom the request is from, and the key that is to be counted, if it came with one."""
        given = keys_in(headers)
        if len(given) > 1:
            raise Unauthorized("the request carries two different keys", source="bridge")
        token = next(iter(given), b"")
        if is_key(token, self.secret):
            return LOCAL, None
        if token.startswith(KEY):
            key = await self._accounts().keys.find(token.decode("latin-1"))
            if key is not None:
                return key.principal, key
        elif token.startswith(TOKEN):
            principal = self.signer.verify(token.decode("latin-1"))
            if principal is not None and (principal.platform or principal.user != LOCAL.user):
                return principal, None
        elif self.provider is not None and is_jwt(token.decode("latin-1")):
            key = await self.provider.find(token.decode("latin-1"), self._accounts())
            return key.principal, key
        elif self.secret is None:
            # On loopback without a key of the platform: no key is asked for, and any other token is let pass.
            return LOCAL, None
        raise Unauthorized("a valid API key is needed", source="bridge")

    def _accounts(self) -> Accounts:
        accounts = self.accounts()
        if accounts is None:
            raise Draining("the bridge is starting", source="bridge", retry_after=1)
        return accounts


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
    if not principal.platform:
        raise Forbidden("this key belongs to another tenant", param="x-capibara6-tenant", source="bridge")
    return principal.narrowed(tenant=name)
