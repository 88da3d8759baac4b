"""JSON and JSON lines: a record is a document; its text is the field that is named, or is called like one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flows.ingestion.encoding import decode
from flows.ingestion.text import first_heading
from flows.ingestion.unreadable import Unreadable

if TYPE_CHECKING:
    from tools.schema import JsonObject

MAX_RECORDS = 100_000
MAX_DEPTH = 6
TEXTS = (
    "text texto content contenido body cuerpo page_content passage pasaje markdown answer respuesta abstract "
    "resumen description descripcion descripción summary message mensaje"
).split()
TITLES = "title titulo título heading name nombre subject asunto question pregunta".split()
ASKED = (("question", "answer"), ("pregunta", "respuesta"), ("question", "answers"), ("prompt", "completion"))
KEPT = ("source", "language", "metadata")
LINES = frozenset({".jsonl", ".ndjson"})


def parse(name: str, suffix: str, data: bytes, text_field: str = "") -> Iterator[JsonObject]:
    """A document or a reason for each record. Raises `Unreadable`, `ValueError`, `RecursionError`."""
    text = decode(data)
    if suffix in LINES:
        numbered = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        yield from _records(name, numbered, text_field)
        return
    whole = json.loads(text)
    inner = whole.get("documents") if isinstance(whole, dict) else whole
    yield from _records(name, enumerate(inner if isinstance(inner, list) else [whole], 1), text_field)


def _records(name: str, records: Iterable[tuple[int, Any]], text_field: str) -> Iterator[JsonObject]:
    """One document a record, called by its number, or by the `id` that it gives itself, which another file's
    records may use too: its `address` is below the file's."""
    for number, record in records:
        here = f"{name}#{number}"
        if number > MAX_RECORDS:
            raise ValueError(f"more than {MAX_RECORDS} records")
        try:
            fields = json.loads(record) if isinstance(record, str) else record
            text, title = _text(fields, text_field)
        except Unreadable as exc:
            yield {"name": here, "key": exc.key, "fields": exc.fields}
            continue
        except (ValueError, RecursionError) as exc:
            yield {
                "name": here,
                "key": "malformed",
                "fields": {"detail": f"{type(exc).__name__}: {exc}"[:200]},
            }
            continue
        given = {key: fields[key] for key in KEPT if fields.get(key) is not None}
        named = _own_name(name, fields.get("id"))
        yield {**given, **named, "title": title or first_heading(text), "name": here, "text": text}


def _own_name(name: str, own: Any) -> JsonObject:
    if isinstance(own, bool) or not isinstance(own, str | int) or not str(own).strip():
        return {}
    return {"id": str(own), "address": f"{name}#id={own}"}


def _text(fields: Any, text_field: str) -> tuple[str, str]:
    """Text and title of a record. Raises `Unreadable`."""
    if not isinstance(fields, dict):
        raise Unreadable("no_text", fields="")
    folded = {str(key).lower(): value for key, value in fields.items()}
    title = next((folded[key] for key in TITLES if isinstance(folded.get(key), str)), "")
    if text_field:
        value = _at(fields, text_field)
        if not isinstance(value, str):
            raise Unreadable("no_field", name=text_field)
        return value, title
    for asked, answered in ASKED:
        if isinstance(folded.get(asked), str) and folded.get(answered) and "text" not in folded:
            answer = folded[answered]
            shown = answer if isinstance(answer, str) else "\n".join(_values(answer, "", 0))
            return f"{folded[asked]}\n\n{shown}", folded[asked]
    found = next((folded[key] for key in TEXTS if isinstance(folded.get(key), str)), None)
    if found is not None:
        return found, title
    lines = list(_values(fields, "", 0))
    own = [line for line in lines if not line.lower().startswith(("id: ", "title: ", "titulo: ", "título: "))]
    if not own or not any(isinstance(value, str | dict | list) for value in folded.values()):
        raise Unreadable("no_text", fields=", ".join(map(str, list(fields)[:8])))
    return "\n".join(lines), title


def _at(fields: JsonObject, path: str) -> Any:
    """The value of a field, or of one inside it (`page.body`)."""
    value: Any = fields
    for step in [path] if path in fields else path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _values(value: Any, name: str, depth: int) -> Iterator[str]:
    """A line a value: `name: value`, `outer.inner: value`."""
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, inner in value.items():
            yield from _values(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and depth < MAX_DEPTH:
        for inner in value:
            yield from _values(inner, name, depth + 1)
    elif value is not None and value != "":
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        yield f"{name}: {shown}" if name else shown
