"""What an engine answered, before anything of it was sent on: a whole body, or server-sent events."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


def _nothing() -> None: ...


@dataclass(slots=True)
class Reply:
    """Either `body` (a whole JSON answer with `status`) or `events` (SSE bytes in arbitrary pieces).

    `close` stops the engine's work; it is safe to call at any time and more than once.
    """

    status: int = 200
    body: bytes | None = None
    events: AsyncIterator[bytes] | None = None
    retry_after: int | None = None
    close: Callable[[], None] = _nothing


class Piece(NamedTuple):
    """A step of an answer as engines without OpenAI's wire produce it; the last one has `finish`."""

    text: str = ""
    tool_calls: list[dict[str, Any]] | None = None
    finish: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
