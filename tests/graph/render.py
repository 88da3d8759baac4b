"""Values as the case files write them."""

from typing import Any

from nebula3.data.DataObject import ValueWrapper

NULLS = {
    "__NULL__": "NULL",
    "NaN": "NaN",
    "BAD_DATA": "BAD_DATA",
    "BAD_TYPE": "BAD_TYPE",
    "ERR_OVERFLOW": "ERR_OVERFLOW",
    "UNKNOWN_PROP": "UNKNOWN_PROP",
    "DIV_BY_ZERO": "DIV_BY_ZERO",
    "OUT_OF_RANGE": "OUT_OF_RANGE",
}


def render(value: ValueWrapper) -> str:
    """One value's text: `"a"`, `[1, 2]`, `("id" :tag{p: 1})`, `[:e "a"->"b" @0 {p: 1}]`, `<…>`."""
    for test, write in _WRITERS:
        if getattr(value, test)():
            return write(value)
    return str(value)


def _map(props: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {render(props[key])}" for key in sorted(props))


def vertex(value: ValueWrapper) -> str:
    """`("id" :tag{p: 1})`, tags and properties sorted."""
    node = value.as_node()
    tags = "".join(f" :{tag}{{{_map(node.properties(tag))}}}" for tag in sorted(node.tags()))
    return f"({render(node.get_id())}{tags})"


def edge(value: ValueWrapper) -> str:
    """`[:e "a"->"b" @0 {p: 1}]`, properties sorted."""
    link = value.as_relationship()
    props = f" {{{_map(link.properties())}}}" if link.properties() else ""
    ends = f"{render(link.start_vertex_id())}->{render(link.end_vertex_id())}"
    return f"[:{link.edge_name()} {ends} @{link.ranking()}{props}]"


def path(value: ValueWrapper) -> str:
    """Ids and edge names only, each edge as it was traversed."""
    walked = value.as_path()
    nodes = [render(node.get_id()) for node in walked.nodes()]
    text = f"<({nodes[0]})"
    for at, link in enumerate(walked.relationships()):
        forward = render(link.start_vertex_id()) == nodes[at]
        arrow = (
            f"-[:{link.edge_name()}@{link.ranking()}]->"
            if forward
            else f"<-[:{link.edge_name()}@{link.ranking()}]-"
        )
        text += f"{arrow}({nodes[at + 1]})"
    return f"{text}>"


def moment(value: Any) -> str:
    """Stored UTC, whatever zone the client would show."""
    for kind in ("get_dVal", "get_tVal", "get_dtVal", "get_duVal"):
        found = getattr(value.get_value(), kind, None)
        if found is not None and value.get_value().getType() == _KINDS[kind]:
            return _moment(kind, found())
    return str(value)


_KINDS = {"get_dVal": 6, "get_tVal": 7, "get_dtVal": 8, "get_duVal": 17}


def _moment(kind: str, at: Any) -> str:
    if kind == "get_dVal":
        return f"{at.year:04d}-{at.month:02d}-{at.day:02d}"
    if kind == "get_duVal":
        return f"P{at.months}MT{at.seconds}.{at.microseconds:06d}000S"
    clock = f"{at.hour:02d}:{at.minute:02d}:{at.sec:02d}.{at.microsec:06d}"
    return clock if kind == "get_tVal" else f"{at.year:04d}-{at.month:02d}-{at.day:02d}T{clock}"


_WRITERS: list[tuple[str, Any]] = [
    ("is_null", lambda value: NULLS[repr(value.as_null())]),
    ("is_empty", lambda _: "EMPTY"),
    ("is_bool", lambda value: "true" if value.as_bool() else "false"),
    ("is_int", lambda value: str(value.as_int())),
    ("is_double", lambda value: repr(value.as_double())),
    ("is_string", lambda value: f'"{value.as_string()}"'),
    ("is_list", lambda value: f"[{', '.join(map(render, value.as_list()))}]"),
    ("is_set", lambda value: f"{{{', '.join(sorted(map(render, value.as_set())))}}}"),
    ("is_map", lambda value: f"{{{_ordered(value.as_map())}}}"),
    ("is_vertex", vertex),
    ("is_edge", edge),
    ("is_path", path),
    ("is_date", moment),
    ("is_time", moment),
    ("is_datetime", moment),
    ("is_duration", moment),
]


def _ordered(items: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {render(item)}" for key, item in items.items())
