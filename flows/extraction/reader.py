"""A model's reader of passages, through the pool: some at the same time, within the run's token budget."""

import asyncio
from dataclasses import dataclass

from flows.extraction.prompt import response_format
from tools.clients.pool import Pool
from tools.errors import Capibara6Error

CHARS_A_TOKEN = 4
"""The usual estimate for engines that do not count tokens; a budget needs no better one."""


@dataclass
class TokenBudget:
    """Tokens of the whole run: reserved for a document before it is read, corrected after."""

    left: int
    spent: int = 0

    def reserve(self, tokens: int) -> bool:
        """False, and nothing is reserved, when so many are not left."""
        if tokens > self.left:
            return False
        self.left -= tokens
        return True

    def settle(self, reserved: int, used: int) -> None:
        """Give back what a reservation did not use."""
        self.left += reserved - used
        self.spent += used


class Reader:
    """Asks `model` about passages, `at_once` of them at the same time; the run may spend `tokens`."""

    def __init__(self, pool: Pool, model: str, *, answer_tokens: int, tokens: int, at_once: int) -> None:
        self.pool = pool
        self.model = model
        self.answer_tokens = answer_tokens
        self.budget = TokenBudget(tokens)
        self.at_once = at_once
        self.slots = asyncio.Semaphore(at_once)

    def cost(self, questions: list[str]) -> int:
        """Tokens that these questions and their answers may take at most, by estimate."""
        return sum(len(text) // CHARS_A_TOKEN + self.answer_tokens for text in questions)

    async def answers(self, questions: list[str], used: list[int]) -> list[str]:
        """One answer a question, in order; the tokens of each join `used`. Raises the first failure."""
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._ask(question, used)) for question in questions]
        except* Capibara6Error as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in asked]

    async def _ask(self, question: str, used: list[int]) -> str:
        parts: list[str] = []
        tokens = 0
        request = {
            "max_tokens": self.answer_tokens,
            "temperature": 0,
            "response_format": response_format(),
            "stream_options": {"include_usage": True},
        }
        async with self.slots:
            messages = [{"role": "user", "content": question}]
            async for chunk in self.pool.chat(messages, model=self.model, **request):
                tokens = (chunk.get("usage") or {}).get("total_tokens", tokens)
                parts += [choice.get("delta", {}).get("content") or "" for choice in chunk.get("choices", [])]
        answer = "".join(parts)
        used.append(tokens or (len(question) + len(answer)) // CHARS_A_TOKEN)
        return answer
