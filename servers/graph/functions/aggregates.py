"""Aggregate functions: COUNT, SUM, AVG, MAX, MIN, STD, COLLECT and the bitwise ones over a group's values.

Grouping itself is in `engine/statements/projection`.
"""

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

from servers.graph.values.arithmetic import add, is_number
from servers.graph.values.ordering import order_key
from servers.graph.values.types import BAD_TYPE, NULL, Empty, NSet, Null, identity


def aggregate(name: str, values: list[Any], *, distinct: bool) -> Any:
    """What `name` (lower case) makes of the values of a group's rows; NULL and EMPTY do not count.

    Of no values, `count` is 0, `sum` 0, the collections empty and the rest NULL; `sum`, `avg`, `std` and the
    bitwise ones of unfit types give BAD_TYPE.
    """
    present = [value for value in values if not isinstance(value, Null | Empty)]
    if distinct:
        present = list({identity(value): value for value in present}.values())
    return AGGREGATE[name](present)


def _total(values: list[Any]) -> Any:
    if not all(is_number(value) for value in values):
        return BAD_TYPE
    return reduce(add, values, 0)


def _mean(values: list[Any]) -> Any:
    if not values:
        return NULL
    total = _total(values)
    return total if isinstance(total, Null) else total / len(values)


def _deviation(values: list[Any]) -> Any:
    mean = _mean(values)
    if isinstance(mean, Null):
        return mean
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))


def _bits(combine: Callable[[int, int], int]) -> Callable[[list[Any]], Any]:
    def run(values: list[Any]) -> Any:
        if not values:
            return NULL
        if not all(type(value) is int for value in values):
            return BAD_TYPE
        return reduce(combine, values)

    return run


AGGREGATE: dict[str, Callable[[list[Any]], Any]] = {
    "count": len,
    "sum": _total,
    "avg": _mean,
    "max": lambda values: max(values, key=order_key) if values else NULL,
    "min": lambda values: min(values, key=order_key) if values else NULL,
    "std": _deviation,
    "bit_and": _bits(lambda left, right: left & right),
    "bit_or": _bits(lambda left, right: left | right),
    "bit_xor": _bits(lambda left, right: left ^ right),
    "collect": list,
    "collect_set": NSet,
}
