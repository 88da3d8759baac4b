"""The table of functions: name → how many arguments, and what computes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servers.graph.functions import graphs, lists, maths, moments, strings

AGGREGATES = frozenset(
    {"count", "sum", "avg", "max", "min", "std", "bit_and", "bit_or", "bit_xor", "collect", "collect_set"}
)
RANDOM = frozenset({"rand", "rand32", "rand64", "uuid"})


@dataclass(frozen=True, slots=True)
class Function:
    """`run` takes the arguments in order. `most` is None where any number may follow.

    `result` is the deduced type, "" when it depends on the arguments.
    """

    run: Callable[..., Any]
    least: int
    most: int | None
    result: str = ""


def _collect() -> dict[str, Function]:
    found: dict[str, Function] = {}
    for module in (maths, strings, lists, moments, graphs):
        for name, (run, least, most, *result) in module.FUNCTIONS.items():
            found[name] = Function(run, least, most, *result)
    return found


FUNCTIONS = _collect()


def find(name: str, count: int) -> Function | None:
    """The function of that name for `count` arguments."""
    function = FUNCTIONS.get(name.lower())
    if function is None or count < function.least:
        return None
    return function if function.most is None or count <= function.most else None


def known(name: str, count: int) -> bool:
    """Whether a call may be parsed: a function or an aggregate."""
    return find(name, count) is not None or (name.lower() in AGGREGATES and count == 1)
