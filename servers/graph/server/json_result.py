"""A result as the JSON that `executeJson` gives."""

import json
from typing import Any

from servers.graph.engine.executor import Result
from servers.graph.values import types as v


def result_to_json(result: Result) -> bytes:
    """`{"errors": [{code, message?}], "results": [{columns, data: [{row, meta}], …}]}` in UTF-8."""
    error: dict[str, Any] = {"code": result.code}
    if result.code:
        error["message"] = result.message
    body: dict[str, Any] = {"errors": [error]}
    if not result.code:
        one: dict[str, Any] = {
            "spaceName": result.space,
            "latencyInUs": result.latency,
            "errors": {"code": 0},
        }
        if result.columns:
            one["columns"] = result.columns
            one["data"] = [
                {"row": [json_value(value) for value in row], "meta": [_meta(value) for value in row]}
                for row in result.rows
            ]
        body["results"] = [one]
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def json_value(value: Any) -> Any:
    """A value as JSON has it: vertices and edges as their properties, paths as lists of them."""
    match value:
        case v.Null() | v.Empty():
            return None
        case v.Vertex():
            return {
                f"{tag}.{name}": json_value(item)
                for tag, props in value.tags.items()
                for name, item in props.items()
            }
        case v.Edge():
            return {name: json_value(item) for name, item in value.props.items()}
        case v.Path():
            return [json_value(part) for part in _parts(value)]
        case list() | v.NSet():
            return [json_value(item) for item in value]
        case dict():
            return {key: json_value(item) for key, item in value.items()}
        case v.Date() | v.Time() | v.DateTime() | v.Duration():
            return str(value)
    return value


def _parts(path: v.Path) -> list[Any]:
    parts: list[Any] = [path.vertices[0]]
    for edge, vertex in zip(path.edges, path.vertices[1:], strict=True):
        parts += [edge, vertex]
    return parts


def _meta(value: Any) -> Any:
    match value:
        case v.Vertex():
            return {"type": "vertex", "id": value.vid}
        case v.Edge():
            src, _, rank, dst = value.key
            return {
                "type": "edge",
                "id": {"name": value.name, "src": src, "dst": dst, "type": value.type, "ranking": rank},
            }
        case v.Path():
            return [_meta(part) for part in _parts(value)]
        case list() | v.NSet():
            return [_meta(item) for item in value]
        case v.Date() | v.Time() | v.DateTime():
            return {"type": type(value).__name__.lower()}
    return None
