"""Bounds of a generated answer: how long it may be, whether it repeats itself, whether its prompt was too
long.

Pure. The engine's own limits are the pool's business.
"""

import re
from collections.abc import Iterator, Sequence

from agents.conversation.budget import estimate
from agents.conversation.state import Message
from tools.errors import BadRequest
from tools.schema import JsonObject

LEAST_TOKENS = 64
"""An answer gets so many even where the prompt seems to fill the window: counts before the model's are
guesses."""
LONGEST_PERIOD = 400
REPEATS = 4
LEAST_LOOP = 160
"""Characters: what repeats within fewer is a figure of speech, a table's rule or a list of zeros."""
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum (?:model|context) length|max_model_len|too many tokens|"
    r"prompt is too long|exceed\w* (?:the )?(?:context|token)",
    re.IGNORECASE,
)


def answer_tokens(
    options: JsonObject, prompt: Sequence[Message], *, most: int, window: int | None, ratio: float
) -> int:
    """Tokens that an answer may have: what the caller or the settings (`most`) want, within the model's
    window."""
    wanted = int(options.get("max_tokens") or options.get("max_completion_tokens") or most)
    if window is None:
        return wanted
    return min(wanted, max(LEAST_TOKENS, window - sum(estimate(prompt, ratio))))


def repeats(text: str) -> bool:
    """Whether the end of `text` is the same words again and again."""
    return any(
        text.endswith(unit * max(REPEATS, -(-LEAST_LOOP // len(unit)))) for unit in _repeated_ends(text)
    )


def without_repeats(text: str) -> str:
    """`text` with what repeats at its end said once."""
    unit = next((unit for unit in _repeated_ends(text) if text.endswith(unit * REPEATS)), "")
    while unit and text.endswith(unit * 2):
        text = text[: -len(unit)]
    return text


def _repeated_ends(text: str) -> Iterator[str]:
    """What stands twice at the end of a text, the shortest first: words, not rules or zeros."""
    for period in range(1, min(LONGEST_PERIOD, len(text) // REPEATS) + 1):
        unit = text[-period:]
        if text[-2 * period : -period] == unit and any(char.isalpha() for char in unit):
            yield unit


def overflows(exc: BadRequest) -> bool:
    """Whether an engine refused a request because its prompt does not fit."""
    return exc.code == "context_length_exceeded" or bool(_TOO_LONG.search(exc.message))
