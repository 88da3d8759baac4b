"""Vertices, edges and paths."""

from typing import Any

from servers.graph.values.types import BAD_TYPE, NULL, UNKNOWN_PROP, Edge, Empty, Null, Path, Vertex


def vid(value: Any) -> Any:
    return value.vid if type(value) is Vertex else _none(value)


def properties(value: Any) -> Any:
    match value:
        case Vertex():
            return {name: item for props in value.tags.values() for name, item in props.items()}
        case Edge():
            return value.props
        case dict():
            return value
    return _none(value)


def source(value: Any) -> Any:
    match value:
        case Edge():
            return value.src if value.type > 0 else value.dst
        case Path():
            return value.vertices[0].vid
    return _none(value)


def destination(value: Any) -> Any:
    match value:
        case Edge():
            return value.dst if value.type > 0 else value.src
        case Path():
            return value.vertices[-1].vid
    return _none(value)


def walked_source(value: Any) -> Any:
    """`none_direct_src`: where the walk came from, whatever the edge's direction."""
    return value.src if type(value) is Edge else source(value)


def walked_destination(value: Any) -> Any:
    return value.dst if type(value) is Edge else destination(value)


def edge_type(value: Any) -> Any:
    return value.name if type(value) is Edge else _none(value)


def type_id(value: Any) -> Any:
    return value.type if type(value) is Edge else _none(value)


def rank(value: Any) -> Any:
    return value.rank if type(value) is Edge else _none(value)


def start_node(value: Any) -> Any:
    match value:
        case Path():
            return value.vertices[0]
        case Edge():
            return Vertex(source(value))
    return _none(value)


def end_node(value: Any) -> Any:
    match value:
        case Path():
            return value.vertices[-1]
        case Edge():
            return Vertex(destination(value))
    return _none(value)


def repeats_edge(value: Any) -> Any:
    return len(set(value.edges)) < len(value.edges) if type(value) is Path else _none(value)


def exists(value: Any) -> Any:
    """False for what is not there; NULL where that cannot be said."""
    if isinstance(value, Null):
        return False if value is UNKNOWN_PROP else value
    return not isinstance(value, Empty)


def _none(value: Any) -> Any:
    return NULL if isinstance(value, Null | Empty) else BAD_TYPE


FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "id": (vid, 1, 1),
    "properties": (properties, 1, 1, "MAP"),
    "src": (source, 1, 1),
    "dst": (destination, 1, 1),
    "none_direct_src": (walked_source, 1, 1),
    "none_direct_dst": (walked_destination, 1, 1),
    "type": (edge_type, 1, 1, "STRING"),
    "typeid": (type_id, 1, 1, "INT"),
    "rank": (rank, 1, 1, "INT"),
    "startnode": (start_node, 1, 1, "VERTEX"),
    "endnode": (end_node, 1, 1, "VERTEX"),
    "hassameedgeinpath": (repeats_edge, 1, 1, "BOOL"),
    "exists": (exists, 1, 1, "BOOL"),
}
