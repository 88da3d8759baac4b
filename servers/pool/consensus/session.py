"""One question's consensus. Its strategies are methods of Session: vote, cascade, best_of, synthesize.

It decides on what the members answered (`drafts`) and streams the final answer; who is asked is `plan`'s
business, how a model is asked `member`'s, and HTTP `servers/pool/http/consensus.py`'s.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias

from servers.pool.catalog.catalog import Catalog
from servers.pool.consensus.drafts import NO_TEXT, TOO_LATE, Drafts, has_quorum, record
from servers.pool.consensus.events import Done, Event, MemberFinished, MemberResult, Role, Token
from servers.pool.consensus.member import Generate
from servers.pool.consensus.plan import Plan, strength
from servers.pool.consensus.prompts import judge_messages, writer_messages
from servers.pool.consensus.similarity import agreement, similarity
from servers.pool.routing.conversation import Message
from tools.errors import Capibara6Error, UpstreamFailed
from tools.schema import JsonObject, Language

JUDGE_TOKENS = 16
"""The judge is asked for a number and nothing else; a few words around it are let pass."""
WORD = re.compile(r"\S+\s*|\s+")

Events: TypeAlias = AsyncGenerator[Event, None]


class Session:
    """`events()` is consumed once; leaving it early stops every model."""

    def __init__(
        self,
        plan: Plan,
        catalog: Catalog,
        generate: Generate,
        messages: Sequence[Message],
        language: Language,
    ) -> None:
        self.plan, self.catalog, self.generate = plan, catalog, generate
        self.messages: list[JsonObject] = [dict(message) for message in messages]
        self.language: Language = language
        self.deadline = time.monotonic() + plan.deadline_s
        self.drafts = Drafts(plan, generate, self.messages)
        self.groups: list[list[str]] = []
        self.final_results: list[MemberResult] = []

    async def events(self) -> Events:
        """Members as they finish, then the final answer's tokens, then the end.

        Raises UpstreamFailed (code `consensus_failed`) when no model answered.
        """
        async with aclosing(self.drafts.collect()) as results:
            async for result in results:
                yield MemberFinished(result)
        self.groups = self.drafts.clusters()
        async with aclosing(self._strategy()) as events:
            async for event in events:
                yield event

    # The strategies.

    def _strategy(self) -> Events:
        if self.plan.final_model is None:
            return self.vote()
        match self.plan.strategy:
            case "vote":
                return self.vote()
            case "cascade":
                return self.cascade(self.plan.final_model)
            case "best_of":
                return self.best_of(self.plan.final_model)
            case "synthesize":
                return self.synthesize(self.plan.final_model)

    def vote(self) -> Events:
        """The plurality's answer: a draft of the largest cluster (Wang et al. 2023, "Self-Consistency")."""
        return self._publish(self._representative())

    def cascade(self, expert: str) -> Events:
        """The members' answer when enough of them agree, else the expert's.

        Agreement of cheap models instead of a learnt scorer decides (FrugalGPT, Chen et al. 2023; Yue et al.
        2024, "Large Language Model Cascades"). `tests/bench/consensus.py` measures what it keeps and costs.
        """
        return self.vote() if has_quorum(self.groups) else self._finish(expert, "expert", self.messages)

    def best_of(self, judge: str) -> Events:
        """The draft that the judge names; without a usable number, the plurality's (Zheng et al. 2023)."""
        texts = self.drafts.texts
        if not texts:
            return self._finish(judge, "expert", self.messages)
        return self._publish(*texts) if len(texts) == 1 else self._judged(judge)

    def synthesize(self, writer: str) -> Events:
        """One answer that the writer makes from all drafts (Mixture-of-Agents, Wang et al. 2024)."""
        texts = list(self.drafts.texts.values())
        if not texts:
            return self._finish(writer, "expert", self.messages)
        prompt = writer_messages(self.messages, texts, self.plan.template, self.language)
        return self._finish(writer, "writer", prompt)

    # What the strategies are made of.

    async def _judged(self, judge: str) -> Events:
        """The judge, then the draft that it names."""
        result = await self._judge(judge)
        yield MemberFinished(result)
        chosen = _picked(result.text, list(self.drafts.texts)) or self._representative()
        async for event in self._publish(chosen):
            yield event

    async def _judge(self, model: str) -> MemberResult:
        """The judge's word; it may fail, and then agreement decides."""
        result = self._final_result(model, "judge")
        drafts = list(self.drafts.texts.values())
        prompt = judge_messages(self.messages, drafts, self.plan.template, self.language)
        try:
            async with asyncio.timeout_at(self._loop_deadline()):
                async for _ in record(result, self.generate(model, prompt, JUDGE_TOKENS, temperature=0.0)):
                    pass
        except TimeoutError:
            result.reason = TOO_LATE
        except Capibara6Error as exc:
            result.fail(f"{exc.code}: {exc.message}")
        return result

    async def _finish(self, model: str, role: Role, prompt: Sequence[JsonObject]) -> Events:
        """The final model streams the answer; before its first word a draft can still stand in.

        Raises what it failed with when that was after its first word.
        """
        result = self._final_result(model, role)
        try:
            async with (
                asyncio.timeout_at(self._loop_deadline()),
                aclosing(record(result, self.generate(model, prompt, self.plan.tokens_each))) as texts,
            ):
                async for text in texts:
                    yield Token(text, model)
        except TimeoutError:
            result.status, result.finish_reason = "late", "length"
            result.reason = "cut at the deadline" if result.text else TOO_LATE
        except Capibara6Error as exc:
            result.fail(f"{exc.code}: {exc.message}")
            if result.text:
                raise
        if result.status == "answered" and not result.text:
            result.fail(NO_TEXT)
        yield MemberFinished(result)
        if result.text:
            yield self._done(model, result.finish_reason)
            return
        async for event in self.vote():
            yield event

    async def _publish(self, name: str) -> Events:
        """The draft of `name`, which is whole already, as the answer, word by word."""
        for text in WORD.findall(self.drafts.texts[name]):
            yield Token(text, name)
        yield self._done(name, self.drafts.results[name].finish_reason)

    def _representative(self) -> str:
        """The strongest of the largest cluster; of clusters as large, of the one with the strongest.

        Raises UpstreamFailed when no member answered.
        """
        if not self.groups:
            raise self._no_answer()
        most = len(self.groups[0])
        largest = [name for group in self.groups if len(group) == most for name in group]
        return max(largest, key=lambda name: strength(self.catalog.models[name]))

    def _final_result(self, model: str, role: Role) -> MemberResult:
        result = MemberResult(model, role)
        self.final_results.append(result)
        return result

    def _done(self, model: str, finish_reason: str) -> Done:
        texts = self.drafts.texts
        answer = texts.get(model)
        dissent = [
            name
            for name, text in texts.items()
            if answer is not None and similarity(text, answer) < self.plan.agree
        ]
        return Done(
            answered_by=model,
            agreement=round(agreement(list(texts.values())), 3),
            agreed=has_quorum(self.groups),
            finish_reason=finish_reason,
            results=self._results(),
            dissent=dissent,
        )

    def _results(self) -> list[MemberResult]:
        """Everybody who took part, in the plan's order, the final model last."""
        return [*self.drafts.in_order, *self.final_results]

    def _no_answer(self) -> UpstreamFailed:
        reasons = [f"{result.model}: {result.reason}" for result in self._results()]
        reasons += [f"{name}: {reason}" for name, reason in self.plan.left_out]
        return UpstreamFailed(
            f"no model of the consensus answered; {'; '.join(reasons)}",
            source="pool",
            code="consensus_failed",
        )

    def _loop_deadline(self) -> float:
        """The deadline on the event loop's clock, in seconds."""
        return asyncio.get_running_loop().time() + max(0.0, self.deadline - time.monotonic())


def _picked(text: str, names: Sequence[str]) -> str | None:
    """The name behind the first number in the judge's word; None when there is none."""
    number = re.search(r"\d+", text)
    if number and 1 <= int(number[0]) <= len(names):
        return names[int(number[0]) - 1]
    return None
