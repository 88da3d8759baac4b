"""Bearer tokens of an OpenID Connect provider at the bridge's own door: verified, then a user of the table.

What a token is worth is `servers/web/oidc.py`'s to say. The answer is kept as long as a key's.
"""

import hashlib
import time

from servers.bridge.access.accounts import Accounts
from servers.bridge.access.keys import CachedKey
from servers.bridge.access.users import External
from servers.web.oidc import Provider
from tools.errors import NotFound, Unauthorized

MAX_KEPT = 4_096


class ProviderTokens:
    """Finds whose a token is. `cache_s` is how long somebody who was disabled may still be let in."""

    def __init__(self, provider: Provider, cache_s: float) -> None:
        self.provider, self.cache_s = provider, cache_s
        self._kept: dict[str, tuple[float, CachedKey]] = {}

    async def find(self, token: str, accounts: Accounts) -> CachedKey:
        """Who bears the token, with their limits. Raises Unauthorized, Forbidden, Unavailable."""
        digest = hashlib.sha256(token.encode("latin-1", "replace")).hexdigest()
        until, kept = self._kept.get(digest, (0.0, None))
        if kept is not None and time.time() < until:
            return kept
        person = await self.provider.person(token)
        try:
            found = await accounts.of_external(
                External(person.issuer, person.subject, person.user, person.role, person.tenant)
            )
        except NotFound as exc:
            raise Unauthorized("nobody here is known by that token", source="bridge") from exc
        key = CachedKey(b"", found.principal, found.limits, found.quota, found.own, found.expires_at)
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[digest] = (min(time.time() + self.cache_s, person.expires_at), key)
        return key
