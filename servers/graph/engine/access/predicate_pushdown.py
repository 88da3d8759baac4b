"""Predicate pushdown and index seek: simple comparisons of a WHERE become SQL over stored properties.

What SQL keeps is checked again by the compiled WHERE.
"""

from dataclasses import dataclass
from typing import Any

from servers.graph.language import expressions as e
from servers.graph.storage.codec import column_sql, to_stored
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
    """`prop op value`, where the value needs no element."""

    prop: str
    op: str
    value: e.Expr


def conjuncts(node: e.Expr | None) -> list[e.Expr]:
    """The parts of an AND that must all hold; none of None."""
    match node:
        case None:
            return []
        case e.Binary(op="AND", left=left, right=right):
            return conjuncts(left) + conjuncts(right)
    return [node]


def where_sql(schema: SchemaDef, conditions: list[tuple[Condition, Any]]) -> tuple[str, list[Any]]:
    """`(SQL that follows a WHERE's first condition, its bindings)`.

    It keeps every row that fulfils the conditions; other rows may stay too.
    """
    texts: list[str] = []
    bound: list[Any] = []
    for condition, value in conditions:
        prop = schema.by_name[condition.prop]
        # Older rows have the default of a late property, which SQL does not see.
        if not _comparable(prop, value) or (prop.late and prop.default is not None):
            continue
        if condition.op == "==" and type(value) is float:
            continue
        texts.append(f" AND {column_sql(schema, prop.name)} {SQL[condition.op]} ?")
        bound.append(to_stored(value))
    return "".join(texts), bound


def _comparable(prop: PropDef, value: Any) -> bool:
    wanted = KINDS.get(prop.type, (int, float))
    return type(value) in wanted


def has_usable_index(indexes: list[IndexDef], props: list[str]) -> bool:
    """Whether some index starts with one of the properties, or there is one at all when none is named."""
    return any(not props or (index.fields and index.fields[0][0] in props) for index in indexes)
