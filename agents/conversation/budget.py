"""The token budget of a conversation: how long messages are, which fit, and a summary without a model.

Tokens are counted by the model's tokenizer. Where the pool does not hold it, they are counted as the model
counted them last time: its own `prompt_tokens` over the characters it was sent; and until it has said so, by
a character count that no tokenizer of ours exceeds.
"""

from collections.abc import Sequence

from agents.conversation.state import Message, text_of, wire
from tools.clients.pool import Pool
from tools.errors import BadRequest, NotFound, NotSupported, Unavailable

CHARS_PER_TOKEN = 2.5
"""Cautious for Spanish and English with the vocabularies in use."""
MOST_SUMMARY = 2_000
PER_MESSAGE = 4
"""What a chat template adds to a message."""


def chars_per_token(prompt: Sequence[Message], prompt_tokens: int) -> float:
    """Characters per token of this model, by what it counted on this prompt; held within [1, 8]."""
    if prompt_tokens <= 0:
        return CHARS_PER_TOKEN
    return min(8.0, max(1.0, sum(map(_size, prompt)) / prompt_tokens))


def estimate(messages: Sequence[Message], ratio: float) -> list[int]:
    """Tokens of each message at `ratio` characters per token."""
    return [int(_size(message) / ratio) + PER_MESSAGE for message in messages]


async def count_tokens(
    messages: Sequence[Message], *, most: int, model: str, ratio: float, pool: Pool
) -> list[int]:
    """Tokens of each message, or an upper bound while all fit into `most`: the tokenizer is asked only when
    they might not, as no vocabulary in use makes more tokens than bytes."""
    at_most = [len(text_of(message).encode()) + PER_MESSAGE for message in messages]
    if sum(at_most) <= most:
        return at_most
    try:
        return await pool.count_tokens(wire(messages), model=model)
    except (BadRequest, NotFound, NotSupported, Unavailable):
        return estimate(messages, ratio)


def newest_fitting(messages: Sequence[Message], sizes: Sequence[int], most: int) -> list[Message]:
    """The last messages that fit into `most` tokens, from a user's one on; `sizes` are theirs in tokens."""
    start, left = len(messages), most
    while start and sizes[start - 1] <= left:
        start -= 1
        left -= sizes[start]
    while start < len(messages) and messages[start]["role"] != "user":
        start += 1
    return list(messages[start:])


def plain_summary(earlier: str, messages: Sequence[Message]) -> str:
    """A summary that needs no model: what the user asked, newest kept when it grows too long."""
    asked = [f"- {text_of(message)[:200]}" for message in messages if message["role"] == "user"]
    return "\n".join([*earlier.splitlines(), *asked])[-MOST_SUMMARY:].lstrip()


def _size(message: Message) -> int:
    return len(text_of(message))
