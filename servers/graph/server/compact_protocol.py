"""Tables straight to thrift's compact bytes: the same as the generated code writes, many times faster."""

import struct
from collections.abc import Callable, Iterable
from typing import Any

from nebula3.fbthrift.protocol.TCompactProtocol import TCompactProtocolFactory
from nebula3.fbthrift.transport.THeaderTransport import T_COMPACT_PROTOCOL
from nebula3.fbthrift.util.Serializer import serialize

from servers.graph.server.thrift_values import dataset, to_wire
from servers.graph.values import types as v

STOP = b"\0"
BINARY, LIST, SET, MAP, STRUCT = 8, 9, 10, 11, 12
FACTORY = TCompactProtocolFactory()


class Table:
    """Stands for a `DataSet` in a response: writes itself."""

    def __init__(self, columns: list[str], rows: list[list[Any]]) -> None:
        self.columns, self.rows = columns, rows

    def write(self, protocol: Any) -> None:
        transport = protocol.trans
        if transport.get_protocol_id() == T_COMPACT_PROTOCOL:
            transport.write(table(self.columns, self.rows))
        else:
            dataset(self.columns, self.rows).write(protocol)


def table(columns: list[str], rows: list[list[Any]]) -> bytes:
    """The compact bytes of a DataSet."""
    names = [text(name) for name in columns]
    lines = [b"\x19" + sequence(STRUCT, list(map(value, row))) + STOP for row in rows]
    return b"\x19" + sequence(BINARY, names) + b"\x19" + sequence(STRUCT, lines) + STOP


def value(item: Any) -> bytes:
    """The compact bytes of a Value."""
    return _VALUE[type(item)](item)


def varint(number: int) -> bytes:
    if number < 0x80:
        return _SMALL[number]
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


_SMALL = [bytes([number]) for number in range(0x80)]


def zigzag(number: int) -> bytes:
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def text(item: str) -> bytes:
    data = item.encode("utf-8", "surrogatepass")
    return varint(len(data)) + data


def sequence(kind: int, items: list[bytes]) -> bytes:
    count = len(items)
    head = bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + varint(count)
    return head + b"".join(items)


def mapping(items: dict[str, Any]) -> bytes:
    if not items:
        return STOP
    entries = [text(key) + value(item) for key, item in items.items()]
    return varint(len(items)) + bytes([BINARY << 4 | STRUCT]) + b"".join(entries)


def _integer(item: int) -> bytes:
    return b"\x36" + zigzag(item) + STOP


def _string(item: str) -> bytes:
    data = item.encode("utf-8", "surrogatepass")
    return b"\x58" + varint(len(data)) + data + STOP


def _list(items: Iterable[Any]) -> bytes:
    return b"\xcc\x19" + sequence(STRUCT, list(map(value, items))) + STOP + STOP


def vertex(item: v.Vertex) -> bytes:
    tags = [b"\x18" + text(name) + b"\x1b" + mapping(props) + STOP for name, props in item.tags.items()]
    return b"\x1c" + value(item.vid) + b"\x19" + sequence(STRUCT, tags) + STOP


def edge(item: v.Edge) -> bytes:
    ends = b"\x1c" + value(item.src) + b"\x1c" + value(item.dst)
    return ends + b"\x15" + zigzag(item.type) + _named(item) + STOP


def _named(item: v.Edge) -> bytes:
    return b"\x18" + text(item.name) + b"\x16" + zigzag(item.rank) + b"\x1b" + mapping(item.props)


def path(item: v.Path) -> bytes:
    steps = [
        b"\x1c" + vertex(end) + b"\x15" + zigzag(step.type) + _named(step) + STOP
        for step, end in zip(item.edges, item.vertices[1:], strict=True)
    ]
    return b"\x1c" + vertex(item.vertices[0]) + b"\x19" + sequence(STRUCT, steps) + STOP


def _rare(item: Any) -> bytes:
    return serialize(FACTORY, to_wire(item))


_VALUE: dict[type, Callable[[Any], bytes]] = {
    v.Empty: lambda _: STOP,
    v.Null: lambda item: b"\x15" + zigzag(item.kind) + STOP,
    bool: lambda item: b"\x21\0" if item else b"\x22\0",
    int: _integer,
    float: lambda item: b"\x47" + struct.pack(">d", item) + STOP,
    str: _string,
    list: _list,
    dict: lambda item: b"\xdc\x1b" + mapping(item) + STOP + STOP,
    v.NSet: lambda items: b"\xec\x1a" + sequence(STRUCT, list(map(value, items))) + STOP + STOP,
    v.Vertex: lambda item: b"\x9c" + vertex(item) + STOP,
    v.Edge: lambda item: b"\xac" + edge(item) + STOP,
    v.Path: lambda item: b"\xbc" + path(item) + STOP,
    v.Date: _rare,
    v.Time: _rare,
    v.DateTime: _rare,
    v.Duration: _rare,
}
