"""Values that go into a tag or an edge: defaults, NULL, and coercion to the property's type."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from servers.graph.errors import ExecutionError, SemanticError, StorageError
from servers.graph.storage.codec import encode, from_stored
from servers.graph.storage.schema import PropDef, SchemaDef
from servers.graph.values import temporal as t
from servers.graph.values.types import (
    MAX_INT,
    MIN_INT,
    NULL,
    Date,
    DateTime,
    Duration,
    Empty,
    NSet,
    Null,
    Time,
)

RANGES = {
    "INT": (MIN_INT, MAX_INT),
    "INT64": (MIN_INT, MAX_INT),
    "INT32": (-(2**31), 2**31 - 1),
    "INT16": (-(2**15), 2**15 - 1),
    "INT8": (-128, 127),
}
MISMATCH = "The data type does not meet the requirements. Use the correct type of data."


class PropertyEncoder:
    """Encodes rows of a tag or edge type from values given in the order of `names`.

    `evaluate` gives the value of a default's text. Raises `SemanticError` when a property must be given and
    is not.
    """

    def __init__(self, schema: SchemaDef, names: list[str], evaluate: Callable[[str], Any]) -> None:
        self._schema = schema
        self._coercions = [(_coercion_of(prop), prop) for prop in schema.props]
        self._index = {name: at for at, name in enumerate(names)}
        self._evaluate = evaluate
        for prop in schema.props:
            if prop.name not in self._index and prop.default is None and not prop.nullable:
                raise SemanticError(f"The property `{prop.name}' is not nullable and has no default value.")

    def encode_columns(self, columns: Sequence[Sequence[Any]], count: int) -> list[str]:
        """Stored texts of `count` rows given column by column. Raises `StorageError`."""
        made: list[Sequence[Any]] = [[NULL] * count for _ in range(self._schema.next_position)]
        for coerce_value, prop in self._coercions:
            at = self._index.get(prop.name)
            if at is None:
                made[prop.position] = [default_value(prop, self._evaluate) for _ in range(count)]
            else:
                made[prop.position] = _coerce_column(coerce_value, prop, columns[at])
        return [encode(row) for row in zip(*made, strict=True)] if made else ["[]"] * count


def _coerce_column(
    coerce_value: Callable[[Any, PropDef], Any], prop: PropDef, column: Sequence[Any]
) -> Sequence[Any]:
    kinds = set(map(type, column))
    if (kinds == {str} and prop.type == "STRING") or (kinds == {int} and prop.type in ("INT", "INT64")):
        return column
    return [coerce_value(value, prop) for value in column]


def default_value(prop: PropDef, evaluate: Callable[[str], Any]) -> Any:
    """The value of a property that was not given. Raises `StorageError` when there is none."""
    if prop.default is None:
        if prop.nullable:
            return NULL
        raise StorageError("The not null field doesn't have a default value.")
    kind, value = prop.default
    return from_stored(prop, value) if kind == "value" else coerce(prop, evaluate(value))


def coerce(prop: PropDef, value: Any) -> Any:
    """The value as the property keeps it. Raises `StorageError` for a wrong type, range or NULL."""
    return _coercion_of(prop)(value, prop)


def _coerce_null(value: Any, prop: PropDef) -> Any:
    if value is NULL:
        if not prop.nullable:
            raise StorageError("The not null field cannot be null.")
        return NULL
    if isinstance(value, Empty | Null):
        raise StorageError(MISMATCH)
    return None


def _coerce_integer(value: Any, prop: PropDef) -> Any:
    """Floats are rounded, half away from zero."""
    if type(value) is not int and type(value) is not float:
        if type(value) is Null:
            return _coerce_null(value, prop)
        raise StorageError(MISMATCH)
    low, high = RANGES[prop.type]
    if not low <= value <= high:
        raise StorageError("Out of range value.")
    return value if type(value) is int else int(math.copysign(math.floor(abs(value) + 0.5), value))


def _coerce_string(value: Any, prop: PropDef) -> Any:
    if type(value) is str:
        return value
    if type(value) is Null:
        return _coerce_null(value, prop)
    raise StorageError(MISMATCH)


def _coerce_fixed_string(value: Any, prop: PropDef) -> Any:
    made = _coerce_string(value, prop)
    if type(made) is not str:
        return made
    data = made.encode()
    return made if len(data) <= (prop.length or 0) else data[: prop.length].decode(errors="ignore")


def _coerce_float(value: Any, prop: PropDef) -> Any:
    if type(value) in (int, float):
        return float(value)
    if type(value) is Null:
        return _coerce_null(value, prop)
    raise StorageError(MISMATCH)


def _of_types(*kinds: type) -> Callable[[Any, PropDef], Any]:
    def coerce_value(value: Any, prop: PropDef) -> Any:
        if type(value) in kinds:
            return value
        if type(value) is Null:
            return _coerce_null(value, prop)
        raise StorageError(MISMATCH)

    return coerce_value


def _coerce_timestamp(value: Any, prop: PropDef) -> Any:
    if type(value) is Null:
        return _coerce_null(value, prop)
    if type(value) not in (int, str):
        raise StorageError(MISMATCH)
    found = t.timestamp_from(value)
    if found is None:
        raise StorageError("Out of range value." if type(value) is int else MISMATCH)
    return found


def _coerce_collection(container: type, item: type) -> Callable[[Any, PropDef], Any]:
    def coerce_value(value: Any, prop: PropDef) -> Any:
        if type(value) is Null:
            return _coerce_null(value, prop)
        if container is NSet and value == {}:
            # set{} is read as the empty map.
            return NSet()
        items: list[Any] = list(value) if type(value) is container else [None]
        if any(type(part) is not item and not (item is float and type(part) is int) for part in items):
            raise StorageError(MISMATCH)
        return container(map(item, items))

    return coerce_value


_ITEMS: dict[str, type] = {"STRING": str, "INT": int, "FLOAT": float}

_COERCIONS: dict[str, Callable[[Any, PropDef], Any]] = {
    **dict.fromkeys(RANGES, _coerce_integer),
    "STRING": _coerce_string,
    "FIXED_STRING": _coerce_fixed_string,
    "FLOAT": _coerce_float,
    "DOUBLE": _coerce_float,
    "BOOL": _of_types(bool),
    "DATE": _of_types(Date),
    "TIME": _of_types(Time),
    "DATETIME": _of_types(DateTime),
    "DURATION": _of_types(Duration),
    "TIMESTAMP": _coerce_timestamp,
    **{f"LIST_{name}": _coerce_collection(list, item) for name, item in _ITEMS.items()},
    **{f"SET_{name}": _coerce_collection(NSet, item) for name, item in _ITEMS.items()},
}


def _coercion_of(prop: PropDef) -> Callable[[Any, PropDef], Any]:
    found = _COERCIONS.get(prop.type)
    if found is None:
        raise ExecutionError(f"type {prop.type} is not supported")
    return found
