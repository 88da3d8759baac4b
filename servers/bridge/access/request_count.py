"""Counts the requests of keys at this door and holds them against the quota of the day (UTC).

They are counted here at once and written down every few seconds; what other replicas and doors counted is
read when that is done.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from servers.bridge.access.keys import CachedKey
from servers.bridge.access.usage import Usage, UsageRow, exceeded, today
from tools.errors import Capibara6Error
from tools.log import get_logger

FLUSH_S = 5.0
log = get_logger("usage")
Key = tuple[str, str, str]
"""Tenant, user and key."""


class RequestCount:
    """Requests of today: `pending` are not written down yet, `written` are, everybody's."""

    def __init__(self) -> None:
        self.day = today()
        self.pending: Counter[Key] = Counter()
        self.written: dict[Key, int] = {}
        self.by_user: Counter[tuple[str, str]] = Counter()

    def add(self, key: CachedKey) -> None:
        """One request more. Raises QuotaExceeded, which is not counted."""
        principal, most = key.principal, key.quota.requests
        name = principal.tenant, principal.user, principal.key_id
        if most is not None:
            if self.day != today():
                self._turn()
            own = "requests" in key.own
            used = self.written.get(name, 0) + self.pending[name] if own else self.by_user[name[:2]]
            if used >= most:
                raise exceeded("requests a day", most)
        self.pending[name] += 1
        self.by_user[name[:2]] += 1

    async def flush(self, usage: Usage) -> None:
        """Write down what is pending, read what all have used. Raises StoreUnavailable: it stays pending."""
        day, counted = self.day, self.pending
        self.pending = Counter()
        rows = [
            UsageRow(tenant=tenant, user_name=user, key_id=key, model="", day=day, requests=count)
            for (tenant, user, key), count in counted.items()
        ]
        try:
            await usage.add(rows)
        except BaseException:
            self.pending.update(counted)
            raise
        if self.day != today():
            self._turn()
        self.written = await usage.requests_today()
        self.by_user = Counter()
        for (tenant, user, _), count in (*self.written.items(), *self.pending.items()):
            self.by_user[tenant, user] += count

    @asynccontextmanager
    async def written_down(self, usage: Usage) -> AsyncIterator[None]:
        """Within the block what was counted is written down every `FLUSH_S` seconds, and at its end."""
        task = asyncio.create_task(self._flush_for_ever(usage))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with suppress(Capibara6Error):  # a database that is down must not keep us from ending
                await self.flush(usage)

    async def _flush_for_ever(self, usage: Usage) -> None:
        while True:
            try:
                await self.flush(usage)
            except Capibara6Error as exc:
                log.warning("usage_waits", reason=exc.message)
            await asyncio.sleep(FLUSH_S)

    def _turn(self) -> None:
        """A new day; what is pending still counts, of the day that it is written down in."""
        self.day = today()
        self.written, self.by_user = {}, Counter()
