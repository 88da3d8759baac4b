"""Fills a schema with quotes: each field is asked for by itself, and holds what a passage says, or the answer
is refused. No field is guessed.
"""

import json
import re
from typing import Any

from agents.answering.json_schema import Shape
from agents.answering.model import QUOTING, complete
from agents.answering.streaming import AnswerRequest
from agents.grounding.citations import MARK, used
from agents.grounding.sentences import split_sentences
from tools.clients.pool import Pool
from tools.errors import BadRequest
from tools.passages import Passage, render
from tools.schema import JsonObject
from tools.text.words import fold

MOST_FIELDS = 32
_NUMBER = re.compile(r"(?<![\w.,])-?\d+(?:[.,]\d+)?(?![\w])")


async def quote_fields(shape: Shape, request: AnswerRequest, pool: Pool) -> tuple[str, list[int]]:
    """The JSON object, and the numbers of the passages it quotes. Raises BadRequest for a schema, or a needed
    field of it, that quotes do not fill; it names the models that write."""
    if request.otherwise:
        raise await _unfit(pool, "the documents do not hold the answer")
    fields: JsonObject = shape.schema.get("properties", {})
    if shape.free or shape.schema.get("type") != "object" or not 0 < len(fields) <= MOST_FIELDS:
        raise await _unfit(pool, f"it fills an object with 1 to {MOST_FIELDS} named fields")
    needed = shape.schema.get("required", ())
    texts = [name for name, field in fields.items() if field.get("type") in ("string", "array")]
    value: JsonObject = {}
    cited: list[int] = []
    for name, field in fields.items():
        plain = len(texts) == 1 and name in texts
        about = "" if plain else str(field.get("description") or name.replace("_", " "))
        quote = await _quote(f"{request.question} {about}".strip(), request, pool)
        found = _value(field, quote) if used(quote) else None
        if found is not None:
            value[name] = found
            cited += [n for n in used(quote) if n not in cited]
        elif name in needed:
            raise await _unfit(pool, f"no passage fills {name!r}")
    text = json.dumps(value, ensure_ascii=False)
    if wrong := shape.read(text)[1]:
        raise await _unfit(pool, wrong)
    return text, cited


async def _quote(question: str, request: AnswerRequest, pool: Pool) -> str:
    passages = render(Passage(one.n, one.title, one.text) for one in request.sources)
    asked = [{"role": "user", "content": f"{passages}\n\n{question}"}]
    return (await complete(pool, asked, model=QUOTING)).text.strip()


def _value(field: JsonObject, quote: str) -> Any:
    """What a quote gives a field of that type; None when it gives nothing."""
    bare = MARK.sub("", quote).strip()
    if (choices := field.get("enum")) is not None:
        said = fold(bare)
        named = [
            one for one in choices if isinstance(one, str) and re.search(rf"\b{re.escape(fold(one))}\b", said)
        ]
        return named[0] if len(named) == 1 else None
    match field.get("type"):
        case "string":
            return " ".join(bare.split())
        case "integer" | "number" as kind:
            return _number(bare, whole=kind == "integer")
        case "array" if field.get("items", {}).get("type") == "string":
            return [clean for one in split_sentences(quote) if (clean := MARK.sub("", one.text).strip())]
        case _:
            return None


def _number(text: str, *, whole: bool) -> int | float | None:
    numbers = set(_NUMBER.findall(text))
    if len(numbers) != 1:
        return None
    number = float(numbers.pop().replace(",", "."))
    return int(number) if number.is_integer() else (None if whole else number)


async def _unfit(pool: Pool, why: str) -> BadRequest:
    able = ", ".join(await pool.generators()) or "none of the pool's models does now"
    return BadRequest(
        f"{QUOTING} fills a schema with quotes alone, and {why}; models that write: {able}",
        param="response_format",
        source="api",
        code="schema_not_quotable",
    )
