"""Collects the drafts of a consensus: asks its members wave by wave.

It ends when all have answered, when enough agree, or at the deadline. What is made of the drafts is the
strategy's business (`session`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing

from servers.pool.consensus.events import MemberResult
from servers.pool.consensus.member import Delta, Generate
from servers.pool.consensus.plan import Plan
from servers.pool.consensus.similarity import clusters, final_answer
from tools.errors import Capibara6Error
from tools.schema import JsonObject

QUORUM = 2
"""Members that must agree before a cascade does without its expert.

`tests/bench/consensus.py`: the built-in catalogue's pair keeps 96.1 % of the expert's gain for 58.1 % of its
calls, and 95.7 % for 53.8 % with a reserve for a member that says nothing, which was chosen on those answers.
Three members keep 78 % for 36 % when two must agree, and 99 % for 70 % when all must.
"""
AGREED = "the others had agreed"
TOO_LATE = "no answer by the deadline"
NO_TEXT = "it answered nothing"


async def record(result: MemberResult, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[str, None]:
    """The texts of `deltas`; they, the tokens and the times are noted in `result` as they come."""
    began = time.monotonic()
    try:
        async with aclosing(deltas):
            async for delta in deltas:
                result.prompt_tokens += delta.prompt_tokens
                result.completion_tokens += delta.completion_tokens
                result.finish_reason = delta.finish_reason or result.finish_reason
                if delta.text:
                    if result.first_token_ms is None:
                        result.first_token_ms = round((time.monotonic() - began) * 1000, 1)
                    result.text += delta.text
                    yield delta.text
        result.status = "answered"
    finally:
        result.latency_ms = (time.monotonic() - began) * 1000


def has_quorum(groups: Sequence[Sequence[str]]) -> bool:
    """Whether enough members agree; `groups` come from `clusters`, the largest first."""
    return bool(groups) and len(groups[0]) >= QUORUM


class Drafts:
    """The members' results by name. `collect()` is consumed once; leaving it early stops every member."""

    def __init__(self, plan: Plan, generate: Generate, messages: Sequence[JsonObject]) -> None:
        self.plan, self.generate, self.messages = plan, generate, messages
        self.results: dict[str, MemberResult] = {}

    @property
    def texts(self) -> dict[str, str]:
        """What the members have answered, in the plan's order."""
        return {result.model: result.text for result in self.in_order if result.status == "answered"}

    @property
    def in_order(self) -> list[MemberResult]:
        """The results so far, in the plan's order, the reserve last."""
        names = (*self.plan.members, self.plan.reserve)
        return [self.results[name] for name in names if name in self.results]

    def clusters(self) -> list[list[str]]:
        """The members that have answered, grouped by agreement; the largest group first."""
        return clusters(self.texts, self.plan.agree)

    async def collect(self) -> AsyncGenerator[MemberResult, None]:
        """Results as members finish. Those that are late or no longer needed are stopped."""
        until = time.monotonic() + self.plan.members_deadline_s
        for wave in self._waves(until):
            tasks = {asyncio.ensure_future(self._draft(name)): name for name in wave}
            try:
                while tasks and not self._settled():
                    timeout = max(0.0, until - time.monotonic())
                    ready, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                    if not ready:
                        break
                    for task in ready:
                        self.results[tasks.pop(task)] = task.result()
                        yield task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            for name in tasks.values():
                self.results[name] = self._unfinished(name)
                yield self.results[name]
        for name in self.plan.members:
            self.results.setdefault(name, MemberResult(name, status="spared", reason=AGREED))

    def _waves(self, until: float) -> Iterator[tuple[str, ...]]:
        """The plan's waves, then the reserve when only one more would make a quorum.

        Members that differ leave no doubt that the expert is needed; of one alone nobody knows whether
        another would have agreed.
        """
        yield from self.plan.waves
        answers = sum(self._says_something(result) for result in self.results.values())
        if self.plan.reserve and answers == QUORUM - 1 and time.monotonic() < until:
            yield (self.plan.reserve,)

    @staticmethod
    def _says_something(result: MemberResult) -> bool:
        """Whether it answered, and was not cut before it came to an answer."""
        cut = result.finish_reason == "length" and final_answer(result.text) is None
        return result.status == "answered" and not cut

    def _settled(self) -> bool:
        """A cascade needs nobody else once enough have agreed."""
        return self.plan.strategy == "cascade" and has_quorum(self.clusters())

    def _unfinished(self, name: str) -> MemberResult:
        if self._settled():
            return MemberResult(name, status="spared", reason=AGREED)
        return MemberResult(name, reason=TOO_LATE, latency_ms=self.plan.members_deadline_s * 1000)

    async def _draft(self, name: str) -> MemberResult:
        """One member's whole answer, or the reason why it gave none."""
        result = MemberResult(name)
        try:
            async for _ in record(result, self.generate(name, self.messages, self.plan.tokens_each)):
                pass
            if not result.text.strip():
                result.fail(NO_TEXT)
        except Capibara6Error as exc:
            result.fail(f"{exc.code}: {exc.message}")
        return result
