"""What a tool of others answered, as JSON: its text or structure, and what it attached, within bounds.

All of it is foreign text. Pure.
"""

import json
import re
from typing import Any, Literal

from mcp.types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel

from tools.schema import JsonObject

MOST_CHARS = 100_000
MOST_ATTACHED = 20
MOST_DATA = 1_000_000
"""Characters of base64 that one picture or sound may have; a longer one is named and left out."""
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)


class Attachment(BaseModel):
    """Something an answer carries besides its text; `data` is base64."""

    kind: Literal["link", "resource", "image", "audio"]
    title: str = ""
    uri: str = ""
    mime_type: str = ""
    text: str = ""
    data: str = ""


def answer_of(result: CallToolResult) -> Any:
    """The structured answer, else the text; with attachments, an object `{answer, attachments}`."""
    answer: Any = result.structured_content if result.structured_content is not None else text_of(result)
    if isinstance(answer, str):
        answer = visible(answer)[:MOST_CHARS]
    elif len(encoded := json.dumps(answer, ensure_ascii=False)) > MOST_CHARS:
        answer = encoded[:MOST_CHARS]
    attached = [one for part in result.content if (one := _attachment(part)) is not None][:MOST_ATTACHED]
    if not attached:
        return answer
    told = [one.model_dump(exclude_defaults=True) for one in attached]
    return {"answer": answer, "attachments": told}


def attachments_of(answer: Any) -> list[Attachment]:
    """What `answer_of` attached to an answer."""
    if not isinstance(answer, dict) or answer.keys() != {"answer", "attachments"}:
        return []
    return [Attachment.model_validate(one) for one in answer["attachments"]]


def text_of(result: CallToolResult) -> str:
    """Its text parts, by lines."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def visible(text: str) -> str:
    """A foreign text without what no person would see: control, direction and tag characters."""
    return _INVISIBLE.sub("", text)


def short(schema: JsonObject, most: int = 20_000) -> bool:
    """Whether a tool's schema is of a size that a model may be told."""
    return len(json.dumps(schema)) <= most


def _attachment(part: object) -> Attachment | None:
    match part:
        case ImageContent() | AudioContent():
            kind = "image" if isinstance(part, ImageContent) else "audio"
            data = part.data if len(part.data) <= MOST_DATA else ""
            size = f"{part.mime_type}, {len(part.data) * 3 // 4} bytes"
            return Attachment(kind=kind, title=kind, mime_type=part.mime_type, text=size, data=data)
        case ResourceLink():
            return Attachment(
                kind="link",
                title=visible(part.title or part.name)[:200],
                uri=str(part.uri)[:2_000],
                mime_type=part.mime_type or "",
                text=visible(part.description or "")[:2_000],
            )
        case EmbeddedResource():
            held = part.resource
            text = visible(held.text)[:MOST_CHARS] if isinstance(held, TextResourceContents) else ""
            uri = str(held.uri)[:2_000]
            return Attachment(kind="resource", title=uri, uri=uri, mime_type=held.mime_type or "", text=text)
        case _:
            return None
