"""Requests made from a service's own OpenAPI, right and wrong: whatever is asked, the answer is one of ours.

Schemathesis writes the careful ones; the many are drawn here, because a thousand a second can be.
"""
# ruff: noqa: E501

import json
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok, Result

USUAL, SOAK = 2_000, 10_000
CAREFUL = 400
ENVELOPE = {"message", "type", "code", "param", "source"}
Names = dict[str, list[str]]
ATOMS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", " ", "\x00", "a\x00b", "\ud800", "ñ", "é\u0301", "💾" * 9, "\u202e", "x" * 300, "x" * 5_000, "../../etc/passwd"),
    *("%00", "%", "'", '"', "`", "\\", "{", "*", "$1", "; DROP TABLE documents", "<script>", "null", "NaN", "1e999", "\r\n"),
    *([], {}, [None], [[]], [[[[[[]]]]]], {"": ""}, {"a": {"b": [1]}}, ["x"] * 50, {"$ref": "#"}, {"\x00": "\ud800"}),
)  # fmt: skip
WORDS = (
    *("a", "fuzz", "capibara6", "hola, ¿qué modelos hay?", "The pool keeps three models loaded.", "es", "en"),
    *(
        "SELECT 1",
        "SELECT $1::text",
        "YIELD 1 AS n",
        "MATCH (v) RETURN v",
        'language == "es"',
        "extractive",
        "user",
    ),
)
RAW = (
    b"",
    b"{",
    b"[1,",
    b"\xff\xfe",
    b"nul",
    b'{"a":1,"a":2}',
    b'{"a":1e400}',
    b"[" * 50_000,
    b'{"a":' * 50_000,
)


def check(
    base: str,
    *,
    count: int,
    seed: int,
    names: Names | None = None,
    without: str | tuple[str, ...] = "-",
    allowed: tuple[int, ...] = (501,),
    plain: str = "-",
) -> None:
    """Send `count` requests to the service at `base`: no 5xx but those `allowed`, no error in a foreign shape.

    Paths that begin with `without` are left out; on those with `plain` an error is one text. `names` bounds what fields and parameters of that name hold,
    where each new value makes something large.
    """
    document = httpx.get(f"{base}/openapi.json", trust_env=False, timeout=60).json()
    document["paths"] = {p: verbs for p, verbs in document["paths"].items() if not p.startswith(without)}
    careful = min(count, CAREFUL) if count == USUAL else count // 2
    with requests.Session() as session:
        session.trust_env = False
        schema = schemathesis.openapi.from_dict(_bounded(document, names or {}))
        found = [_valid(operation) for operation in schema.get_all_operations()]
        for operation in found:
            _careful(operation, base, session, -(-careful // len(found)), allowed, plain)
    with httpx.Client(base_url=base, timeout=60.0, trust_env=False) as client:
        made = requests_of(document, names or {}, seed)
        for _ in range(count - careful):
            method, path, query, body = next(made)
            headers = {"content-type": "application/json"} if body is not None else {}
            status, content = answered(
                partial(client.request, method, path, params=query, content=body, headers=headers)
            )
            said = f"seed {seed}: {method} {path} {query} {(body or b'')[:500]!r}"
            judge(method, status, content, said, allowed, plain=path.startswith(plain))


def _valid(operation: Result[Any, Any]) -> Any:
    assert isinstance(operation, Ok), operation
    return operation.ok()


def answered(send: Callable[[], Any]) -> tuple[int, bytes]:
    """What a store on a busy machine did not do in time is asked again, as its 503 says; a real one stays."""
    answer = send()
    for _ in range(4):
        if answer.status_code != 503:
            break
        time.sleep(1.2)
        answer = send()
    return answer.status_code, answer.content


def judge(
    method: str, status: int, content: bytes, said: str, allowed: tuple[int, ...], *, plain: bool = False
) -> None:
    assert status < 500 or status in allowed, f"{said} → {status} {content[:300]!r}"
    if status >= 400 and method != "HEAD":
        error = json.loads(content).get("error")
        sound = isinstance(error, str) if plain else isinstance(error, dict) and set(error) == ENVELOPE
        assert sound, f"{said} → {status} {content[:300]!r}"


def requests_of(
    document: dict[str, Any], names: Names, seed: int
) -> Iterator[tuple[str, str, Any, bytes | None]]:
    """`(method, path, query, body)` without end; equal for equal seeds."""
    source = random.Random(seed)
    schemas = document.get("components", {}).get("schemas", {})
    places = [(m, path, what) for path, verbs in document["paths"].items() for m, what in verbs.items()]
    places = [place for place in places if "parameters" in place[2] or "requestBody" in place[2]] or places
    while True:
        method, path, what = source.choice(places)
        query = {}
        for parameter in what.get("parameters", ()):
            if parameter["in"] == "path" or parameter.get("required") or source.random() < 0.5:
                value = _value(parameter.get("schema", {}), schemas, names, source, parameter["name"])
                text = _text(value)
                if parameter["in"] == "path":
                    path = path.replace("{" + parameter["name"] + "}", quote(text or "x", safe=""))
                elif parameter["in"] == "query":
                    query[parameter["name"]] = text
        content = what.get("requestBody", {}).get("content", {}).get("application/json")
        body = None
        if content is not None:
            body = json.dumps(_value(content["schema"], schemas, names, source, "")).encode()
            body = source.choice(RAW) if source.random() < 0.03 else body
        yield method.upper(), path, query, body


def _value(schema: Any, schemas: Any, names: Names, source: random.Random, name: str, depth: int = 0) -> Any:  # noqa: C901, PLR0911, PLR0912
    """A value that fits the schema, or one in ten times does not."""
    if source.random() < 0.1 or depth > 8:
        return source.choice(ATOMS)
    if name in names:
        return source.choice(names[name])
    if "$ref" in schema:
        return _value(schemas[schema["$ref"].rpartition("/")[2]], schemas, names, source, name, depth)
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several):
            return _value(source.choice(schema[several]), schemas, names, source, name, depth)
    if "enum" in schema or "const" in schema:
        return source.choice(schema.get("enum") or [schema["const"]])
    match schema.get("type"):
        case "object":
            given, needed = schema.get("properties", {}), schema.get("required", ())
            keys = [key for key in given if key in needed or source.random() < 0.4]
            keys += ["extra"] if source.random() < 0.1 else []
            return {key: _value(given.get(key, {}), schemas, names, source, key, depth + 1) for key in keys}
        case "array":
            size = max(schema.get("minItems", 0), source.choice((0, 1, 1, 2, 3)))
            item = schema.get("items", {})
            return [_value(item, schemas, names, source, name, depth + 1) for _ in range(size)]
        case "integer":
            return source.choice((schema.get("minimum", 0), schema.get("maximum", 9), 1, 2, 5))
        case "number":
            return source.choice((schema.get("minimum", 0.0), schema.get("maximum", 1.0), 0.5, 1, 2.5))
        case "boolean":
            return source.random() < 0.5
        case "string":
            return source.choice(WORDS)
        case _:
            return source.choice((*WORDS, *ATOMS))


def _text(value: Any) -> str:
    said = value if isinstance(value, str) else json.dumps(value)
    return said.encode("utf-8", "replace").decode()


def _careful(
    operation: Any, base: str, session: requests.Session, count: int, allowed: tuple[int, ...], plain: str
) -> None:
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]

    @settings(
        max_examples=max(1, count),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),  # type: ignore[arg-type] # typed as the metaclass
        phases=[Phase.generate],
    )
    @drawn(case=st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes)))
    def each(case: Case) -> None:
        status, content = answered(partial(case.call, base_url=base, session=session, timeout=60))
        judge(case.method, status, content, repr(case), allowed, plain=operation.path.startswith(plain))

    each()


def _bounded(node: Any, names: Names) -> Any:
    """The document with `names` as the only values of fields and parameters of that name."""
    if isinstance(node, list):
        return [_bounded(item, names) for item in node]
    if not isinstance(node, dict):
        return node
    name = node.get("name")
    if isinstance(name, str) and name in names and "schema" in node:
        return {**node, "schema": {"enum": names[name]}}
    if isinstance(node.get("properties"), dict):
        chosen = {key: {"enum": values} for key, values in names.items() if key in node["properties"]}
        node = {**node, "properties": {**node["properties"], **chosen}}
    return {key: _bounded(value, names) for key, value in node.items()}
