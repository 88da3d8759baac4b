"""Values that go into a tag or an edge: defaults, NULL, and the fit of value and type."""

from collections.abc import Callable, Sequence
from typing import Any

from servers.graph.errors import ExecutionError, SemanticError, StorageError
from servers.graph.storage.codec import encode, from_stored
from servers.graph.storage.schema import PropDef, SchemaDef
from servers.graph.values import temporal as t
from servers.graph.values.types import MAX_INT, MIN_INT, NULL, Date, DateTime, Duration, Empty, Null, Time

RANGES = {
    "INT": (MIN_INT, MAX_INT),
    "INT64": (MIN_INT, MAX_INT),
    "INT32": (-(2**31), 2**31 - 1),
    "INT16": (-(2**15), 2**15 - 1),
    "INT8": (-128, 127),
}
MISMATCH = "The data type does not meet the requirements. Use the correct type of data."


class Filler:
    """Makes stored rows of a schema from values given in some order of properties."""

    def __init__(self, schema: SchemaDef, names: list[str], evaluate: Callable[[str], Any]) -> None:
        self._schema = schema
        self._fits = [(_fit_of(prop), prop) for prop in schema.props]
        self._index = {name: at for at, name in enumerate(names)}
        self._evaluate = evaluate
        for prop in schema.props:
            if prop.name not in self._index and prop.default is None and not prop.nullable:
                raise SemanticError(f"The property `{prop.name}' is not nullable and has no default value.")

    def texts(self, columns: Sequence[Sequence[Any]], count: int) -> list[str]:
        """Stored texts of `count` rows given column by column. Raises `StorageError`."""
        made: list[Sequence[Any]] = [[NULL] * count for _ in range(self._schema.next_position)]
        for fit, prop in self._fits:
            at = self._index.get(prop.name)
            if at is None:
                made[prop.position] = [default_of(prop, self._evaluate) for _ in range(count)]
            else:
                made[prop.position] = _fit_column(fit, prop, columns[at])
        return [encode(row) for row in zip(*made, strict=True)] if made else ["[]"] * count


def _fit_column(fit: Callable[[Any, PropDef], Any], prop: PropDef, column: Sequence[Any]) -> Sequence[Any]:
    kinds = set(map(type, column))
    if (kinds == {str} and prop.type == "STRING") or (kinds == {int} and prop.type in ("INT", "INT64")):
        return column
    return [fit(value, prop) for value in column]


def default_of(prop: PropDef, evaluate: Callable[[str], Any]) -> Any:
    """The value of a property that was not given. Raises `StorageError` when there is none."""
    if prop.default is None:
        if prop.nullable:
            return NULL
        raise StorageError("The not null field doesn't have a default value.")
    kind, value = prop.default
    return from_stored(prop, value) if kind == "value" else fitted(prop, evaluate(value))


def fitted(prop: PropDef, value: Any) -> Any:
    """The value as the property keeps it. Raises `StorageError`."""
    return _fit_of(prop)(value, prop)


def _nothing(value: Any, prop: PropDef) -> Any:
    if value is NULL:
        if not prop.nullable:
            raise StorageError("The not null field cannot be null.")
        return NULL
    if isinstance(value, Empty | Null):
        raise StorageError(MISMATCH)
    return None


def _integer(value: Any, prop: PropDef) -> Any:
    if type(value) is not int:
        if type(value) is Null:
            return _nothing(value, prop)
        raise StorageError(MISMATCH)
    low, high = RANGES[prop.type]
    if not low <= value <= high:
        raise StorageError("Out of range value.")
    return value


def _text(value: Any, prop: PropDef) -> Any:
    if type(value) is str:
        return value
    if type(value) is Null:
        return _nothing(value, prop)
    raise StorageError(MISMATCH)


def _fixed(value: Any, prop: PropDef) -> Any:
    made = _text(value, prop)
    if type(made) is not str:
        return made
    data = made.encode()
    return made if len(data) <= (prop.length or 0) else data[: prop.length].decode(errors="ignore")


def _float(value: Any, prop: PropDef) -> Any:
    if type(value) in (int, float):
        return float(value)
    if type(value) is Null:
        return _nothing(value, prop)
    raise StorageError(MISMATCH)


def _kind(*kinds: type) -> Callable[[Any, PropDef], Any]:
    def fit(value: Any, prop: PropDef) -> Any:
        if type(value) in kinds:
            return value
        if type(value) is Null:
            return _nothing(value, prop)
        raise StorageError(MISMATCH)

    return fit


def _timestamp(value: Any, prop: PropDef) -> Any:
    if type(value) is Null:
        return _nothing(value, prop)
    if type(value) not in (int, str):
        raise StorageError(MISMATCH)
    found = t.timestamp_from(value)
    if found is None:
        raise StorageError("Out of range value." if type(value) is int else MISMATCH)
    return found


_FITS: dict[str, Callable[[Any, PropDef], Any]] = {
    **dict.fromkeys(RANGES, _integer),
    "STRING": _text,
    "FIXED_STRING": _fixed,
    "FLOAT": _float,
    "DOUBLE": _float,
    "BOOL": _kind(bool),
    "DATE": _kind(Date),
    "TIME": _kind(Time),
    "DATETIME": _kind(DateTime),
    "DURATION": _kind(Duration),
    "TIMESTAMP": _timestamp,
}


def _fit_of(prop: PropDef) -> Callable[[Any, PropDef], Any]:
    found = _FITS.get(prop.type)
    if found is None:
        raise ExecutionError(f"type {prop.type} is not supported")
    return found
