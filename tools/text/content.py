"""Text of a chat message's `content`, as OpenAI's wire has it: a string, or a list of parts."""

from typing import cast


def content_text(content: object) -> str:
    """The string, or the texts of the parts joined by line breaks; parts without a text are left out."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [
        cast("dict[str, object]", part) for part in cast("list[object]", content) if isinstance(part, dict)
    ]
    texts = (part.get("text") for part in parts)
    return "\n".join(text for text in texts if isinstance(text, str))
