"""Functions of vertices, edges and paths: `id`, `properties`, `src`, `dst`, `rank`, `startNode` …

Each gives NULL for NULL and EMPTY, and BAD_TYPE for what it does not take.
"""

from typing import Any

from servers.graph.values.types import BAD_TYPE, NULL, Edge, Empty, Null, Path, Vertex


def vid(value: Any) -> Any:
    """`id(vertex)`: its vid."""
    return value.vid if type(value) is Vertex else _none(value)


def properties(value: Any) -> Any:
    """`properties(vertex | edge | map)`: a map; of a vertex, the properties of all its tags together."""
    match value:
        case Vertex():
            return {name: item for props in value.tags.values() for name, item in props.items()}
        case Edge():
            return value.props
        case dict():
            return value
    return _none(value)


def source(value: Any) -> Any:
    """`src(edge | path)`: the vid where the stored edge begins, whichever way it was traversed."""
    match value:
        case Edge():
            return value.src if value.type > 0 else value.dst
        case Path():
            return value.vertices[0].vid
    return _none(value)


def destination(value: Any) -> Any:
    """`dst(edge | path)`: the vid where the stored edge ends, whichever way it was traversed."""
    match value:
        case Edge():
            return value.dst if value.type > 0 else value.src
        case Path():
            return value.vertices[-1].vid
    return _none(value)


def walked_source(value: Any) -> Any:
    """`none_direct_src(edge | path)`: the vid it was traversed from."""
    return value.src if type(value) is Edge else source(value)


def walked_destination(value: Any) -> Any:
    """`none_direct_dst(edge | path)`: the vid it was traversed to."""
    return value.dst if type(value) is Edge else destination(value)


def edge_type(value: Any) -> Any:
    """`type(edge)`: the name of its edge type."""
    return value.name if type(value) is Edge else _none(value)


def type_id(value: Any) -> Any:
    """`typeid(edge)`: the number of its edge type, negative when it was traversed backwards."""
    return value.type if type(value) is Edge else _none(value)


def rank(value: Any) -> Any:
    """`rank(edge)`: its rank, an integer."""
    return value.rank if type(value) is Edge else _none(value)


def start_node(value: Any) -> Any:
    """`startNode(path | edge)`: the first vertex; of an edge, one without tags."""
    match value:
        case Path():
            return value.vertices[0]
        case Edge():
            return Vertex(source(value))
    return _none(value)


def end_node(value: Any) -> Any:
    """`endNode(path | edge)`: the last vertex; of an edge, one without tags."""
    match value:
        case Path():
            return value.vertices[-1]
        case Edge():
            return Vertex(destination(value))
    return _none(value)


def repeats_edge(value: Any) -> Any:
    """`hasSameEdgeInPath(path)`: whether an edge occurs twice, in either direction."""
    return len(set(value.edges)) < len(value.edges) if type(value) is Path else _none(value)


def exists(value: Any) -> Any:
    """`exists(value)`: False for NULL and EMPTY, BAD_TYPE for what has no properties, else True."""
    return value if value is BAD_TYPE else not isinstance(value, Null | Empty)


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
    "is_edge": (lambda value: type(value) is Edge, 1, 1, "BOOL"),
}
