"""Use: what each principal has used of each model, counted here and told to the bridge in batches.

It counts and reports; what may be used is `access.py`'s business. A bridge that is down is told later, and
what it has not heard when the service ends waits in the data directory for the next start.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from servers.web.identity import Used
from tools.access.identity import Principal, acting_as, service
from tools.clients.bridge import Bridge
from tools.errors import Capibara6Error
from tools.log import get_logger

log = get_logger("usage")

EVERY_S = 5.0
BATCH = 500
MAX_ENTRIES = 20_000
MAX_KNOWN = 10_000
REPORT_S = 5.0
COUNTED: Final = ("requests", "tokens_in", "tokens_out", "audio_s")


class Who(NamedTuple):
    """Whose use it is, of which model (None: of none)."""

    tenant: str
    user: str
    key_id: str
    model: str | None = None

    @property
    def asker(self) -> "Who":
        """The same, whatever the model."""
        return self._replace(model=None)


@dataclass
class Amount:
    """Requests, tokens read and written, seconds of audio."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    audio_s: float = 0.0

    def add(self, other: "Amount") -> None:
        """Add `other`."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Usage:
    """What one service counts. `spool` is the file that keeps what could not be reported."""

    def __init__(self, name: str, spool: Path) -> None:
        self.name, self.spool = name, spool
        self.waiting: dict[Who, Amount] = {}
        """Not yet reported."""
        self.counted: dict[Who, Amount] = {}
        """By asker, since the start."""
        self.told: dict[Who, Amount] = {}
        """By asker: what the bridge has heard of `counted`."""
        self._silent = False
        self._requests: dict[Principal, int] = {}
        """Counted apart, because it is done for each of them, and settled before it is read."""

    def count_request(self, principal: Principal) -> None:
        """One request of `principal` at its first door."""
        self._requests[principal] = self._requests.get(principal, 0) + 1

    def count(
        self,
        principal: Principal | None,
        *,
        model: str | None = None,
        requests: int = 0,
        tokens_in: int = 0,
        tokens_out: int = 0,
        audio_s: float = 0.0,
    ) -> None:
        """Add to what `principal` has used; a service on its own business uses nothing."""
        if principal is None or principal.key_id == "service":
            return
        who = Who(principal.tenant, principal.user, principal.key_id, model)
        amount = Amount(requests, tokens_in, tokens_out, audio_s)
        _add(self.waiting, who if len(self.waiting) < MAX_ENTRIES else who.asker, amount)
        if len(self.counted) >= MAX_KNOWN:
            self._forget()
        _add(self.counted, who.asker, amount)

    def reported(self, principal: Principal) -> Used:
        """What the bridge has heard of a principal from this process."""
        return _used(self.told.get(_asker(principal)))

    def since(self, principal: Principal, heard: Used) -> Used:
        """What a principal has used beyond what the bridge had heard when it was asked."""
        self._settle()
        now = _used(self.counted.get(_asker(principal)))
        return Used(
            requests=now.requests - heard.requests,
            tokens=now.tokens - heard.tokens,
            audio_s=now.audio_s - heard.audio_s,
        )

    async def report(self, bridge: Bridge) -> None:
        """Tell the bridge all that waits; what it does not take waits on. Raises `tools.errors`."""
        self._settle()
        while self.waiting:
            batch = {who: replace(amount) for who, amount in list(self.waiting.items())[:BATCH]}
            entries = [{**who._asdict(), **asdict(amount)} for who, amount in batch.items()]
            with acting_as(service(self.name)):
                await bridge.http.send("POST", "/api/v1/usage", json={"entries": entries}, timeout=REPORT_S)
            for who, amount in batch.items():
                _subtract(self.waiting, who, amount)
                if who.asker in self.counted:
                    _add(self.told, who.asker, amount)

    @asynccontextmanager
    async def reporting(self, bridge: Bridge) -> AsyncIterator[None]:
        """Report every `EVERY_S` while the block lasts, and once more at its end."""
        self._read_spool()
        task = asyncio.create_task(self._report_often(bridge))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            with suppress(Capibara6Error):
                await self.report(bridge)
            self._write_spool()

    async def _report_often(self, bridge: Bridge) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                await self.report(bridge)
                self._silent = False
            except Capibara6Error as exc:
                if not self._silent:
                    log.warning("usage_not_reported", code=exc.code, entries=len(self.waiting))
                self._silent = True

    def _read_spool(self) -> None:
        if self.spool.exists():
            for entry in json.loads(self.spool.read_text("utf-8")):
                amount = Amount(**{name: entry.pop(name) for name in COUNTED})
                _add(self.waiting, Who(**entry), amount)
            self.spool.unlink()

    def _settle(self) -> None:
        requests, self._requests = self._requests, {}
        for principal, number in requests.items():
            self.count(principal, requests=number)

    def _write_spool(self) -> None:
        self._settle()
        if self.waiting:
            entries = [{**who._asdict(), **asdict(amount)} for who, amount in self.waiting.items()]
            self.spool.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self.spool.with_suffix(".draft")
            draft.write_text(json.dumps(entries), "utf-8")
            draft.chmod(0o600)
            draft.replace(self.spool)

    def _forget(self) -> None:
        """Whoever has nothing left to report is known from then on by what the bridge says."""
        busy = {who.asker for who in self.waiting}
        for known in (self.counted, self.told):
            for who in [who for who in known if who not in busy]:
                del known[who]


def _asker(principal: Principal) -> Who:
    return Who(principal.tenant, principal.user, principal.key_id)


def _add(amounts: dict[Who, Amount], who: Who, amount: Amount) -> None:
    known = amounts.get(who)
    if known is None:
        amounts[who] = replace(amount)
    else:
        known.add(amount)


def _subtract(amounts: dict[Who, Amount], who: Who, amount: Amount) -> None:
    """Take away what was reported; what was counted meanwhile stays."""
    left = amounts[who]
    for name in COUNTED:
        setattr(left, name, getattr(left, name) - getattr(amount, name))
    if not any(getattr(left, name) > 0 for name in COUNTED):
        del amounts[who]


def _used(amount: Amount | None) -> Used:
    if amount is None:
        return Used()
    return Used(amount.requests, amount.tokens_in + amount.tokens_out, amount.audio_s)
