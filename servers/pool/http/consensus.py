"""`model: "consensus"` over HTTP: events while the members answer, then the answer token by token.

Nothing is sent before the first member has answered, so that a consensus without any answer is still a 502.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from servers.pool.catalog.catalog import Catalog
from servers.pool.catalog.consensus_options import read_consensus_options
from servers.pool.consensus.drafts import QUORUM
from servers.pool.consensus.events import Done, Event, MemberFinished, Token
from servers.pool.consensus.member import MemberClient
from servers.pool.consensus.plan import Plan, plan
from servers.pool.consensus.session import Session
from servers.pool.consensus.stats import ConsensusStats
from servers.pool.engines.availability import Availability
from servers.pool.feedback import Feedback
from servers.pool.http.exchange import JSON, HttpExchange
from servers.pool.http.request import header_value
from servers.pool.http.routing import tenant_of
from servers.pool.http.writer import SSE
from servers.pool.routing.choose import understand
from servers.pool.routing.needs import needed
from servers.pool.upstream import openai_format
from servers.web import sse
from tools.errors import BadRequest, Capibara6Error, ModelUnavailable
from tools.schema import JsonObject

BUFFERED = 64
"""So many events may be produced ahead of a slow client."""
NAME = "consensus"


def summary(plan: Plan) -> JsonObject:
    """A plan as the wire shows it before anybody was asked."""
    return {
        "strategy": plan.strategy, "template": plan.template, "waves": plan.waves,
        "closer": plan.final_model, "reserve": plan.reserve,
        "tokens_each": plan.tokens_each, "deadline_s": plan.deadline_s,
        "warnings": plan.warnings, "left_out": plan.left_out,
    }  # fmt: skip


class ConsensusHandler:
    """Answers for one pool; `slots` is how many models may be loaded at once."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        availability: Availability,
        members: MemberClient,
        stats: ConsensusStats,
        feedback: Feedback,
        slots: int,
    ) -> None:
        self.catalog, self.availability, self.members = catalog, availability, members
        self.stats, self.feedback, self.slots = stats, feedback, slots

    def plan_for(self, fields: Mapping[str, Any]) -> Plan:
        """Who would be asked for a checked chat request. Raises BadRequest and ModelNotFound."""
        options = read_consensus_options(fields.get("consensus"))
        domain = understand(fields["messages"]).classification.domain
        state = self.availability.router_state()
        needs, expected = needed(fields["messages"], fields), self.members.expected_s()
        return plan(
            self.catalog, state, options, domain=domain, slots=self.slots, answer_s=expected, needs=needs
        )

    async def serve(self, exchange: HttpExchange, fields: JsonObject) -> None:
        """Answer one chat request by consensus, streamed or whole."""
        for name in ("tools", "functions", "logprobs"):
            if fields.get(name):
                raise BadRequest(f"{name} needs one named model", param=name, source="pool")
        if (fields.get("n") or 1) > 1:
            raise BadRequest("consensus gives one answer", param="n", source="pool")
        chosen = self.plan_for(fields)
        if not chosen.members and chosen.final_model is None:
            raise _nobody(chosen)
        language = understand(fields["messages"]).features.question.language
        most = fields.get("max_completion_tokens") or fields.get("max_tokens")
        if most is not None and most < chosen.tokens_each:
            chosen = replace(chosen, tokens_each=most)
        generate = self.members.generator(fields, load=chosen.load)
        session = Session(chosen, self.catalog, generate, fields["messages"], language)
        writer = _Writer(self.stats, exchange, fields, chosen)
        try:
            async with aclosing(_events(session)) as events:
                await writer.write(events)
        except Capibara6Error:
            self.stats.failed += 1
            raise
        self._learn(exchange, fields, chosen, writer.done)

    def _learn(self, exchange: HttpExchange, fields: JsonObject, plan: Plan, done: Done | None) -> None:
        """Whether two or more members agreed tells how difficult the question was for cheaper models."""
        answers = (
            sum(each.role == "member" and each.status == "answered" for each in done.results) if done else 0
        )
        if done is None or plan.strategy != "cascade" or answers < QUORUM:
            return
        domain = self.catalog.models[plan.members[0]].domain
        shipped = understand(fields["messages"]).classification
        signal = "agreed" if done.agreed else "disagreed"
        self.feedback.record(tenant_of(exchange), shipped, signal, domain=domain)


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

    def __init__(self, stats: ConsensusStats, exchange: HttpExchange, fields: JsonObject, plan: Plan) -> None:
        self.stats, self.exchange, self.plan = stats, exchange, plan
        self.stream = fields.get("stream") is True
        self.usage = bool((fields.get("stream_options") or {}).get("include_usage"))
        self.opening = openai_format.head(NAME, "chat.completion.chunk", "chatcmpl")
        self.texts: list[str] = []
        self.pending: list[bytes] = []
        self.done: Done | None = None

    async def write(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            match event:
                case MemberFinished(member):
                    await self._announce(
                        {"event": "member", "member": member.to_json()}, start=member.status == "answered"
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
            await self.exchange.start_stream(SSE, self._headers(_before(self.plan)))
            await self.exchange.write(self._chunk({"role": "assistant", "content": ""}))
        for chunk in self.pending:
            await self.exchange.write(chunk)
        self.pending.clear()

    async def _end(self, done: Done) -> None:
        self.done = done
        self.stats.record(self.plan, done)
        shown = result(self.plan, done)
        usage = _usage(done)
        if self.stream:
            await self._open()
            end = {"consensus": shown, "capibara6": {"event": NAME, NAME: shown}}
            await self.exchange.write(self._chunk({}, finish=done.finish_reason, **end))
            if self.usage:
                await self.exchange.write(sse.format_event({**self.opening, "choices": [], "usage": usage}))
            await self.exchange.end(sse.DONE)
            return
        message = {"role": "assistant", "content": "".join(self.texts)}
        body = {
            **self.opening, "object": "chat.completion", "usage": usage, "consensus": shown,
            "choices": [openai_format.choice({"message": message}, done.finish_reason)],
        }  # fmt: skip
        self.exchange.answered = True
        await self.exchange.send(
            200, openai_format.dumps(body), [JSON, *self._headers(_after(self.plan, done))]
        )

    def _headers(self, summary: str) -> list[tuple[bytes, bytes]]:
        return [(b"x-capibara6-model", NAME.encode()), (b"x-capibara6-consensus", header_value(summary))]

    def _chunk(self, delta: JsonObject, *, finish: str | None = None, **more: Any) -> bytes:
        return sse.format_event(
            {**self.opening, "choices": [openai_format.choice({"delta": delta}, finish)], **more}
        )


def _nobody(plan: Plan) -> ModelUnavailable:
    """Nobody may be asked, and why."""
    why = "; ".join(f"{name}: {reason}" for name, reason in plan.left_out)
    how = "load one, or say consensus.load to wait for it"
    return ModelUnavailable(f"no model can take part ({why}): {how}", param="model", source="pool")


def result(plan: Plan, done: Done) -> JsonObject:
    """Who took part, how far they agreed, what it cost."""
    return {
        "strategy": plan.strategy, "template": plan.template, "answered_by": done.answered_by,
        "agreement": done.agreement, "agreed": done.agreed, "dissent": done.dissent,
        "degraded": done.degraded,
        "members": [member.to_json() for member in done.results], "left_out": dict(plan.left_out),
        "warnings": list(plan.warnings), "usage": _usage(done),
    }  # fmt: skip


def _before(plan: Plan) -> str:
    return f"strategy={plan.strategy}; asked={','.join(plan.members)}; closer={plan.final_model or '-'}"


def _after(plan: Plan, done: Done) -> str:
    answered = ",".join(member.model for member in done.results if member.status == "answered")
    slowest = max((member.latency_ms for member in done.results), default=0.0)
    return (
        f"strategy={plan.strategy}; by={done.answered_by}; answered={answered}; "
        f"degraded={','.join(done.degraded) or '-'}; agreement={done.agreement:g}; "
        f"tokens={done.completion_tokens}; slowest_ms={slowest:.0f}"
    )


def _usage(done: Done) -> dict[str, int]:
    read, written = done.prompt_tokens, done.completion_tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
