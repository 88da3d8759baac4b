"""`model: "consensus"` over HTTP: events while the members answer, then the answer token by token.

Nothing is sent before the first member has answered, so that a consensus without any answer is still a 502.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict, replace
from typing import Any

from servers.pool.catalog.catalog import Catalog
from servers.pool.catalog.consensus_options import read_options
from servers.pool.consensus.events import Answered, Done, Event, Token
from servers.pool.consensus.member import Members
from servers.pool.consensus.plan import Panel, plan
from servers.pool.consensus.session import Session
from servers.pool.consensus.stats import Tally
from servers.pool.engines.availability import Availability
from servers.pool.http.exchange import JSON, HttpExchange
from servers.pool.http.request import header_value
from servers.pool.http.writer import SSE
from servers.pool.routing.choose import understand
from servers.pool.upstream import openai_format
from tools.errors import BadRequest, Capibara6Error
from tools.schema import JsonObject

BUFFERED = 64
"""So many events may be produced ahead of a slow client."""
NAME = "consensus"


def summary(panel: Panel) -> JsonObject:
    """A panel as it is shown before anybody was asked."""
    shown = asdict(panel)
    del shown["members_s"], shown["agree"]
    return shown


class ConsensusHandler:
    """Answers for one pool; `slots` is how many models may be loaded at once."""

    def __init__(
        self, *, catalog: Catalog, availability: Availability, members: Members, stats: Tally, slots: int
    ) -> None:
        self.catalog, self.availability, self.members = catalog, availability, members
        self.stats, self.slots = stats, slots

    def panel_for(self, fields: Mapping[str, Any]) -> Panel:
        """Who would be asked for a checked chat request. Raises BadRequest and ModelNotFound."""
        options = read_options(fields.get("consensus"))
        _, verdict, _ = understand(fields["messages"])
        state = self.availability.router_state()
        return plan(self.catalog, state, options, kind=verdict.kind, slots=self.slots)

    async def serve(self, exchange: HttpExchange, fields: JsonObject) -> None:
        """Answer one chat request by consensus, streamed or whole."""
        for name in ("tools", "functions", "logprobs"):
            if fields.get(name):
                raise BadRequest(f"{name} needs one named model", param=name, source="pool")
        if (fields.get("n") or 1) > 1:
            raise BadRequest("consensus gives one answer", param="n", source="pool")
        panel = self.panel_for(fields)
        reading, _, _ = understand(fields["messages"])
        most = fields.get("max_completion_tokens") or fields.get("max_tokens")
        if most is not None and most < panel.tokens_each:
            panel = replace(panel, tokens_each=most)
        speak = self.members.speak_for(fields)
        session = Session(panel, self.catalog, speak, fields["messages"], reading.parts.language)
        writer = _Writer(self.stats, exchange, fields, panel)
        try:
            async with aclosing(_events(session)) as events:
                await writer.write(events)
        except Capibara6Error:
            self.stats.failed += 1
            raise


async def _events(session: Session) -> AsyncGenerator[Event, None]:
    """The session's events from a task of their own: its deadlines must not hit the client's writes."""
    queue: asyncio.Queue[Event | BaseException | None] = asyncio.Queue(BUFFERED)

    async def produce() -> None:
        try:
            async with aclosing(session.events()) as events:
                async for event in events:
                    await queue.put(event)
            await queue.put(None)
        except Capibara6Error as exc:
            await queue.put(exc)

    task = asyncio.ensure_future(produce())
    try:
        while True:
            getting = asyncio.ensure_future(queue.get())
            await asyncio.wait({getting, task}, return_when=asyncio.FIRST_COMPLETED)
            if not getting.done() and queue.empty():
                getting.cancel()
                # It ended without a word: its own error is the word.
                task.result()
                return
            item = await getting
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class _Writer:
    """Turns events into OpenAI's wire, with what is ours in the fields `capibara6` and `consensus`."""

    def __init__(self, stats: Tally, exchange: HttpExchange, fields: JsonObject, panel: Panel) -> None:
        self.stats, self.exchange, self.panel = stats, exchange, panel
        self.stream = fields.get("stream") is True
        self.usage = bool((fields.get("stream_options") or {}).get("include_usage"))
        self.opening = openai_format.head(NAME, "chat.completion.chunk", "chatcmpl")
        self.texts: list[str] = []
        self.pending: list[bytes] = []

    async def write(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            match event:
                case Answered(member):
                    await self._announce(
                        {"event": "member", "member": member.row()}, start=member.status == "answered"
                    )
                case Token(text, _):
                    self.texts.append(text)
                    if self.stream:
                        await self._open()
                        await self.exchange.write(self._chunk({"content": text}))
                case Done():
                    await self._end(event)

    async def _announce(self, event: JsonObject, *, start: bool) -> None:
        if not self.stream:
            return
        self.pending.append(self._chunk({}, capibara6=event))
        if start or self.exchange.streaming:
            await self._open()

    async def _open(self) -> None:
        if not self.exchange.streaming:
            self.exchange.answered = True
            await self.exchange.start_stream(SSE, self._headers(_before(self.panel)))
            await self.exchange.write(self._chunk({"role": "assistant", "content": ""}))
        for chunk in self.pending:
            await self.exchange.write(chunk)
        self.pending.clear()

    async def _end(self, done: Done) -> None:
        self.stats.count(self.panel, done)
        shown = result(self.panel, done)
        usage = _usage(done)
        if self.stream:
            await self._open()
            end = {"consensus": shown, "capibara6": {"event": NAME, NAME: shown}}
            await self.exchange.write(self._chunk({}, finish=done.finish, **end))
            if self.usage:
                await self.exchange.write(
                    openai_format.sse_event({**self.opening, "choices": [], "usage": usage})
                )
            await self.exchange.end(openai_format.DONE)
            return
        message = {"role": "assistant", "content": "".join(self.texts)}
        body = {
            **self.opening, "object": "chat.completion", "usage": usage, "consensus": shown,
            "choices": [openai_format.choice({"message": message}, done.finish)],
        }  # fmt: skip
        self.exchange.answered = True
        await self.exchange.send(
            200, openai_format.dumps(body), [JSON, *self._headers(_after(self.panel, done))]
        )

    def _headers(self, summary: str) -> list[tuple[bytes, bytes]]:
        return [(b"x-capibara6-model", NAME.encode()), (b"x-capibara6-consensus", header_value(summary))]

    def _chunk(self, delta: JsonObject, *, finish: str | None = None, **more: Any) -> bytes:
        return openai_format.sse_event(
            {**self.opening, "choices": [openai_format.choice({"delta": delta}, finish)], **more}
        )


def result(panel: Panel, done: Done) -> JsonObject:
    """Who took part, how far they agreed, what it cost."""
    return {
        "strategy": panel.strategy, "template": panel.template, "answered_by": done.by,
        "agreement": done.agreement, "agreed": done.agreed, "dissent": done.dissent,
        "degraded": done.degraded,
        "members": [member.row() for member in done.members], "left_out": dict(panel.left_out),
        "warnings": list(panel.warnings), "usage": _usage(done),
    }  # fmt: skip


def _before(panel: Panel) -> str:
    return f"strategy={panel.strategy}; asked={','.join(panel.members)}; closer={panel.closer or '-'}"


def _after(panel: Panel, done: Done) -> str:
    answered = ",".join(member.model for member in done.members if member.status == "answered")
    spent = sum(member.completion_tokens for member in done.members)
    slowest = max((member.latency_ms for member in done.members), default=0.0)
    return (
        f"strategy={panel.strategy}; by={done.by}; answered={answered}; "
        f"degraded={','.join(done.degraded) or '-'}; agreement={done.agreement:g}; "
        f"tokens={spent}; slowest_ms={slowest:.0f}"
    )


def _usage(done: Done) -> dict[str, int]:
    read = sum(member.prompt_tokens for member in done.members)
    written = sum(member.completion_tokens for member in done.members)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
