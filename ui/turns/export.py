"""A conversation as a file: Markdown for people, JSON for programs. It asks nobody."""

from collections.abc import Sequence

from tools.schema import Citation, JsonObject, Language, Turn
from ui.messages import say
from ui.rendering.markdown import Marks


def to_markdown(turns: Sequence[Turn], title: str, language: Language) -> str:
    """Questions, answers as they were written, and the passages that each answer names."""
    parts = [f"# {_line(title)}"]
    for turn in turns:
        parts.append(f"## {_line(turn.question)}")
        if turn.answer is None:
            parts += [text for text in (turn.text.strip(), f"*{say('unfinished', language)}*") if text]
            continue
        parts.append(turn.answer.answer.strip())
        marks = Marks(turn.answer.answer, turn.answer.citations)
        if marks.shown:
            parts.append(f"**{say('sources', language)}**")
            parts.append("\n".join(_source(citation) for citation in marks.ordered()))
        parts.append(f"*{turn.answer.model} · {turn.created_at[:16].replace('T', ' ')} UTC*")
    return "\n\n".join(parts) + "\n"


def to_json(turns: Sequence[Turn], thread_id: str, title: str) -> JsonObject:
    """`{thread_id, title, turns}`; each turn is the API's."""
    return {"thread_id": thread_id, "title": title, "turns": [turn.model_dump(mode="json") for turn in turns]}


def _source(citation: Citation) -> str:
    """The number is the one that the answer's text has."""
    place = f", p. {citation.page}" if citation.page is not None else ""
    quoted = "\n".join(f"  > {line}" for line in citation.text.splitlines())
    return f"* [{citation.n}] {_line(citation.title)} (`{_line(citation.source)}`{place})\n{quoted}"


def _line(text: str) -> str:
    return " ".join(text.split())
