"""Keeps a conversation within a model's context: what goes in, and when the old becomes a summary.

Tokens are counted as the model counted them last time: its own `prompt_tokens` over the characters it was
sent. Until it has said so, a character count that no tokenizer of ours exceeds stands in.
"""

from collections.abc import Sequence

from agents.turn import Message, text_of

CHARS_PER_TOKEN = 2.5
"""Cautious for Spanish and English with the vocabularies in use."""
MOST_SUMMARY = 2_000


def learn(prompt: Sequence[Message], prompt_tokens: int) -> float:
    """Characters per token of this model on this prompt, within what is believable."""
    if prompt_tokens <= 0:
        return CHARS_PER_TOKEN
    return min(8.0, max(1.0, sum(map(_size, prompt)) / prompt_tokens))


def tokens(messages: Sequence[Message], ratio: float) -> int:
    return int(sum(map(_size, messages)) / ratio) + 4 * len(messages)


def newest(messages: Sequence[Message], most: int, ratio: float) -> list[Message]:
    """The last messages that fit into `most` tokens, beginning with a user's."""
    kept: list[Message] = []
    for message in reversed(messages):
        if tokens([message, *kept], ratio) > most:
            break
        kept.insert(0, message)
    while kept and kept[0]["role"] != "user":
        kept.pop(0)
    return kept


def plain_summary(before: str, messages: Sequence[Message]) -> str:
    """A summary that needs no model: what the user asked, newest kept when it grows too long."""
    asked = [f"- {text_of(message)[:200]}" for message in messages if message["role"] == "user"]
    return "\n".join([*before.splitlines(), *asked])[-MOST_SUMMARY:].lstrip()


def _size(message: Message) -> int:
    return len(text_of(message))
