"""Asks several models and returns one better answer: cascade, vote, best of, synthesis.

It decides on what the members said and streams the final answer; who is asked is `consensus_plan`'s business,
how a model is asked `consensus_member`'s, and HTTP `consensus_door`'s.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from servers.pool.catalog.catalog import Catalog
from servers.pool.consensus import prompts
from servers.pool.consensus.events import Answered, Done, Event, Member, Token
from servers.pool.consensus.member import Speak
from servers.pool.consensus.plan import Panel, strength
from servers.pool.consensus.similarity import agreement, alike, camps
from tools.errors import Capibara6Error, UpstreamFailed
from tools.schema import Language

JUDGE_TOKENS = 16


class Session:
    """One question's consensus. `events()` is consumed once; leaving it early stops every model."""

    def __init__(
        self,
        panel: Panel,
        catalog: Catalog,
        speak: Speak,
        messages: Sequence[Mapping[str, Any]],
        language: Language,
    ) -> None:
        self.panel, self.catalog, self.speak = panel, catalog, speak
        self.messages = [dict(message) for message in messages]
        self.language: Language = language
        self.ends = time.monotonic() + panel.deadline_s
        self.done: dict[str, Member] = {}
        self.extra: list[Member] = []

    async def events(self) -> AsyncGenerator[Event, None]:
        """Members as they answer, then the final answer's tokens, then the end. All fail: UpstreamFailed."""
        async with aclosing(self._drafts()) as drafts:
            async for member in drafts:
                yield Answered(member)
        texts = self._texts()
        async with aclosing(self._close(texts)) as closing:
            async for event in closing:
                yield event

    # The members.

    async def _drafts(self) -> AsyncGenerator[Member, None]:
        until = time.monotonic() + self.panel.members_s
        for wave in self.panel.waves:
            tasks = {asyncio.ensure_future(self._draft(name)): name for name in wave}
            try:
                while tasks and not self._settled():
                    left = until - time.monotonic()
                    ready, _ = await asyncio.wait(
                        tasks, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
                    )
                    if not ready:
                        break
                    for task in ready:
                        self.done[tasks.pop(task)] = task.result()
                        yield task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for name in tasks.values():
                self.done[name] = self._cut(name)
                yield self.done[name]
        for name in self.panel.members:
            self.done.setdefault(name, Member(name, status="spared", reason="the others had agreed"))

    def _settled(self) -> bool:
        """A cascade needs nobody else once enough have agreed."""
        if self.panel.strategy != "cascade":
            return False
        texts = self._texts()
        return len(texts) > 1 and len(camps(texts, self.panel.agree)[0]) > 1

    def _texts(self) -> dict[str, str]:
        """What the members have answered, in the panel's order."""
        ready = [self.done[name] for name in self.panel.members if name in self.done]
        return {member.model: member.text for member in ready if member.status == "answered"}

    def _cut(self, name: str) -> Member:
        if self._settled():
            return Member(name, status="spared", reason="the others had agreed")
        return Member(name, reason="no answer by the deadline", latency_ms=self.panel.members_s * 1000)

    async def _draft(self, name: str) -> Member:
        member = Member(name)
        try:
            async for _ in self._told(member, self.messages, self.panel.tokens_each):
                pass
            if not member.text.strip():
                member.status, member.reason = "failed", "it answered nothing"
        except Capibara6Error as exc:
            member.status, member.reason = "failed", f"{exc.code}: {exc.message}"
        return member

    async def _told(
        self, member: Member, messages: Sequence[dict[str, Any]], tokens: int, **sampling: Any
    ) -> AsyncGenerator[str, None]:
        """What a model says, written down in `member` as it comes."""
        began = time.monotonic()
        try:
            async with aclosing(self.speak(member.model, messages, tokens, **sampling)) as pieces:
                async for piece in pieces:
                    member.prompt_tokens += piece.prompt_tokens
                    member.completion_tokens += piece.completion_tokens
                    member.finish = piece.finish or member.finish
                    if piece.text:
                        if member.first_token_ms is None:
                            member.first_token_ms = round((time.monotonic() - began) * 1000, 1)
                        member.text += piece.text
                        yield piece.text
            member.status = "answered"
        finally:
            member.latency_ms = (time.monotonic() - began) * 1000

    # The decision.

    async def _close(self, texts: dict[str, str]) -> AsyncGenerator[Event, None]:
        groups = camps(texts, self.panel.agree)
        closer = self.panel.closer
        if closer is None or (self.panel.strategy == "cascade" and groups and len(groups[0]) > 1):
            if not groups:
                raise self._nobody()
            async for event in self._with_draft(self._speaker(groups), texts):
                yield event
            return
        if self.panel.strategy == "best_of" and len(texts) > 1:
            yield Answered(judge := await self._judge(closer, texts))
            chosen = _picked(judge.text, list(texts)) or self._speaker(groups)
            async for event in self._with_draft(chosen, texts):
                yield event
            return
        if self.panel.strategy == "best_of" and texts:
            async for event in self._with_draft(next(iter(texts)), texts):
                yield event
            return
        async for event in self._by_closer(closer, texts, groups):
            yield event

    async def _judge(self, closer: str, texts: dict[str, str]) -> Member:
        """The judge's word; it may fail, and then agreement decides."""
        judge = Member(closer, "judge")
        self.extra.append(judge)
        asked = prompts.for_judge(self.messages, list(texts.values()), self.panel.template, self.language)
        try:
            async with asyncio.timeout_at(self._loop_time()):
                async for _ in self._told(judge, asked, JUDGE_TOKENS, temperature=0.0):
                    pass
        except TimeoutError:
            judge.reason = "no answer by the deadline"
        except Capibara6Error as exc:
            judge.status, judge.reason = "failed", f"{exc.code}: {exc.message}"
        return judge

    async def _by_closer(
        self, closer: str, texts: dict[str, str], groups: list[list[str]]
    ) -> AsyncGenerator[Event, None]:
        """The expert or writer streams the answer; before its first word, a draft can still stand in."""
        writes = self.panel.strategy == "synthesize" and bool(texts)
        last = Member(closer, "writer" if writes else "expert")
        self.extra.append(last)
        messages = self.messages
        if writes:
            messages = prompts.for_writer(messages, list(texts.values()), self.panel.template, self.language)
        try:
            async with (
                asyncio.timeout_at(self._loop_time()),
                aclosing(self._told(last, messages, self.panel.tokens_each)) as said,
            ):
                async for text in said:
                    yield Token(text, closer)
        except TimeoutError:
            last.status, last.reason = (
                "late",
                "no answer by the deadline" if not last.text else "cut at the deadline",
            )
            last.finish = "length"
        except Capibara6Error as exc:
            last.status, last.reason = "failed", f"{exc.code}: {exc.message}"
            if last.text:
                raise
        if last.status == "answered" and not last.text:
            last.status, last.reason = "failed", "it answered nothing"
        yield Answered(last)
        if last.text:
            yield self._end(closer, texts, last.finish)
            return
        if not groups:
            raise self._nobody()
        async for event in self._with_draft(self._speaker(groups), texts):
            yield event

    async def _with_draft(self, name: str, texts: dict[str, str]) -> AsyncGenerator[Event, None]:
        """A draft that is already whole is the answer."""
        for text in re.findall(r"\S+\s*|\s+", texts[name]):
            yield Token(text, name)
        yield self._end(name, texts, self.done[name].finish)

    def _speaker(self, groups: list[list[str]]) -> str:
        """The strongest of the largest camp; of camps as large, of the one with the strongest."""
        most = len(groups[0])
        able = [name for camp in groups if len(camp) == most for name in camp]
        return max(able, key=lambda name: strength(self.catalog.models[name]))

    def _end(self, by: str, texts: dict[str, str], finish: str) -> Done:
        groups = camps(texts, self.panel.agree)
        said = texts.get(by)
        least = self.panel.agree
        dissent = [name for name, text in texts.items() if said is not None and alike(text, said) < least]
        return Done(
            by=by,
            agreement=round(agreement(list(texts.values())), 3),
            agreed=bool(groups) and len(groups[0]) > 1,
            finish=finish,
            members=self._all(),
            dissent=dissent,
        )

    def _all(self) -> list[Member]:
        """Everybody who took part, in the panel's order."""
        return [*(self.done[name] for name in self.panel.members), *self.extra]

    def _nobody(self) -> UpstreamFailed:
        reasons = [f"{member.model}: {member.reason}" for member in self._all()]
        reasons += [f"{name}: {reason}" for name, reason in self.panel.left_out]
        return UpstreamFailed(
            f"no model of the consensus answered; {'; '.join(reasons)}",
            source="pool",
            code="consensus_failed",
        )

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time() + max(0.0, self.ends - time.monotonic())


def _picked(text: str, names: list[str]) -> str | None:
    """The name behind the first number in the judge's word; None when there is none."""
    number = re.search(r"\d+", text)
    if number and 1 <= int(number[0]) <= len(names):
        return names[int(number[0]) - 1]
    return None
