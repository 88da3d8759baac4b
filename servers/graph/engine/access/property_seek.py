"""Finding elements by their properties: simple conditions become SQL."""

from dataclasses import dataclass
from typing import Any

from servers.graph.engine.schema.indexes import column_sql
from servers.graph.language import expressions as e
from servers.graph.storage.codec import to_stored
from servers.graph.storage.schema import IndexDef, PropDef, SchemaDef
from servers.graph.values.types import Date, DateTime, Time

MIRRORED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
SQL = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
KINDS: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "FIXED_STRING": (str,),
    "BOOL": (bool,),
    "FLOAT": (int, float),
    "DOUBLE": (int, float),
    "DATE": (Date,),
    "TIME": (Time,),
    "DATETIME": (DateTime,),
}


@dataclass(slots=True)
class Condition:
    """`prop op value`, where value needs no element."""

    prop: str
    op: str
    value: e.Expr


def conjuncts(node: e.Expr | None) -> list[e.Expr]:
    """The parts that must all hold."""
    match node:
        case None:
            return []
        case e.Binary(op="AND", left=left, right=right):
            return conjuncts(left) + conjuncts(right)
    return [node]


def narrowing(schema: SchemaDef, conditions: list[tuple[Condition, Any]]) -> tuple[str, list[Any]]:
    """SQL and its bindings that keep every row that fulfils the conditions; other rows may stay too."""
    texts: list[str] = []
    bound: list[Any] = []
    for condition, value in conditions:
        prop = schema.by_name[condition.prop]
        if not _comparable(prop, value):
            continue
        if condition.op == "==" and type(value) is float:
            continue
        texts.append(f" AND {column_sql(schema, prop.name)} {SQL[condition.op]} ?")
        bound.append(to_stored(value))
    return "".join(texts), bound


def _comparable(prop: PropDef, value: Any) -> bool:
    wanted = KINDS.get(prop.type, (int, float))
    return type(value) in wanted


def usable(indexes: list[IndexDef], props: list[str]) -> bool:
    """Whether some index starts with one of the properties, or there is one at all when none is named."""
    return any(not props or (index.fields and index.fields[0][0] in props) for index in indexes)
